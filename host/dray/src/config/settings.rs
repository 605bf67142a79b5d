//! From what the caller gives, the environment and the files to the settings of a client. A new option begins here.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::{
    ConfigFiles, DaemonFlags, DaemonSettings, Environment, PlatformFlags, PluginFlags, PluginRules,
    RegistryAccess, RegistryFlags, SettingsError,
};
use crate::machine::Machine;
use dray_core::limits;
use dray_pull::image::Platforms;

/// What the caller gives: the arguments of the program, or the calls of the client's builder.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// About containerd.
    pub daemon: DaemonFlags,
    /// About registries.
    pub registry: RegistryFlags,
    /// About platforms.
    pub platforms: PlatformFlags,
    /// Whether to unpack; by default, exactly where one platform is wanted.
    pub unpack: Option<bool>,
    /// About plugins.
    pub plugins: PluginFlags,
    /// Layers that are downloaded at the same time.
    pub parallel_downloads: Option<NonZeroUsize>,
    /// Whether the blobs of layers are fetched that a lazy snapshotter provides.
    pub keep_blobs: bool,
    /// Whether the root of an image is read after it was unpacked, also where its plan does not ask for it.
    pub verify_snapshot: bool,
}

/// Everything that a [`Client`](crate::Client) needs to know before it begins.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which containerd.
    pub daemon: DaemonSettings,
    /// How registries are reached.
    pub registry: RegistryAccess,
    /// The wanted platforms, normalised.
    pub platforms: Platforms,
    /// Whether images are unpacked.
    pub unpack: bool,
    /// The plugins.
    pub plugins: PluginRules,
    /// Layers that are downloaded at the same time.
    pub parallel_downloads: NonZeroUsize,
    /// Whether the blobs of layers are fetched that a lazy snapshotter provides.
    pub keep_blobs: bool,
    /// Whether the root of an image is read after it was unpacked, also where its plan does not ask for it.
    pub verify_snapshot: bool,
    /// Folder for compiled plugins; `None` compiles them each time.
    pub compiled_store: Option<PathBuf>,
}

impl Settings {
    /// Brings together what the caller gives, the environment, the configuration files and this machine.
    ///
    /// # Errors
    ///
    /// Says which value is at fault.
    pub fn resolve(
        flags: Flags,
        environment: &Environment,
        files: &ConfigFiles,
        machine: &Machine,
    ) -> Result<Self, SettingsError> {
        let platforms = flags.platforms.resolve(&machine.platform)?;
        if flags.unpack == Some(true) && !platforms.is_one() {
            return Err(SettingsError::UnpackSeveral { platforms: platforms.to_string() });
        }
        Ok(Self {
            unpack: flags.unpack.unwrap_or(platforms.is_one()),
            plugins: PluginRules::resolve(flags.plugins, files, &platforms)?,
            platforms,
            daemon: DaemonSettings::resolve(flags.daemon, environment, files)?,
            registry: RegistryAccess::resolve(flags.registry, environment, files, machine.is_root)?,
            parallel_downloads: flags.parallel_downloads.unwrap_or(limits::PARALLEL_DOWNLOADS),
            keep_blobs: flags.keep_blobs,
            verify_snapshot: flags.verify_snapshot,
            compiled_store: compiled_store(environment),
        })
    }
}

/// Directory for compiled plugins. `None` if there is none.
///
/// The XDG specification demands that relative paths are ignored.
pub fn compiled_store(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: &&Path| path.is_absolute();
    let cache_home = environment.cache_home.as_deref().map(Path::new).filter(absolute).map(Path::to_owned);
    let home = environment.home.as_deref().map(Path::new).filter(absolute);
    let caches = cache_home.or_else(|| home.map(|home| home.join(".cache")))?;
    Some(caches.join("dray").join("compiled"))
}
