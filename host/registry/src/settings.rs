use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::credentials::CredentialSettings;
use dray_core::limits;

/// All settings of the registry client. It reads no environment variable itself.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Where credentials come from.
    pub credentials: CredentialSettings,
    /// Which registries may be asked over plain HTTP.
    pub plain_http: PlainHttp,
    /// Directories with a `hosts.toml` or certificates for each registry; see [`super::HostsSettings`].
    pub hosts_dirs: Vec<PathBuf>,
    /// Whether any certificate is accepted and plain HTTP is allowed, unless a file says otherwise.
    pub insecure: bool,
    /// Proxies.
    pub proxy: ProxySettings,
    /// The `User-Agent`, such as `dray/0.1.0`. Some firewalls refuse requests without one.
    pub user_agent: String,
}

/// No credentials, no proxies, no directories of hosts, and TLS everywhere but on loopback.
impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            credentials: CredentialSettings::default(),
            plain_http: PlainHttp::default(),
            hosts_dirs: Vec::new(),
            insecure: false,
            proxy: ProxySettings::default(),
            user_agent: concat!("dray/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Which registries may be asked over plain HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Those that a `hosts.toml` allows, and hosts on loopback (`localhost`, `127.0.0.0/8` and `::1`) that do not
    /// speak TLS.
    #[default]
    Loopback,
    /// Every registry, because the user said so.
    Everywhere,
}

/// Proxies, as values of the usual environment variables. Loopback hosts are always reached directly.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// Value of `HTTPS_PROXY`.
    pub https: Option<String>,
    /// Value of `HTTP_PROXY`.
    pub http: Option<String>,
    /// Value of `NO_PROXY`.
    pub no_proxy: Option<String>,
}

/// The URL of a proxy may hold a password.
impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |value: &Option<String>| value.as_ref().map(|_| "<redacted>");
        f.debug_struct("ProxySettings")
            .field("https", &redacted(&self.https))
            .field("http", &redacted(&self.http))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// The timeouts of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For establishing a connection.
    pub connect: Duration,
    /// For the next byte.
    pub stall: Duration,
    /// Before the first retry of a request. Each further pause is twice as long as the one before.
    pub first_pause: Duration,
    /// The longest pause before a retry. If a registry demands more, there is no retry.
    pub longest_pause: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: limits::CONNECT_TIMEOUT,
            stall: limits::STALL_TIMEOUT,
            first_pause: limits::FIRST_RETRY_PAUSE,
            longest_pause: limits::RETRY_PAUSE,
        }
    }
}
