use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The variables that matter, as they were when the program started. One that is empty counts as unset.
///
/// Which variable is which, and what it means, is written in `cli::environment`, the only place that reads
/// them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The configuration file that counts.
    pub config: Option<OsString>,
    /// Socket of containerd.
    pub address: Option<OsString>,
    /// Namespace in containerd.
    pub namespace: Option<OsString>,
    /// Snapshotter.
    pub snapshotter: Option<OsString>,
    /// Folder of Docker's configuration.
    pub docker_config: Option<OsString>,
    /// Entries beside those of Docker's configuration.
    pub docker_auth_config: Option<OsString>,
    /// The folders in which programs are looked for.
    pub search_path: Vec<PathBuf>,
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

/// Some variables hold passwords, so none is shown.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}
