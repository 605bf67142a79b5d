use dray_core::oci::PlatformError;
use dray_plugin_host::PluginKind;

/// Why flags, environment and files do not make settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A wanted platform cannot be understood.
    #[error("cannot read a wanted platform")]
    Platform {
        /// Which rule it breaks.
        #[source]
        source: PlatformError,
    },
    /// There are more platforms than a platform plugin accepts.
    #[error("there are {found} platforms, at most {limit} are accepted")]
    TooManyPlatforms {
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// A value is empty that must not be.
    #[error("the {what} is empty")]
    Empty {
        /// Which value.
        what: &'static str,
    },
    /// Unpacking several platforms was requested.
    #[error("only one platform can be unpacked, and {platforms} are wanted")]
    UnpackSeveral {
        /// The platforms.
        platforms: String,
    },
    /// A plugin of this name is of another kind.
    #[error("plugin `{name}` is a {} plugin, not a {} plugin", .found.as_str(), .wanted.as_str())]
    WrongKind {
        /// The name.
        name: String,
        /// The kind that was asked for.
        wanted: PluginKind,
        /// The kind that it is of.
        found: PluginKind,
    },
    /// A plugin's configuration is not JSON.
    #[error("the configuration of the {} plugin is not valid JSON", .kind.as_str())]
    PluginConfig {
        /// The kind.
        kind: PluginKind,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A variable is not valid UTF-8.
    #[error("environment variable `{variable}` is not valid UTF-8")]
    NotText {
        /// The variable.
        variable: &'static str,
    },
}
