//! Runs the `dray` binary in a cleared environment and records its output.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use crate::daemon::Containerd;
use crate::docker_registry::DockerRegistry;
use crate::process::{end_with_parent, signal, spawn, wait_for};
use crate::scratch::{Place, Scratch};
use crate::terminal::{Screen, Terminal};
use crate::tools;

/// Time limit for every run of dray in a test.
const PATIENCE: Duration = Duration::from_mins(5);

/// A command line of dray with its own environment.
///
/// The directories for home, cache and temporary files are private and empty at first. All runs of one value share
/// them, so that a second run finds the cache of the first.
#[derive(Debug)]
pub struct Dray {
    program: PathBuf,
    /// The program that starts it, with arguments.
    starter: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    replacements: Vec<(String, String)>,
    home: Arc<Scratch>,
}

impl Default for Dray {
    fn default() -> Self {
        Self::new()
    }
}

impl Dray {
    /// dray without arguments, for tests without a containerd.
    pub fn new() -> Self {
        Self::of(tools::dray())
    }

    /// An example of the library, in the same environment.
    pub fn example(name: &str) -> Self {
        Self::of(tools::example(name))
    }

    fn of(program: PathBuf) -> Self {
        let home = Arc::new(Scratch::new(Place::Memory));
        let directory = |name: &str| {
            let path = home.file(name);
            std::fs::create_dir(&path).expect("a directory can be made");
            path
        };
        let environment = [
            ("PATH", tools::SEARCH_PATH.to_owned()),
            ("HOME", directory("home")),
            ("TMPDIR", directory("tmp")),
            ("XDG_CACHE_HOME", directory("cache")),
            ("XDG_CONFIG_HOME", directory("config")),
            ("XDG_RUNTIME_DIR", directory("run")),
            ("LANG", "C.UTF-8".to_owned()),
        ];
        let environment = environment.map(|(key, value)| (key.into(), value.into())).into();
        let replacements = vec![(home.path().display().to_string(), "[HOME]".to_owned())];
        Self { program, starter: Vec::new(), arguments: Vec::new(), environment, replacements, home }
    }

    /// dray for `daemon`, in `namespace`.
    pub fn with(daemon: &Containerd, namespace: &str) -> Self {
        let socket = daemon.socket().display().to_string();
        Self::new().args(["-a", &socket, "-n", namespace]).replace(&socket, "[CONTAINERD]")
    }

    /// The directory of its caches.
    pub fn cache(&self) -> PathBuf {
        self.home.path().join("cache")
    }

    /// Adds an argument for all runs.
    #[must_use]
    pub fn arg(self, argument: impl AsRef<OsStr>) -> Self {
        self.args([argument])
    }

    /// Adds arguments for all runs.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Runs another copy of the program.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.program);
        self
    }

    /// Starts it through another program, such as `prlimit` with options.
    #[must_use]
    pub fn started_by<A: AsRef<OsStr>>(mut self, starter: impl IntoIterator<Item = A>) -> Self {
        self.starter = starter.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Shows `text` as `name` in the display of a run, for addresses that differ from run to run.
    #[must_use]
    pub fn replace(mut self, text: &str, name: &str) -> Self {
        self.replacements.push((text.to_owned(), name.to_owned()));
        self
    }

    /// Shows the registry's address as `[REGISTRY]`.
    #[must_use]
    pub fn knowing(self, registry: &DockerRegistry) -> Self {
        self.replace(registry.address(), "[REGISTRY]")
    }

    /// The directory that holds home, cache, configuration and temporary files.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// Runs it with more arguments, and waits for the end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        self.spawn(arguments).wait()
    }

    /// Starts it with more arguments, without a terminal and without standard input.
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        let mut command = end_with_parent(&self.command(arguments));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = spawn(command).expect("dray can be started");
        let home = Arc::clone(&self.home);
        Running { child: Reading::start(child), replacements: self.replacements.clone(), _home: home }
    }

    /// Starts it with more arguments on a terminal of that size.
    pub fn spawn_on_terminal<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        screen: Screen,
    ) -> Terminal {
        let mut command = self.command(arguments);
        command.env("TERM", "xterm-256color");
        let terminal = Terminal::start(&command, screen).expect("a terminal can be opened");
        terminal.keeping(Arc::clone(&self.home))
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut words = self.starter.iter().map(OsString::as_os_str).chain([self.program.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .args(&self.arguments)
            .args(arguments)
            .envs(self.environment.iter().map(|(key, value)| (key, value)));
        command.current_dir(self.home.path());
        command
    }
}

/// A running dray.
#[derive(Debug)]
pub struct Running {
    child: Reading,
    replacements: Vec<(String, String)>,
    /// Keeps the home as long as the program runs.
    _home: Arc<Scratch>,
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id
    }

    /// Interrupts it, as ctrl-c does.
    pub fn interrupt(&self) {
        signal(self.child.id, Signal::INT);
    }

    /// Sends it SIGTERM.
    pub fn terminate(&self) {
        signal(self.child.id, Signal::TERM);
    }

    /// Sends it SIGKILL.
    pub fn kill9(&self) {
        signal(self.child.id, Signal::KILL);
    }

    /// Waits for the end. Fails after five minutes.
    pub fn wait(self) -> Run {
        let Output { status, stdout, stderr } = self.child.finish();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("dray prints UTF-8");
        Run { status, stdout: text(stdout), stderr: text(stderr), replacements: self.replacements }
    }
}

