//! Resolves what a caller gives, the environment and `dray.toml` into settings.
//!
//! The environment comes as a value: nothing here reads that of the process, and nothing knows a command line. So
//! every rule of precedence can be tested as a function, and the program and a user of the library get the same.

mod credentials;
mod daemon;
mod environment;
mod error;
mod file;
mod files;
mod platforms;
mod plugins;
mod registry;
mod setting;
mod settings;
mod snapshotters;
#[cfg(test)]
mod tests;

pub use credentials::credentials;
pub use daemon::{DaemonFlags, DaemonSettings};
pub use environment::Environment;
pub use error::SettingsError;
pub use file::{ConfigFile, ConfigFileError, ConfiguredPlugin};
pub use files::ConfigFiles;
pub use platforms::PlatformFlags;
pub use plugins::{PluginChoice, PluginFlags, PluginRules};
pub use registry::{RegistryAccess, RegistryFlags};
pub use setting::{Setting, SettingOrigin};
pub use settings::{Flags, Settings, compiled_store};
