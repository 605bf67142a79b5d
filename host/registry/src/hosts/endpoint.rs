use std::path::PathBuf;
use std::time::Duration;

use super::address::Scheme;
use super::capabilities::Capabilities;
use super::header::HostHeaders;
use crate::settings::{PlainHttp, RegistrySettings};

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