/// A child whose output is read while it runs, so that it never blocks on a full pipe.
#[derive(Debug)]
struct Reading {
    id: u32,
    child: Child,
    stdout: std::thread::JoinHandle<io::Result<Vec<u8>>>,
    stderr: std::thread::JoinHandle<io::Result<Vec<u8>>>,
}

impl Reading {
    fn start(mut child: Child) -> Self {
        fn collect(mut pipe: impl io::Read + Send + 'static) -> std::thread::JoinHandle<io::Result<Vec<u8>>> {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                pipe.read_to_end(&mut bytes).map(|_| bytes)
            })
        }
        let stdout = collect(child.stdout.take().expect("standard output is a pipe"));
        let stderr = collect(child.stderr.take().expect("standard error is a pipe"));
        Self { id: child.id(), child, stdout, stderr }
    }

    fn finish(mut self) -> Output {
        let status = wait_for(&mut self.child, PATIENCE);
        if status.is_none() {
            self.child.kill().and_then(|()| self.child.wait()).expect("an own child can be killed");
        }
        let read = |pipe: std::thread::JoinHandle<io::Result<Vec<u8>>>| {
            pipe.join().expect("a reader does not panic").expect("a pipe can be read")
        };
        let (stdout, stderr) = (read(self.stdout), read(self.stderr));
        let told = || String::from_utf8_lossy(&stderr).into_owned();
        let status = status.unwrap_or_else(|| panic!("dray still runs after {PATIENCE:?}:\n{}", told()));
        Output { status, stdout, stderr }
    }
}

/// A finished run. Its display has the status and the output, with names in place of addresses.
#[derive(Clone, Debug)]
pub struct Run {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    replacements: Vec<(String, String)>,
}

impl Run {
    /// Fails with the whole output unless dray succeeded.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often the check is all that a test wants")]
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{self}");
        self
    }

    /// Fails with the whole output unless dray ended with this exit code.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "often the check is all that a test wants")]
    pub fn failure(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{self}"))
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| {
            self.replacements.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => writeln!(f, "exit code: {code}")?,
            (None, signal) => writeln!(f, "signal: {}", signal.unwrap_or_default())?,
        }
        write!(f, "--- stdout\n{}--- stderr\n{}", shown(&self.stdout), shown(&self.stderr))
    }
}

/// Filters for `insta`: they replace what differs between equal runs.
pub fn filters() -> Vec<(&'static str, &'static str)> {
    vec![
        (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
        (r"\b\d+(\.\d+)?\s?(ns|µs|us|ms|s)\b", "[TIME]"),
        (r"\b\d+(\.\d+)?\s?([KMG]i?)?B/s", "[RATE]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "[DATE]"),
    ]
}

/// One more filter, for runs whose digests depend on the machine.
pub fn digest_filter() -> (&'static str, &'static str) {
    (r"sha256:[0-9a-f]{64}", "[DIGEST]")
}
