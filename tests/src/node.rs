//! A containerd with lazy snapshotters beside it.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::daemon::{self, Containerd, Generation, ProxyPlugin};
use crate::enclosure::Enclosure;
use crate::scratch::{Place, Scratch};
use crate::snapshotter::{self, Kind, Snapshotter};
use crate::tools::Missing;

/// The daemons of a machine that pulls lazily. Dropping it ends all their processes and mounts.
#[derive(Debug)]
pub struct Node {
    /// The containerd.
    pub containerd: Containerd,
    snapshotters: Vec<Snapshotter>,
    enclosure: Arc<Enclosure>,
    _scratch: Scratch,
}

impl Node {
    /// Starts snapshotters and then a containerd that has each under its usual name. `plain` are registries with plain HTTP,
    /// `host:port`.
    pub fn start(generation: Generation, kinds: &[Kind], plain: &[&str]) -> Result<Self, Missing> {
        Self::start_with(generation, kinds, plain, |_| Vec::new())
    }

    /// Starts a node with additional snapshotters. `more` can connect them to those that were started.
    pub fn start_with(
        generation: Generation,
        kinds: &[Kind],
        plain: &[&str],
        more: impl FnOnce(&[Snapshotter]) -> Vec<ProxyPlugin>,
    ) -> Result<Self, Missing> {
        generation.find()?;
        let enclosure = Arc::new(Enclosure::new()?);
        let scratch = Scratch::new(Place::Memory);
        // SOCI's configuration has the socket of containerd, which starts later.
        let socket = scratch.path().join("containerd.sock");
        let plain = plain.iter().map(|host| (*host).to_owned()).collect();
        let settings = snapshotter::Settings { plain, credentials: None, containerd: Some(socket.clone()) };
        let start = |kind: &Kind| Snapshotter::start(*kind, &enclosure, &settings);
        let snapshotters = kinds.iter().map(start).collect::<Result<Vec<_>, _>>()?;

        let mut plugins: Vec<_> =
            snapshotters.iter().map(|daemon| daemon.plugin(daemon.kind().name())).collect();
        plugins.extend(more(&snapshotters));
        let transfer = if generation == Generation::V2 { transfer(&plugins) } else { String::new() };
        let settings = daemon::Settings {
            proxy_plugins: plugins,
            enclosure: Some(Arc::clone(&enclosure)),
            ..daemon::Settings::new(generation)
        };
        let containerd = Containerd::start_configured(&settings, &transfer)?;
        std::os::unix::fs::symlink(containerd.socket(), socket).expect("a link can be made");
        Ok(Self { containerd, snapshotters, enclosure, _scratch: scratch })
    }

    /// A snapshotter daemon.
    pub fn snapshotter(&self, kind: Kind) -> &Snapshotter {
        let found = self.snapshotters.iter().find(|daemon| daemon.kind() == kind);
        found.unwrap_or_else(|| panic!("{kind} was not started"))
    }

    /// A snapshotter daemon, to kill or restart it.
    pub fn snapshotter_mut(&mut self, kind: Kind) -> &mut Snapshotter {
        let found = self.snapshotters.iter_mut().find(|daemon| daemon.kind() == kind);
        found.unwrap_or_else(|| panic!("{kind} was not started"))
    }

    /// The enclosure of all daemons.
    pub fn enclosure(&self) -> &Enclosure {
        &self.enclosure
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for daemon in &self.snapshotters {
                let log = daemon.log();
                let lines: Vec<_> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(20)..].join("\n");
                #[expect(clippy::print_stderr, reason = "this is the log of a failed test")]
                {
                    eprintln!("--- the end of the log of {}:\n{tail}", daemon.kind());
                }
            }
        }
        // Before the directories are removed, to which the daemons' children may still write.
        self.enclosure.end();
    }
}

/// Configures containerd 2's transfer service to unpack for these snapshotters.
fn transfer(plugins: &[ProxyPlugin]) -> String {
    let mut text = String::new();
    // The list replaces the default one, which has overlayfs.
    for name in plugins.iter().map(|plugin| plugin.name.as_str()).chain(["overlayfs"]) {
        write!(
            text,
            "\n[[plugins.\"io.containerd.transfer.v1.local\".unpack_config]]\n  \
             platform = \"linux\"\n  snapshotter = \"{name}\"\n"
        )
        .expect("a string takes text");
    }
    text
}
