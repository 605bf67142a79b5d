use std::sync::Arc;

use super::screen::Screen;
use dray::Machine;
use dray::config::{
    ConfigFiles, DaemonFlags, DaemonSettings, Environment, Flags, RegistryFlags, Settings, SettingsError,
};

/// The context of every command.
pub(super) struct Context {
    pub(super) environment: Environment,
    pub(super) screen: Arc<Screen>,
    /// The options for containerd.
    pub(super) daemon: DaemonFlags,
    /// The options for registries before the command.
    pub(super) registry: RegistryFlags,
    /// The contents of the configuration files.
    pub(super) files: ConfigFiles,
    pub(super) machine: Machine,
}

impl Context {
    /// The settings that a command's options make, together with the global ones, the environment and the files.
    pub(super) fn settings(&self, options: Flags) -> Result<Settings, SettingsError> {
        let flags = Flags { daemon: self.daemon.clone(), ..options };
        Settings::resolve(flags, &self.environment, &self.files, &self.machine)
    }

    /// Which containerd is meant.
    pub(super) fn daemon(&self) -> Result<DaemonSettings, SettingsError> {
        DaemonSettings::resolve(self.daemon.clone(), &self.environment, &self.files)
    }
}
