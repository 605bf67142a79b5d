use std::ffi::OsString;

use crate::config::{Environment, RegistryAccess, RegistryFlags, SettingsError};

/// Options of every command that speaks with registries.
#[derive(Debug, clap::Args)]
pub(super) struct RegistryOptions {
    /// Talk to every registry by HTTP without encryption
    #[arg(long)]
    plain_http: bool,

    /// Take certificates of registries unseen, and talk by HTTP without encryption to those that do not speak
    /// TLS; what a `hosts.toml` says about certificates comes first
    #[arg(long)]
    insecure_registry: bool,

    /// Look for the `hosts.toml` or the certificates of a registry below DIR; may be given several times, and
    /// replaces the directories of the system [default: /etc/containerd/certs.d and /etc/docker/certs.d, for
    /// users other than root containerd/certs.d and docker/certs.d in ~/.config]
    #[arg(long = "hosts-dir", value_name = "DIR", value_delimiter = ',')]
    hosts_dirs: Vec<OsString>,
}

impl RegistryOptions {
    /// What they mean together with the environment.
    pub(super) fn access(&self, environment: &Environment) -> Result<RegistryAccess, SettingsError> {
        let flags = RegistryFlags {
            plain_http: self.plain_http,
            insecure: self.insecure_registry,
            hosts_dirs: self.hosts_dirs.clone(),
        };
        RegistryAccess::resolve(flags, environment, rustix::process::geteuid().is_root())
    }
}
