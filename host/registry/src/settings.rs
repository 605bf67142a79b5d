use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::credentials::CredentialSettings;
use dray_core::limits;

/// Everything that the registry adapter needs to know, resolved: it reads no environment variable.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Where credentials come from.
    pub credentials: CredentialSettings,
    /// Where HTTP without TLS may be spoken.
    pub plain_http: PlainHttp,
    /// Directories with a `hosts.toml` or certificates for each registry; see [`super::HostsSettings`].
    pub hosts_dirs: Vec<PathBuf>,
    /// Whether any certificate is accepted and servers without TLS are spoken with, where no file says otherwise.
    pub insecure: bool,
    /// Proxies.
    pub proxy: ProxySettings,
    /// What the program calls itself, such as `dray/0.1.0`. Some firewalls refuse requests without a name.
    pub user_agent: String,
}

/// No credentials, no proxies, no directories of hosts, and encryption everywhere but on loopback.
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

/// Where HTTP without TLS is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only where a `hosts.toml` says so, and with hosts on loopback (`localhost`, `127.0.0.0/8` and `::1`) that do
    /// not speak TLS.
    #[default]
    Loopback,
    /// With every registry, because the user said so.
    Everywhere,
}

/// Proxies, as the values of the customary environment variables. Loopback hosts never go through a proxy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// Value of `HTTPS_PROXY`.
    pub https: Option<String>,
    /// Value of `HTTP_PROXY`.
    pub http: Option<String>,
    /// Value of `NO_PROXY`.
    pub no_proxy: Option<String>,
}

/// The address of a proxy may hold a password.
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

/// How long the adapter waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For a connection to come about.
    pub connect: Duration,
    /// For the next byte.
    pub stall: Duration,
    /// Before the second try of a request. Every further pause is twice as long as the one before.
    pub first_pause: Duration,
    /// Before any try: a registry that asks for more gets no other try.
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
