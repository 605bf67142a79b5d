use dray_ports::{FetchFailure, PluginFailure, StoreError};
use dray_pull::image::ImageError;
use dray_pull::pull::PullError;

use crate::config::{ConfigFileError, SettingsError};

/// Why a [`Client`](crate::Client) could not be made, or what it was asked for failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// What was given does not make settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A configuration file cannot be used.
    #[error(transparent)]
    ConfigFile(#[from] ConfigFileError),
    /// The client of registries cannot be made.
    #[error(transparent)]
    Registry(#[from] FetchFailure),
    /// A plugin cannot be read or loaded.
    #[error(transparent)]
    Plugin(#[from] PluginFailure),
    /// containerd cannot be reached.
    #[error(transparent)]
    Connect {
        /// Why.
        source: StoreError,
    },
    /// The pull failed.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The image in the store cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}
