//! A private containerd.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use containerd_client::Client;

use crate::enclosure::Enclosure;
use crate::process::{Process, end_with_parent};
use crate::scratch::{Place, Scratch};
use crate::tools::{self, Missing, SEARCH_PATH};

/// The release lines of containerd that the tests cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Generation {
    /// Debian 12's package, 1.6.20.
    Debian16,
    /// The last of the 1.x, as `tests/daemons/v1.7/go.mod` pins it.
    V17,
    /// The current line, as `tests/daemons/v2/go.mod` pins it.
    V2,
}

impl Generation {
    /// All of them, oldest first.
    pub const ALL: [Self; 3] = [Self::Debian16, Self::V17, Self::V2];

    /// Whether this machine has it.
    ///
    /// # Errors
    ///
    /// Says what is missing, and how to get it.
    pub fn find(self) -> Result<(), Missing> {
        self.program("containerd").map(drop)
    }

    fn program(self, name: &str) -> Result<PathBuf, Missing> {
        match self {
            Self::Debian16 => tools::debian_version(name, "containerd", "1.6."),
            Self::V17 => tools::built("v1.7", name),
            Self::V2 => tools::built("v2", name),
        }
    }

    fn config_version(self) -> u8 {
        match self {
            Self::Debian16 | Self::V17 => 2,
            Self::V2 => 3,
        }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian16 => "containerd 1.6 of Debian",
            Self::V17 => "containerd 1.7",
            Self::V2 => "containerd 2",
        })
    }
}

/// Defines a test per generation of containerd for each scenario, a function of the generation.
#[macro_export]
macro_rules! on_each_generation {
    ($($scenario:ident),* $(,)?) => {$(
        mod $scenario {
            use $crate::daemon::Generation;

            #[test]
            fn on_1_6() {
                super::$scenario(Generation::Debian16);
            }

            #[test]
            fn on_1_7() {
                super::$scenario(Generation::V17);
            }

            #[test]
            fn on_2() {
                super::$scenario(Generation::V2);
            }
        }
    )*};
}

/// A proxy snapshotter: a process of its own that serves a socket.
#[derive(Clone, Debug)]
pub struct ProxyPlugin {
    /// The snapshotter's name for containerd's clients.
    pub name: String,
    /// Its socket.
    pub socket: PathBuf,
    /// Values that it exports to clients; only containerd 2 passes them on.
    pub exports: Vec<(String, String)>,
}

/// The settings of a private containerd.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its generation.
    pub generation: Generation,
    /// Where its data is stored.
    pub place: Place,
    /// Snapshotters in addition to the built-in ones.
    pub proxy_plugins: Vec<ProxyPlugin>,
    /// The enclosure in which it runs, to share its mounts with other daemons.
    pub enclosure: Option<Arc<Enclosure>>,
}

impl Settings {
    /// The settings of a containerd with its data in memory and no other snapshotters.
    pub fn new(generation: Generation) -> Self {
        Self { generation, place: Place::Memory, proxy_plugins: Vec::new(), enclosure: None }
    }
}

/// A running containerd with its own root, state directory and socket.
#[derive(Debug)]
pub struct Containerd {
    // Dropped in this order: the daemon ends before its directory is removed.
    process: Process,
    command: Command,
    ctr: PathBuf,
    socket: PathBuf,
    generation: Generation,
    scratch: Scratch,
    enclosure: Option<Arc<Enclosure>>,
}

impl Containerd {
    /// Starts one with its data in memory, and waits until it responds.
    pub fn start(generation: Generation) -> Result<Self, Missing> {
        Self::start_with(&Settings::new(generation))
    }

    /// Starts one, and waits until it responds.
    pub fn start_with(settings: &Settings) -> Result<Self, Missing> {
        Self::start_configured(settings, "")
    }

