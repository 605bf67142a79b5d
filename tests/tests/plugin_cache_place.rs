//! Where compiled plugins are kept, and where not: in a home or cache that another user can change.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::fs::{self, File};
use std::os::unix::fs::{chown, lchown, symlink};
use std::path::{Path, PathBuf};

use dray_tests::command::Dray;
use dray_tests::require;
use dray_tests::tools;

/// A user other than root.
const ANN: u32 = 12345;

/// More than the limit of the store, so that the program would remove something.
const TOO_MUCH: u64 = 257 * 1024 * 1024;

/// A directory of root as a target for links, with a large file under a name of the store, and one under another
/// name.
struct Target {
    folder: PathBuf,
    before: Vec<PathBuf>,
}

impl Target {
    fn new(folder: &Path) -> Self {
        let store = folder.join("dray/compiled");
        fs::create_dir_all(&store).unwrap();
        for name in ["notes.txt", &format!("{}.compiled", "a".repeat(64))] {
            File::create(store.join(name)).unwrap().set_len(TOO_MUCH).unwrap();
        }
        Self { folder: folder.to_owned(), before: files(folder) }
    }

    fn is_untouched(&self, what: &str) {
        assert_eq!(files(&self.folder), self.before, "{what}");
    }
}

/// Everything below a directory, without following links.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Runs a plugin, which is compiled if no code is kept. No fault of the store makes it fail or print anything by
/// default.
fn run(variables: &[(&str, &Path)]) {
    let dray = variables.iter().fold(Dray::new(), |dray, (name, value)| dray.env(name, value));
    let run = dray.run(["plugin", "inspect", "--describe", "overlayfs"]).success();
    assert_eq!(run.stderr, "");
}

fn entries(folder: &Path) -> usize {
    let folder = folder.join("dray/compiled");
    let entries = fs::read_dir(folder).map(Iterator::count);
    entries.unwrap_or_default()
}

const NONE: &str = "";

#[test]
fn another_user_cannot_make_root_create_or_remove_files() {
    require!(tools::root());
    let scratch = tempfile::tempdir().unwrap();
    let target = Target::new(&scratch.path().join("target"));
    let home = scratch.path().join("ann");
    let cache = home.join(".cache");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(ANN), None).unwrap();

    run(&[("HOME", &home), ("XDG_CACHE_HOME", Path::new(NONE))]);
    assert_eq!(files(&home), [""; 0].map(PathBuf::from), "made in another user's home");
    run(&[("XDG_CACHE_HOME", &cache)]);
    assert_eq!(files(&home), [""; 0].map(PathBuf::from), "made in another user's home");

    for owner in [ANN, 0] {
        symlink(&target.folder, &cache).unwrap();
        lchown(&cache, Some(owner), None).unwrap();
        for variables in
            [&[("HOME", &*home), ("XDG_CACHE_HOME", Path::new(NONE))][..], &[("XDG_CACHE_HOME", &cache)]]
        {
            run(variables);
            target.is_untouched(&format!("a link of {owner} in another user's home"));
        }
        fs::remove_file(&cache).unwrap();
    }

    // Further down: the directories and the links in them belong to another user.
    fs::create_dir_all(&cache).unwrap();
    symlink(target.folder.join("dray"), cache.join("dray")).unwrap();
    for path in [&cache, &cache.join("dray")] {
        lchown(path, Some(ANN), None).unwrap();
    }
    run(&[("HOME", &home), ("XDG_CACHE_HOME", Path::new(NONE))]);
    target.is_untouched("a link further down");

    // A link of another user in a directory of root that every user may write to, such as `/tmp`.
    let link = scratch.path().join("link");
    symlink(&target.folder, &link).unwrap();
    lchown(&link, Some(ANN), None).unwrap();
    run(&[("XDG_CACHE_HOME", &link)]);
    run(&[("XDG_CACHE_HOME", &link.join("."))]);
    target.is_untouched("a link in a directory of root");
}

#[test]
fn links_of_root_are_followed() {
    require!(tools::root());
    let scratch = tempfile::tempdir().unwrap();
    let [disk, link] = ["disk", "link"].map(|name| scratch.path().join(name));
    fs::create_dir(&disk).unwrap();
    symlink("disk", &link).unwrap();
    for place in [link.clone(), scratch.path().join("disk/../link")] {
        run(&[("XDG_CACHE_HOME", &place)]);
        assert_eq!(entries(&disk), 2, "the secret and one entry");
        fs::remove_dir_all(disk.join("dray")).unwrap();
    }
    // A link to itself.
    let turning = scratch.path().join("turning");
    symlink("turning", &turning).unwrap();
    let dray = Dray::new().env("XDG_CACHE_HOME", &turning);
    let run = dray.run(["plugin", "inspect", "--describe", "overlayfs"]).success();
    assert!(run.stderr.contains("compiled plugins are not kept"), "{run}");
}

#[test]
fn a_missing_home_is_not_created() {
    let scratch = tempfile::tempdir().unwrap();
    let home = scratch.path().join("nonexistent");
    run(&[("HOME", &home), ("XDG_CACHE_HOME", Path::new(NONE))]);
    run(&[("XDG_CACHE_HOME", &home.join(".cache"))]);
    assert!(!home.exists());
    // Missing directories below it are created.
    fs::create_dir(&home).unwrap();
    run(&[("HOME", &home), ("XDG_CACHE_HOME", Path::new(NONE))]);
    assert_eq!(entries(&home.join(".cache")), 2, "the secret and one entry");
}

#[test]
fn only_files_of_the_store_are_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let store = scratch.path().join("dray/compiled");
    let target = Target::new(scratch.path());
    let [notes, entry] =
        ["notes.txt".to_owned(), format!("{}.compiled", "a".repeat(64))].map(|name| store.join(name));
    assert_eq!(target.before.iter().filter(|path| [&notes, &entry].contains(path)).count(), 2);
    run(&[("XDG_CACHE_HOME", scratch.path())]);
    assert!(notes.exists(), "a file that the store has nothing to do with");
    assert!(!entry.exists(), "the store is over its limit");
}
