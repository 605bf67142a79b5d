use std::path::PathBuf;
use std::time::Duration;

use super::address::Scheme;
use super::capabilities::Capabilities;
use super::header::HostHeaders;
use crate::settings::{PlainHttp, RegistrySettings};

/// Settings for finding the servers of a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsSettings {
    /// Directories with one directory per registry, in the order searched. The first one that has a directory for the
    /// registry, or one for all registries, decides.
    pub directories: Vec<PathBuf>,
    /// Which registries may be asked over plain HTTP.
    pub plain_http: PlainHttp,
    /// Whether any certificate is accepted and plain HTTP is allowed, unless a file says otherwise.
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
    /// The scheme that is tried first.
    pub scheme: Scheme,
    /// Host name, with the port if one was given.
    pub host: String,
    /// Path before every repository; may be empty.
    pub path: String,
    /// The kinds of requests that it may receive.
    pub capabilities: Capabilities,
    /// Whether any certificate is accepted.
    pub skip_verify: bool,
    /// Whether plain HTTP is tried if the server does not speak TLS.
    pub http_fallback: bool,
    /// Files with authorities that are trusted in addition to those of the system.
    pub ca: Vec<PathBuf>,
    /// Client certificates for a server that asks for one.
    pub client: Vec<ClientPair>,
    /// Header fields of every request.
    pub headers: HostHeaders,
    /// Whether the path is used as given, without `/v2` at its end.
    pub override_path: bool,
    /// Limit for establishing a connection. Zero means no limit.
    pub dial_timeout: Option<Duration>,
    /// The `hosts.toml` that configures the server.
    pub file: Option<PathBuf>,
}

/// A client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientPair {
    /// File of the certificate.
    pub certificate: PathBuf,
    /// File of the key; absent if the file of the certificate has it.
    pub key: Option<PathBuf>,
}
