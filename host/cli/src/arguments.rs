//! Arguments that several commands share.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use dray::config::{DaemonFlags, RegistryFlags};

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct Globals {
    /// Talk to containerd at this socket [env: CONTAINERD_ADDRESS] [default:
    /// /run/containerd/containerd.sock]
    #[arg(short, long, global = true, value_name = "SOCKET", short_alias = 'H', alias = "host")]
    address: Option<String>,

    /// Work in this namespace of containerd [env: CONTAINERD_NAMESPACE] [default: default]
    #[arg(short, long, global = true, value_name = "NAME")]
    namespace: Option<String>,

    /// Unpack into this snapshotter [env: CONTAINERD_SNAPSHOTTER] [default: that of the namespace, else
    /// overlayfs]
    #[arg(long, global = true, value_name = "NAME", alias = "storage-driver")]
    snapshotter: Option<String>,

    /// Read this configuration file in place of the user's and the machine's [env: DRAY_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Say more: once for information, twice for debugging, three times for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,

    /// As nerdctl calls `-vv`
    #[arg(long, global = true, hide = true)]
    debug: bool,

    /// As nerdctl calls `-vvv`
    #[arg(long, global = true, hide = true)]
    debug_full: bool,

    /// Where nerdctl takes the option of the commands
    #[arg(long, hide = true)]
    insecure_registry: bool,

    /// Where nerdctl takes the option of the commands
    #[arg(long = "hosts-dir", hide = true, value_name = "DIR", value_delimiter = ',')]
    hosts_dirs: Vec<OsString>,

    /// Use colours; `auto` means on a terminal, and not where NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = false)]
    pub(super) color: ColorChoice,
}

impl Globals {
    /// How much is to be said, from 0 to 3.
    pub(super) fn verbosity(&self) -> u8 {
        match self {
            Self { debug_full: true, .. } => 3,
            Self { debug: true, .. } => self.verbose.max(2),
            _ => self.verbose,
        }
    }

    /// What was typed about registries before the command.
    pub(super) fn registry(&self) -> RegistryFlags {
        RegistryFlags {
            plain_http: false,
            insecure: self.insecure_registry,
            hosts_dirs: self.hosts_dirs.clone(),
            ..RegistryFlags::default()
        }
    }

    /// What was typed about containerd.
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
    /// For people
    #[default]
    Text,
    /// For programs; an error is then one JSON object, the last line on standard error
    Json,
}
