//! Resolves flags and environment, both given as values, into settings.
//!
//! Nothing here reads the process environment, a file, or knows the command-line parser, so every rule of
//! precedence can be tested as a function.

mod credentials;
mod environment;
mod file;
mod files;
mod plugins;
mod registry;
mod settings;
mod snapshotters;
#[cfg(test)]
mod tests;

pub use credentials::CredentialPlaces;
pub use environment::Environment;
pub use file::{ConfigFile, ConfigFileError, ConfiguredPlugin};
pub use files::ConfigFiles;
pub use plugins::{PluginFlags, PluginRules};
pub use registry::{RegistryAccess, RegistryFlags};
pub use settings::{
    DaemonFlags, DaemonSettings, PlatformFlags, Proxies, PullFlags, PullSettings, SettingsError,
    compiled_store,
};
