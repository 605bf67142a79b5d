use std::ffi::OsString;

use super::context::Context;
use super::failure::Failure;
use dray::config::{RegistryAccess, RegistryFlags, SettingsError};
use dray::registry::RegistryClient;

/// Options of every command that uses registries.
#[derive(Debug, clap::Args)]
pub(super) struct RegistryOptions {
    /// Use plain HTTP with registries for which no `hosts.toml` names a server
    #[arg(long)]
    plain_http: bool,

    /// Accept any certificate of a registry, and use plain HTTP with registries that do not speak TLS; settings in a
    /// `hosts.toml` come first
    #[arg(long)]
    insecure_registry: bool,

    /// Look for the `hosts.toml` or the certificates of a registry below DIR; may be repeated, and replaces the
    /// directories of the system [default: /etc/containerd/certs.d and /etc/docker/certs.d, for users other than root
    /// containerd/certs.d and docker/certs.d in ~/.config]
    #[arg(long = "hosts-dir", value_name = "DIR", value_delimiter = ',')]
    hosts_dirs: Vec<OsString>,
}

impl RegistryOptions {
    /// Whether several directories are named.
    pub(super) fn names_several_directories(&self) -> bool {
        self.hosts_dirs.len() > 1
    }

    /// What they mean together with what stands before the command.
    pub(super) fn flags(&self, context: &Context) -> RegistryFlags {
        let typed = context.registry.clone();
        RegistryFlags {
            plain_http: self.plain_http || typed.plain_http,
            insecure: self.insecure_registry || typed.insecure,
            hosts_dirs: typed.hosts_dirs.iter().chain(&self.hosts_dirs).cloned().collect(),
            ..typed
        }
    }

    /// How registries are reached, by the options, the environment and the files.
    pub(super) fn access(&self, context: &Context) -> Result<RegistryAccess, SettingsError> {
        let Context { environment, files, machine, .. } = context;
        RegistryAccess::resolve(self.flags(context), environment, files, machine.is_root)
    }

    /// The client of registries that all of that makes. Touches neither network nor disk.
    pub(super) fn client(&self, context: &Context) -> Result<RegistryClient, Failure> {
        Ok(RegistryClient::new(self.access(context)?.settings())?)
    }
}