    /// Starts one with additional configuration, and waits until it responds.
    pub fn start_configured(settings: &Settings, more: &str) -> Result<Self, Missing> {
        tools::root()?;
        let generation = settings.generation;
        let program = generation.program("containerd")?;
        let ctr = generation.program("ctr")?;
        let scratch = Scratch::new(settings.place);
        let socket = scratch.path().join("containerd.sock");
        fs::write(scratch.path().join("config.toml"), config(settings, &scratch) + more)
            .expect("a file can be written");

        let mut command = Command::new(&program);
        // containerd finds the shim of its own version first. External decompressors are disabled: some machines have
        // them, and containerd then accepts other archives.
        let programs = program.parent().expect("a program lies in a directory").display().to_string();
        command
            .args(["--config", &scratch.file("config.toml")])
            .env("PATH", format!("{programs}:{SEARCH_PATH}"))
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path())
            .env("CONTAINERD_DISABLE_PIGZ", "1")
            .env("CONTAINERD_DISABLE_IGZIP", "1");
        let enclosure = settings.enclosure.clone();
        let process = launch(&command, &socket, generation, &scratch, enclosure.as_deref());
        Ok(Self { process, command, ctr, socket, generation, scratch, enclosure })
    }

    /// Its generation.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The enclosure in which it runs, if any.
    pub fn enclosure(&self) -> Option<&Enclosure> {
        self.enclosure.as_deref()
    }

    /// The directory of its plugins' data.
    pub fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The `ctr` of the same version in `namespace`, ready to run.
    pub fn ctr_command(&self, namespace: &str, args: &[&str]) -> Command {
        let mut command = Command::new(&self.ctr);
        command.arg("--address").arg(&self.socket).args(["--namespace", namespace]).args(args);
        command.env("PATH", SEARCH_PATH).env("HOME", self.scratch.path());
        self.enclosure().map(|enclosure| enclosure.command(&command)).unwrap_or(command)
    }

    /// Runs the `ctr` of the same version in `namespace`, and waits for the end.
    pub fn ctr(&self, namespace: &str, args: &[&str]) -> Output {
        end_with_parent(&self.ctr_command(namespace, args)).output().expect("ctr can be started")
    }

    /// Runs `ctr`, fails unless it succeeds, and returns the output.
    pub fn ctr_ok(&self, namespace: &str, args: &[&str]) -> String {
        let output = self.ctr(namespace, args);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`ctr {}` on {}: {stderr}{stdout}", args.join(" "), self.generation);
        stdout
    }

    /// Ends it with SIGKILL, as a machine that loses power would.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Starts it again on the same data, after killing it if it still runs.
    pub fn restart(&mut self) {
        self.process.terminate();
        // A killed daemon leaves its socket behind, which would look like a running one.
        let _ = fs::remove_file(&self.socket);
        let enclosure = self.enclosure.as_deref();
        self.process = launch(&self.command, &self.socket, self.generation, &self.scratch, enclosure);
    }

    /// Stops the process: it still accepts connections and bytes, but answers nothing until it is thawed.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    /// Lets a frozen one continue.
    pub fn thaw(&self) {
        self.process.thaw();
    }

    /// A connection for checks that bypass dray.
    pub async fn client(&self) -> Client {
        Client::from_path(&self.socket).await.unwrap_or_else(|error| panic!("{error}:\n{}", self.log()))
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            // The test runner captures the output of a failed test and shows it below the failure.
            #[expect(clippy::print_stderr, reason = "this is the log of a failed test")]
            {
                eprintln!("--- the end of the log of {}:\n{tail}", self.generation);
            }
        }
    }
}

fn launch(
    command: &Command,
    socket: &Path,
    generation: Generation,
    scratch: &Scratch,
    enclosure: Option<&Enclosure>,
) -> Process {
    let log = scratch.path().join("log");
    let process = match enclosure {
        None => Process::start(command, &log),
        Some(enclosure) => Process::start_forking(&enclosure.command(command), &log),
    };
    let mut process = process.expect("containerd can be started");
    process.wait_until(&generation.to_string(), || std::os::unix::net::UnixStream::connect(socket).is_ok());
    // It listens before all of its services respond.
    process.wait_until(&generation.to_string(), || complete(answers(socket.to_owned())));
    process
}

async fn answers(socket: PathBuf) -> bool {
    match Client::from_path(socket).await {
        Ok(client) => client.version().version(()).await.is_ok(),
        Err(_) => false,
    }
}

/// Runs a future on a thread with its own runtime, so that sync and async tests can call it.
pub(crate) fn complete<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(future)
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn config(settings: &Settings, scratch: &Scratch) -> String {
    use fmt::Write as _;

    let mut text = format!(
        r#"version = {version}
root = "{root}"
state = "{state}"
# What would write to, or listen at, places that all daemons of a machine share; and a snapshotter that needs more
# than a directory.
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[ttrpc]
  address = "{socket}.ttrpc"
"#,
        version = settings.generation.config_version(),
        root = scratch.file("root"),
        state = scratch.file("state"),
        socket = scratch.file("containerd.sock"),
    );
    for ProxyPlugin { name, socket, exports } in &settings.proxy_plugins {
        let socket = socket.display();
        write!(text, "\n[proxy_plugins.{name}]\n  type = \"snapshot\"\n  address = \"{socket}\"\n")
            .expect("a string takes text");
        if !exports.is_empty() {
            writeln!(text, "  [proxy_plugins.{name}.exports]").expect("a string takes text");
        }
        for (key, value) in exports {
            writeln!(text, "    {key} = \"{value}\"").expect("a string takes text");
        }
    }
    text
}
