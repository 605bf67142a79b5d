use std::ffi::OsString;

/// The variables that matter, as they were when the program started. One that is empty counts as unset.
///
/// Which variable is which, and what it means, is written in `cli::environment`, the only place that reads
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Socket of containerd.
    pub address: Option<OsString>,
    /// Namespace in containerd.
    pub namespace: Option<OsString>,
    /// Snapshotter.
    pub snapshotter: Option<OsString>,
    /// Folder of Docker's configuration.
    pub docker_config: Option<OsString>,
    /// The user's home.
    pub home: Option<OsString>,
    /// Folder of the user's configuration.
    pub config_home: Option<OsString>,
    /// Folder of the user's caches.
    pub cache_home: Option<OsString>,
    /// Proxy for HTTPS.
    pub https_proxy: Option<OsString>,
    /// Proxy for HTTP.
    pub http_proxy: Option<OsString>,
    /// Hosts that are reached without proxy.
    pub no_proxy: Option<OsString>,
    /// Set to anything when the user wants no colour.
    pub no_color: Option<OsString>,
    /// Kind of the terminal.
    pub terminal: Option<OsString>,
}
