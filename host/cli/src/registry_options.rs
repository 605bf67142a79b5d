use std::ffi::OsString;

use super::context::Context;
use dray::config::{RegistryAccess, RegistryFlags, SettingsError};

/// Options of every command that speaks with registries.
#[derive(Debug, clap::Args)]
pub(super) struct RegistryOptions {
    /// Talk by HTTP without encryption to registries for which no `hosts.toml` names a server
    #[arg(long)]
    plain_http: bool,

    /// Accept any certificate of a registry, and talk by HTTP without encryption to those that do not speak
    /// TLS; what a `hosts.toml` says about certificates and addresses comes first
    #[arg(long)]
    insecure_registry: bool,

    /// Look for the `hosts.toml` or the certificates of a registry below DIR; may be given several times, and
    /// replaces the directories of the system [default: /etc/containerd/certs.d and /etc/docker/certs.d, for
    /// users other than root containerd/certs.d and docker/certs.d in ~/.config]
    #[arg(long = "hosts-dir", value_name = "DIR", value_delimiter = ',')]
    hosts_dirs: Vec<OsString>,
}

impl RegistryOptions {
    /// Whether several directories are named.
    pub(super) fn names_several_directories(&self) -> bool {
        self.hosts_dirs.len() > 1
    }

    /// What they mean together with what stands before the command, and with the environment.
    pub(super) fn access(&self, context: &Context) -> Result<RegistryAccess, SettingsError> {
        let RegistryFlags { plain_http, insecure, hosts_dirs } = &context.registry;
        let flags = RegistryFlags {
            plain_http: self.plain_http || *plain_http,
            insecure: self.insecure_registry || *insecure,
            hosts_dirs: hosts_dirs.iter().chain(&self.hosts_dirs).cloned().collect(),
        };
        let is_root = rustix::process::geteuid().is_root();
        RegistryAccess::resolve(flags, &context.environment, &context.files, is_root)
    }
}
