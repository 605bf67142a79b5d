//! Which servers stand for a registry, and how each is to be spoken with.
//!
//! The answer comes from the directories that containerd's clients use, `certs.d` with a `hosts.toml` or with
//! certificates in it, and is read as containerd reads it. Nothing here asks the network, and no certificate
//! is opened. `directory` finds and reads, `file` understands, `list` puts in order.

mod address;
mod capabilities;
mod directory;
mod duration;
mod file;
mod header;
pub(super) mod hub;
mod list;
mod name;
#[cfg(test)]
mod tests;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use super::settings::{PlainHttp, RegistrySettings};
use dray_ports::FetchFailure;

pub use self::address::Scheme;
pub use self::capabilities::{Capabilities, Capability};
pub use self::file::{HostsFile, HostsFileError, parse_hosts_file};
pub use self::header::HostHeaders;
pub use self::name::is_registry_name;
pub(super) use self::name::{is_loopback, split, without_port};

/// How the servers of a registry are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsSettings {
    /// Directories with one directory for each registry, in the order looked into. The first that has one for
    /// the registry, or one for all, decides.
    pub directories: Vec<PathBuf>,
    /// Where HTTP without TLS may be spoken.
    pub plain_http: PlainHttp,
    /// Whether any certificate is accepted and servers without TLS are spoken with, where no file says otherwise.
    pub insecure: bool,
}

impl From<&RegistrySettings> for HostsSettings {
    fn from(settings: &RegistrySettings) -> Self {
        Self {
            directories: settings.hosts_dirs.clone(),
            plain_http: settings.plain_http,
            insecure: settings.insecure,
        }
    }
}

/// A server that stands for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEndpoint {
    /// How it is spoken with first.
    pub scheme: Scheme,
    /// Host name with its port, if one was given.
    pub host: String,
    /// Path in front of every repository; empty if there is none.
    pub path: String,
    /// What it may be asked for.
    pub capabilities: Capabilities,
    /// Whether any certificate of it is accepted.
    pub skip_verify: bool,
    /// Whether plain HTTP is tried where the server does not speak TLS.
    pub http_fallback: bool,
    /// Files with authorities that are trusted beside those of the system.
    pub ca: Vec<PathBuf>,
    /// Certificates to show when the server asks for one.
    pub client: Vec<ClientPair>,
    /// Header fields of every request.
    pub headers: HostHeaders,
    /// Whether the path was given as it is, rather than with `/v2` at its end.
    pub override_path: bool,
    /// For a connection to come about. Zero is no limit.
    pub dial_timeout: Option<Duration>,
    /// The `hosts.toml` that names it.
    pub file: Option<PathBuf>,
}

/// A certificate of our own and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientPair {
    /// File of the certificate.
    pub certificate: PathBuf,
    /// File of the key; absent if the certificate's file has it as well.
    pub key: Option<PathBuf>,
}

/// The servers that stand for the registry `host`, such as `docker.io` or `localhost:5000`, in the order tried.
///
/// # Errors
///
/// Fails if `host` cannot be the name of a registry, or if a directory or file of the settings cannot be read
/// or has an error. Nothing is silently left out.
pub fn host_endpoints(host: &str, settings: &HostsSettings) -> Result<Vec<HostEndpoint>, FetchFailure> {
    let host = name::checked(host)?;
    let found = match directory::find(&settings.directories, host)? {
        Some(directory) => directory::load(&directory)?,
        None => directory::Loaded::default(),
    };
    for warning in &found.warnings {
        tracing::warn!("{}", super::failure::printable(warning));
    }
    Ok(list::in_order(host, found, settings))
}
