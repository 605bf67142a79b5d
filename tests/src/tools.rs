//! Finds the programs that tests need, and reports missing ones.

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// If set to `1`, a missing program fails the test: continuous integration must not pass by skipping.
pub const REQUIRE_ALL: &str = "DRAY_TESTS_REQUIRE_ALL";
/// Where `make daemons` puts its builds: a directory per generation of containerd, `snapshotters` and `nydus`.
pub const DAEMONS_DIR: &str = "DRAY_DAEMONS_DIR";

/// Where `make guests` puts plugins in other languages, a directory per language.
pub const GUESTS_DIR: &str = "DRAY_GUESTS_DIR";

/// Where Debian installs programs. Not every `PATH` has root's.
pub const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that a test needs and this machine lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is missing.
    pub what: String,
    /// How to get it.
    pub hint: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing; {}", self.what, self.hint)
    }
}

impl std::error::Error for Missing {}

impl Missing {
    /// Reports that the current test is skipped, and why. Fails the test if skipping is not allowed.
    ///
    /// Use it through [`require!`](crate::require).
    pub fn skip(&self) {
        assert!(std::env::var_os(REQUIRE_ALL).is_none_or(|value| value != "1"), "{self} ({REQUIRE_ALL}=1)");
        let thread = std::thread::current();
        // Written directly, because the test runner hides the output of a test that passes.
        let line = format!("skipped: {}: {self}\n", thread.name().unwrap_or("test"));
        io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
    }
}

/// Unwraps what a test needs, or skips the test: returns from it, with the second argument if there is one.
///
/// ```
/// # use dray_tests::{require, tools};
/// # fn test() {
/// let skopeo = require!(tools::skopeo());
/// # }
/// ```
#[macro_export]
macro_rules! require {
    ($needed:expr $(, $returned:expr)?) => {
        match $needed {
            Ok(found) => found,
            Err(missing) => {
                $crate::tools::Missing::skip(&missing);
                return $($returned)?;
            }
        }
    };
}

/// Debian's registry, `docker-registry` 2.8.
pub fn docker_registry() -> Result<PathBuf, Missing> {
    debian("docker-registry", "docker-registry")
}

/// Copies images between registries and directories.
pub fn skopeo() -> Result<PathBuf, Missing> {
    debian("skopeo", "skopeo")
}

/// Makes Debian root file systems.
pub fn mmdebstrap() -> Result<PathBuf, Missing> {
    debian("mmdebstrap", "mmdebstrap")
}

/// Runs containers.
pub fn runc() -> Result<PathBuf, Missing> {
    debian("runc", "runc")
}

/// Mounting, device nodes and trusted attributes need it.
pub fn root() -> Result<(), Missing> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Missing { what: "root".into(), hint: "run the tests as root".into() })
}

/// A program of a Debian package.
pub fn debian(program: &str, package: &str) -> Result<PathBuf, Missing> {
    find_in(program, &search_path()).ok_or_else(|| Missing {
        what: format!("`{program}`"),
        hint: format!("install the package `{package}`"),
    })
}

/// A program of a Debian package whose version starts with `version`: other systems have other versions.
pub fn debian_version(program: &str, package: &str, version: &str) -> Result<PathBuf, Missing> {
    let path = debian(program, package)?;
    let printed = std::process::Command::new(&path).arg("--version").output();
    let printed =
        printed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if printed.split_whitespace().any(|word| word.trim_start_matches('v').starts_with(version)) {
        return Ok(path);
    }
    let what = format!("`{program}` {version}x");
    Err(Missing { what, hint: format!("`{}` is another version; Debian 12 has this one", path.display()) })
}

/// A program that `make daemons` built, in one of its directories.
pub fn built(directory: &str, program: &str) -> Result<PathBuf, Missing> {
    let path = daemons_dir().join(directory).join(program);
    if path.is_file() {
        return Ok(path);
    }
    Err(Missing { what: format!("`{}`", path.display()), hint: "run `make daemons`, which needs Go".into() })
}

/// The directory of all builds of `make daemons`.
pub fn daemons_dir() -> PathBuf {
    if let Some(directory) = std::env::var_os(DAEMONS_DIR) {
        return directory.into();
    }
    target_dir().join("daemons")
}

/// A file that `make guests` built from the plugin in a language.
pub fn guest(language: &str, file: &str) -> Result<PathBuf, Missing> {
    let directory =
        std::env::var_os(GUESTS_DIR).map_or_else(|| target_dir().join("guests-in"), PathBuf::from);
    let path = directory.join(language).join(file);
    // This file is written last.
    if path.with_file_name("built-from").is_file() && path.is_file() {
        return Ok(path);
    }
    let hint = "run `make guests`, which needs Go, Node.js 20 or Python 3".into();
    Err(Missing { what: format!("`{}`", path.display()), hint })
}

/// The image of the demo: an OCI image layout of a Debian root file system, whose tag is `demo`.
pub fn demo_image() -> Result<PathBuf, Missing> {
    let directory = target_dir().join("demo");
    // This file is written last.
    if directory.join("made-by").is_file() {
        return Ok(directory.join("layout"));
    }
    let what = format!("the image in `{}`", directory.display());
    Err(Missing { what, hint: "`make test` and `make demo` make it, which needs a Debian mirror".into() })
}

/// The program under test, unless `DRAY_BIN` names another. It has the same build profile as this test.
pub fn dray() -> PathBuf {
    if let Some(path) = std::env::var_os("DRAY_BIN") {
        return path.into();
    }
    own("dray")
}

/// A copy of [`dray()`] in `directory` that every user may run. The program itself may be in a private home directory.
pub fn dray_for_every_user(directory: &Path) -> PathBuf {
    let copy = directory.join("dray-of-every-user");
    std::fs::copy(dray(), &copy).expect("the program can be copied");
    copy
}

/// A program of the tests themselves, with the same build profile as this test.
pub fn own(name: &str) -> PathBuf {
    let path = profile_dir().join(name);
    assert!(path.is_file(), "{} is missing; run `cargo build --workspace` first", path.display());
    path
}

/// An example of the library, with the same build profile as this test.
pub fn example(name: &str) -> PathBuf {
    let path = profile_dir().join("examples").join(name);
    assert!(path.is_file(), "{} is missing; run `cargo build --workspace --examples` first", path.display());
    path
}

/// `target/debug` or a sibling. Tests run from its directory `deps`, doc tests from elsewhere.
fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().expect("a process knows its program");
    let directory = test.parent().expect("a program lies in a directory");
    if directory.ends_with("deps") { directory.parent().unwrap_or(directory) } else { directory }.to_owned()
}

fn target_dir() -> PathBuf {
    let profile = profile_dir();
    profile.parent().unwrap_or(&profile).to_owned()
}

fn search_path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{own}:{SEARCH_PATH}")
}

fn find_in(program: &str, path: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    path.split(':').map(|directory| Path::new(directory).join(program)).find(|path| is_program(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_are_found() {
        assert_eq!(find_in("sh", "/nowhere:/bin"), Some("/bin/sh".into()));
        assert_eq!(find_in("passwd", "/etc"), None, "not executable");
        assert_eq!(find_in("no-such-program", SEARCH_PATH), None);
    }

    #[test]
    fn what_is_missing_is_told_with_its_remedy() {
        let missing = debian("no-such-program", "no-such-package").expect_err("there is no such program");
        assert_eq!(
            missing.to_string(),
            "`no-such-program` is missing; install the package `no-such-package`"
        );
    }
}
