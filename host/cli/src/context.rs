use std::sync::Arc;

use super::screen::Screen;
use dray::config::{ConfigFiles, Environment, RegistryFlags};

/// What every command has at hand.
pub(super) struct Context {
    pub(super) environment: Environment,
    pub(super) screen: Arc<Screen>,
    /// What was typed about registries before the command.
    pub(super) registry: RegistryFlags,
    /// What the configuration files say.
    pub(super) files: ConfigFiles,
}
