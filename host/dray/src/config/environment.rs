use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// The environment variables that dray uses, from the start of the program. An empty one counts as unset.
///
/// `cli::environment`, the only place that reads them, has their names and meanings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The configuration file.
    pub config: Option<OsString>,
    /// Socket of containerd.
    pub address: Option<OsString>,
    /// Namespace in containerd.
    pub namespace: Option<OsString>,
    /// Snapshotter.
    pub snapshotter: Option<OsString>,
    /// Directory of Docker's configuration.
    pub docker_config: Option<OsString>,
    /// Credentials in addition to those of Docker's configuration.
    pub docker_auth_config: Option<OsString>,
    /// Directories that are searched for programs.
    pub search_path: Vec<PathBuf>,
    /// The user's home.
    pub home: Option<OsString>,
    /// Directory of the user's configuration.
    pub config_home: Option<OsString>,
    /// Directory of the user's caches.
    pub cache_home: Option<OsString>,
    /// Proxy for HTTPS.
    pub https_proxy: Option<OsString>,
    /// Proxy for HTTP.
    pub http_proxy: Option<OsString>,
    /// Hosts that are reached without proxy.
    pub no_proxy: Option<OsString>,
    /// Set to any value to disable colours.
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
