//! Arguments that several commands share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use dray::config::{DaemonFlags, RegistryFlags};

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Globals {
    /// Connect to containerd at this socket [env: CONTAINERD_ADDRESS] [default: /run/containerd/containerd.sock]
    #[arg(short, long, global = true, value_name = "SOCKET", short_alias = 'H', alias = "host")]
    address: Option<String>,

    /// Use this namespace of containerd [env: CONTAINERD_NAMESPACE] [default: default]
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,

    /// Unpack into this snapshotter; `auto` lets the image decide [env: CONTAINERD_SNAPSHOTTER] [default: that of the
    /// namespace, else overlayfs]
    #[arg(long, global = true, value_name = "NAME", alias = "storage-driver")]
    snapshotter: Option<String>,

    /// Read only this configuration file, not the user's and the system's [env: DRAY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Log more: once for information, twice for debugging, three times for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    /// nerdctl's name for `-vv`
    #[arg(long, global = true, hide = true)]
    debug: bool,

    /// nerdctl's name for `-vvv`
    #[arg(long, global = true, hide = true)]
    debug_full: bool,

    /// nerdctl takes this option of its commands here
    #[arg(long, hide = true)]
    insecure_registry: bool,

    /// nerdctl takes this option of its commands here
    #[arg(long = "hosts-dir", hide = true, value_name = "DIR", value_delimiter = ',')]
    hosts_dirs: Vec<OsString>,

    /// Use colours; `auto` means on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = false)]
    pub(super) color: ColorChoice,
}

impl Globals {
    /// The level of logging, from 0 to 3.
    pub(super) fn verbosity(&self) -> u8 {
        match self {
            Self { debug_full: true, .. } => 3,
            Self { debug: true, .. } => self.verbose.max(2),
            _ => self.verbose,
        }
    }

    /// The options for registries before the command.
    pub(super) fn registry(&self) -> RegistryFlags {
        RegistryFlags {
            plain_http: false,
            insecure: self.insecure_registry,
            hosts_dirs: self.hosts_dirs.clone(),
            ..RegistryFlags::default()
        }
    }

    /// The options for containerd.
    pub(super) fn daemon(&self) -> DaemonFlags {
        DaemonFlags {
            address: self.address.clone(),
            namespace: self.namespace.clone(),
            snapshotter: self.snapshotter.clone(),
        }
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For users
    #[default]
    Text,
    /// JSON for programs; an error is then one JSON object, the last line on standard error
    Json,
}
