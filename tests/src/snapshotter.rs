//! A private daemon of a lazy snapshotter: stargz, SOCI, overlaybd or nydus.
//!
//! The daemons fetch from registries themselves, with their own settings for plain HTTP and their own credentials.

mod config;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::daemon::{Generation, ProxyPlugin};
use crate::enclosure::Enclosure;
use crate::process::Process;
use crate::scratch::{Place, Scratch};
use crate::tools::{self, Missing, SEARCH_PATH};

/// The lazy snapshotters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// stargz-snapshotter: eStargz and zstd:chunked.
    Stargz,
    /// soci-snapshotter: ordinary layers with a separate index.
    Soci,
    /// accelerated-container-image's overlaybd-snapshotter: block device images. Containers need a kernel with TCMU, pulls do not.
    Overlaybd,
    /// nydus-snapshotter: data blobs and a bootstrap.
    Nydus,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stargz, Self::Soci, Self::Overlaybd, Self::Nydus];

    /// The name under which its project's documentation registers it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stargz => "stargz",
            Self::Soci => "soci",
            Self::Overlaybd => "overlaybd",
            Self::Nydus => "nydus",
        }
    }

    /// Whether its daemon works with this containerd.
    ///
    /// SOCI's daemon needs the namespace of a request, which containerd 1.6 does not send.
    pub fn works_under(self, generation: Generation) -> bool {
        self != Self::Soci || generation != Generation::Debian16
    }

    /// Checks that this machine has the programs of its daemon, and FUSE if it needs that.
    ///
    /// # Errors
    ///
    /// Returns what is missing, and how to get it.
    pub fn find(self) -> Result<(), Missing> {
        if self != Self::Overlaybd && !Path::new("/dev/fuse").exists() {
            return Err(Missing { what: "`/dev/fuse`".into(), hint: "run on a kernel with FUSE".into() });
        }
        if self == Self::Nydus {
            tools::built("nydus", "nydusd.sh")?;
        }
        self.program().map(drop)
    }

    fn program(self) -> Result<PathBuf, Missing> {
        let program = match self {
            Self::Stargz => "stargz-snapshotter",
            Self::Soci => "soci-snapshotter",
            Self::Overlaybd => "overlaybd-snapshotter",
            Self::Nydus => "containerd-nydus-grpc",
        };
        tools::built("snapshotters", program)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The settings of a daemon.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The registries that it contacts over plain HTTP: `host:port`.
    pub plain: Vec<String>,
    /// Its `config.json`, in Docker's format, with credentials.
    pub credentials: Option<String>,
    /// The socket of its containerd.
    pub containerd: Option<PathBuf>,
}

/// A running daemon with its own root, socket and home directory.
#[derive(Debug)]
pub struct Snapshotter {
    // Dropped in this order: the daemon ends before its directory is removed.
    process: Process,
    command: Command,
    kind: Kind,
    socket: PathBuf,
    enclosure: Arc<Enclosure>,
    scratch: Scratch,
}

impl Snapshotter {
    /// Starts one in an enclosure, and waits until it listens.
    pub fn start(kind: Kind, enclosure: &Arc<Enclosure>, settings: &Settings) -> Result<Self, Missing> {
        kind.find()?;
        let program = kind.program()?;
        let scratch = Scratch::new(Place::Memory);
        let socket = scratch.path().join("daemon.sock");
        fs::create_dir(scratch.path().join("root")).expect("a directory can be made");
        fs::create_dir(scratch.path().join("docker")).expect("a directory can be made");
        let credentials = settings.credentials.as_deref().unwrap_or("{}");
        fs::write(scratch.path().join("docker/config.json"), credentials).expect("a file can be written");

        let mut command = Command::new(program);
        command.args(config::write(kind, settings, &scratch)?);
        command
            .env("PATH", SEARCH_PATH)
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path())
            .env("DOCKER_CONFIG", scratch.file("docker"));
        let process = launch(&command, kind, &socket, enclosure, &scratch);
        Ok(Self { process, command, kind, socket, enclosure: Arc::clone(enclosure), scratch })
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The directory of its data.
    pub fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Its entry in a containerd's configuration. With the exports, containerd 2 pulls lazily through the transfer service.
    pub fn plugin(&self, name: &str) -> ProxyPlugin {
        let exports =
            [("root", self.scratch.file("root")), ("enable_remote_snapshot_annotations", "true".into())];
        let exports = exports.map(|(key, value)| (key.to_owned(), value)).to_vec();
        ProxyPlugin { name: name.to_owned(), socket: self.socket.clone(), exports }
    }

    /// Ends it with SIGKILL.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// Starts it again on the same data, after ending it if it still runs.
    pub fn restart(&mut self) {
        self.process.terminate();
        // A killed daemon leaves its socket behind, which would look like a running one.
        let _ = fs::remove_file(&self.socket);
        self.process = launch(&self.command, self.kind, &self.socket, &self.enclosure, &self.scratch);
    }

    /// Stops the process: it still accepts connections, but answers nothing until it is thawed.
    pub fn freeze(&self) {
        self.process.freeze();
    }

    /// Lets a frozen one continue.
    pub fn thaw(&self) {
        self.process.thaw();
    }
}

fn launch(command: &Command, kind: Kind, socket: &Path, enclosure: &Enclosure, scratch: &Scratch) -> Process {
    let log = scratch.path().join("log");
    let process = Process::start_forking(&enclosure.command(command), &log);
    let mut process = process.expect("a snapshotter can be started");
    process.wait_until(kind.name(), || std::os::unix::net::UnixStream::connect(socket).is_ok());
    process
}
