//! Compiled code is used only as it was written, and no fault of its store makes a plugin fail.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::PlatformMatcher;
use dray_tests::guests::Guest;

struct Store {
    scratch: tempfile::TempDir,
    source: PluginSource,
}

impl Store {
    /// A store with one entry.
    async fn filled() -> Self {
        let store = Self::empty();
        assert!(!store.load().await.timings().compile.is_zero(), "nothing was there");
        store
    }

    fn empty() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let guest = Guest::platform().rank(&[1]).write(scratch.path(), "guest.wasm");
        Self { source: PluginSource::read(&guest).unwrap(), scratch }
    }

    fn place(&self) -> PathBuf {
        self.scratch.path().join("store")
    }

    /// Loads the plugin as a new process would, and checks that it works.
    async fn load(&self) -> Arc<dyn PlatformMatcher> {
        let host = PluginHost::new(Some(&self.place()));
        let matcher = host.matcher(&self.source, "{}").await.unwrap();
        let offered = [Platform::new("linux", "amd64", ""), Platform::new("linux", "arm64", "")];
        assert_eq!(matcher.rank(&offered, &offered).await.unwrap(), [1]);
        matcher
    }

    /// Whether loading has to compile.
    async fn compiles(&self) -> bool {
        !self.load().await.timings().compile.is_zero()
    }

    fn files(&self, suffix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.place()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
    }

    fn entry(&self) -> PathBuf {
        let entries = self.files(".compiled");
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }

    /// Fails unless the entry is set aside, compiled again, and found the next time.
    async fn recovers(&self, what: &str) {
        assert!(self.compiles().await, "{what}: it was used");
        assert_eq!(self.files(".aside").len(), 1, "{what}: it was not put aside");
        assert!(!self.compiles().await, "{what}: nothing was kept");
        for aside in self.files(".aside") {
            fs::remove_file(aside).unwrap();
        }
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn an_entry_is_used_again() {
    let store = Store::filled().await;
    assert!(!store.compiles().await);
    assert!(store.files(".aside").is_empty());
    assert_eq!(mode(&store.place()), 0o700);
    assert_eq!(mode(&store.place().join("secret")), 0o600);
    assert_eq!(mode(&store.entry()), 0o600);
    // Another plugin has its own entry.
    let other = Guest::platform().rank(&[0]).write(store.scratch.path(), "other.wasm");
    let host = PluginHost::new(Some(&store.place()));
    host.matcher(&PluginSource::read(&other).unwrap(), "{}").await.unwrap();
    assert_eq!(store.files(".compiled").len(), 2);
}

#[tokio::test]
async fn changed_bytes_are_never_used() {
    let store = Store::filled().await;
    let whole = fs::read(store.entry()).unwrap();
    // Every byte of the header, and bytes throughout the code.
    let code = (84..whole.len()).step_by(whole.len() / 40);
    for position in (0..84).chain(code).chain([whole.len() - 1]) {
        let mut changed = whole.clone();
        changed[position] ^= 1;
        fs::write(store.entry(), &changed).unwrap();
        store.recovers(&format!("byte {position}")).await;
    }
}

#[tokio::test]
async fn truncated_and_extended_entries_are_never_used() {
    let store = Store::filled().await;
    let whole = fs::read(store.entry()).unwrap();
    for length in [0, 1, 8, 44, 51, 52, 83, 84, 85, 4096, whole.len() - 1] {
        fs::write(store.entry(), &whole[..length]).unwrap();
        store.recovers(&format!("{length} bytes")).await;
    }
    fs::write(store.entry(), [whole.as_slice(), b"x"].concat()).unwrap();
    store.recovers("a byte more").await;
}

#[tokio::test]
async fn an_entry_of_another_plugin_is_never_used() {
    let store = Store::filled().await;
    let other = Guest::platform().rank(&[0]).write(store.scratch.path(), "other.wasm");
    let entry = store.entry();
    let host = PluginHost::new(Some(&store.place()));
    host.matcher(&PluginSource::read(&other).unwrap(), "{}").await.unwrap();
    let others = store.files(".compiled").into_iter().find(|path| *path != entry).unwrap();
    // It is sealed with the right secret but belongs to another name.
    fs::rename(others, &entry).unwrap();
    store.recovers("the other's code").await;
}

#[tokio::test]
async fn an_entry_from_another_store_is_never_used() {
    let store = Store::filled().await;
    let elsewhere = Store::filled().await;
    fs::copy(elsewhere.entry(), store.entry()).unwrap();
    store.recovers("sealed with another secret").await;
}

#[tokio::test]
async fn links_pipes_and_foreign_files_are_never_used() {
    let store = Store::filled().await;
    let elsewhere = store.scratch.path().join("elsewhere");
    fs::rename(store.entry(), &elsewhere).unwrap();
    let entry = store.place().join(name_of(&store).await);
    let elsewhere_bytes = fs::read(&elsewhere).unwrap();

    fs::remove_file(&entry).unwrap();
    symlink(&elsewhere, &entry).unwrap();
    store.recovers("a link").await;
    assert_eq!(fs::read(&elsewhere).unwrap(), elsewhere_bytes, "the link's target was touched");

    for bad in [0o620, 0o602, 0o666] {
        set_mode(&entry, bad);
        store.recovers(&format!("mode {bad:o}")).await;
    }

    fs::remove_file(&entry).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &entry, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    store.recovers("a pipe").await;

    if rustix::process::geteuid().is_root() {
        chown(&entry, Some(12345), None).unwrap();
        store.recovers("another owner").await;
    }
}

/// Compiles the plugin again, and returns the name of its entry.
async fn name_of(store: &Store) -> String {
    store.load().await;
    store.entry().file_name().unwrap().to_string_lossy().into_owned()
}

#[tokio::test]
async fn an_odd_secret_is_replaced() {
    let store = Store::filled().await;
    let secret = store.place().join("secret");
    let original = fs::read(&secret).unwrap();

    // With another secret, the entry is not trusted.
    fs::write(&secret, [7; 64]).unwrap();
    store.recovers("another secret").await;

    for (what, spoil) in [
        ("short", (|secret| fs::write(secret, b"short").unwrap()) as fn(&Path)),
        ("readable by others", |secret| set_mode(secret, 0o644)),
        ("a link", |secret| {
            fs::remove_file(secret).unwrap();
            symlink("/dev/zero", secret).unwrap();
        }),
    ] {
        spoil(&secret);
        // Both secret and entry are set aside.
        assert!(store.compiles().await, "{what}: it was used");
        assert_eq!(store.files(".aside").len(), 2, "{what}");
        assert!(!store.compiles().await, "{what}: nothing was kept");
        let new = fs::read(&secret).unwrap();
        assert_eq!((new.len(), mode(&secret)), (64, 0o600), "{what}");
        assert_ne!(new, original, "{what}");
        for aside in store.files(".aside") {
            fs::remove_file(aside).unwrap();
        }
    }
}

#[tokio::test]
async fn an_unusable_store_does_not_fail_a_plugin() {
    // A directory that others can write to.
    let store = Store::filled().await;
    set_mode(&store.place(), 0o777);
    assert!(store.compiles().await && store.compiles().await);
    set_mode(&store.place(), 0o700);
    assert!(!store.compiles().await);

    // A file in its place, and a path that cannot be created.
    let store = Store::empty();
    fs::write(store.place(), b"").unwrap();
    assert!(store.compiles().await && store.compiles().await);
    let host = PluginHost::new(Some(Path::new("/proc/none/store")));
    assert!(host.matcher(&store.source, "{}").await.is_ok());

    // A directory of another user, as with `sudo` that keeps the user's `HOME`: dray does not warn, and root writes
    // nothing into it.
    if rustix::process::geteuid().is_root() {
        let store = Store::filled().await;
        chown(store.place(), Some(12345), None).unwrap();
        let before = store.files("").len();
        assert!(store.compiles().await && store.compiles().await);
        assert_eq!(store.files("").len(), before);
    }

    // A directory in place of an entry is ignored.
    let store = Store::filled().await;
    let entry = store.entry();
    fs::remove_file(&entry).unwrap();
    fs::create_dir_all(entry.join("x")).unwrap();
    fs::create_dir_all(format!("{}.aside/y", entry.display())).unwrap();
    assert!(store.compiles().await && store.compiles().await);
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_harmless() {
    let store = Store::filled().await;
    let whole = fs::read(store.entry()).unwrap();
    fs::remove_file(store.entry()).unwrap();
    // Killed between writing and renaming: once just now, once long ago.
    let young = store.place().join(".new-0123456789abcdef");
    let old = store.place().join(".new-fedcba9876543210");
    for path in [&young, &old] {
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    }
    let long_ago = std::time::SystemTime::now() - Duration::from_hours(2);
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    assert!(store.compiles().await);
    assert!(!store.compiles().await);
    assert!(young.exists(), "a process may be about to rename it");
    assert!(!old.exists());
    assert!(store.files(".aside").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parallel_first_runs_share_one_entry() {
    let store = Arc::new(Store::empty());
    let runs = (0..6).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.load().await;
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
    assert!(store.files(".aside").is_empty());
    assert!(!store.compiles().await);
    assert_eq!(fs::read_dir(store.place()).unwrap().count(), 2, "the secret and one entry");
}

/// The key of compiled code includes the kind that the component was checked for.
#[tokio::test]
async fn code_for_one_kind_is_not_used_for_another() {
    let store = Store::filled().await;
    let host = PluginHost::new(Some(&store.place()));
    let failure = host.planner(&store.source, "{}").await.err().expect("it is a platform plugin");
    assert!(failure.message.ends_with("is a platform plugin, not a snapshotter plugin"));
}

/// Far more than loading takes, far less than compiling takes.
const QUICK: Duration = Duration::from_millis(25);

#[tokio::test]
async fn loading_compiled_code_is_quick() {
    let store = Store::empty();
    let source = |name| PluginSource::embedded(name).expect("it comes along");
    let (planner, matcher) = (source("overlayfs"), source("platform"));
    let load = async || {
        let started = Instant::now();
        let host = PluginHost::new(Some(&store.place()));
        host.planner(&planner, "{}").await.unwrap();
        host.matcher(&matcher, "{}").await.unwrap();
        started.elapsed()
    };
    load().await;
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(load().await);
    }
    let best = times.iter().min().unwrap();
    println!("both plugins, warm: {best:?} ({times:?})");
    assert!(*best < QUICK, "{times:?}");
}
