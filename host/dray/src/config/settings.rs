//! From what was typed and the environment to the settings of a command. A new option of a pull begins here.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{ConfigFiles, Environment, PluginFlags, PluginRules};
use dray_core::limits;
use dray_core::oci::{Platform, PlatformError, Reference, ReferenceError};
use dray_ports::SnapshotterName;
use dray_pull::image::Platforms;

/// Where containerd listens unless something else is said.
const DEFAULT_ADDRESS: &str = "/run/containerd/containerd.sock";

/// The namespace unless something else is said, that of containerd's own clients.
const DEFAULT_NAMESPACE: &str = "default";

/// Why flags and environment do not make settings.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The reference is none.
    #[error("cannot read the image reference")]
    Reference {
        /// Which rule it breaks.
        #[source]
        source: ReferenceError,
    },
    /// A platform is none.
    #[error("cannot read the value of `--platform`")]
    Platform {
        /// Which rule it breaks.
        #[source]
        source: PlatformError,
    },
    /// More platforms than a platform plugin is asked for.
    #[error("there are {found} platforms, at most {limit} are accepted")]
    TooManyPlatforms {
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Something is empty that must not be.
    #[error("the {what} is empty")]
    Empty {
        /// What.
        what: &'static str,
    },
    /// Several platforms are to be unpacked.
    #[error("only one platform can be unpacked, and `--unpack true` is given for {platforms}")]
    UnpackSeveral {
        /// The platforms.
        platforms: String,
    },
    /// A value for one plugin kind does not say which.
    #[error("`{flag} {value}` is not of the form `KIND={form}`")]
    NoKind {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// What stands after the equals sign.
        form: &'static str,
    },
    /// There is no such plugin kind.
    #[error("`{flag}`: there is no plugin kind `{kind}`, only `snapshotter` and `platform`")]
    UnknownKind {
        /// The flag.
        flag: &'static str,
        /// What was given.
        kind: String,
    },
    /// A plugin of this name is of another kind.
    #[error("plugin `{name}` is a {found} plugin, not a {wanted} plugin")]
    WrongKind {
        /// The name.
        name: String,
        /// The kind that was asked for.
        wanted: &'static str,
        /// The kind that it is of.
        found: &'static str,
    },
    /// Two values for one plugin kind.
    #[error("`{flag}` is given twice for plugin kind `{kind}`")]
    RepeatedKind {
        /// The flag.
        flag: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// A plugin's configuration is not JSON.
    #[error("`--plugin-config`: the configuration of the {kind} plugin is not valid JSON")]
    PluginConfig {
        /// The kind.
        kind: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A variable has bytes that are no text.
    #[error("environment variable `{variable}` is not valid UTF-8")]
    NotText {
        /// The variable.
        variable: &'static str,
    },
}

/// What was typed about containerd.
#[derive(Clone, Debug, Default)]
pub struct DaemonFlags {
    /// `--address`.
    pub address: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--snapshotter`.
    pub snapshotter: Option<String>,
}

/// Which containerd, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// Path of the socket.
    pub address: String,
    /// Namespace.
    pub namespace: String,
    /// Snapshotter; absent if the choice is the daemon's.
    pub snapshotter: Option<SnapshotterName>,
}

impl DaemonSettings {
    /// A flag comes before its variable, a variable before a configuration file, and a file before the default.
    ///
    /// # Errors
    ///
    /// Fails if a value is given and empty, or no text.
    pub fn resolve(
        flags: DaemonFlags,
        environment: &Environment,
        files: &ConfigFiles,
    ) -> Result<Self, SettingsError> {
        let or_file = |given: Option<String>, file: Option<(&String, &Path)>| {
            given.or_else(|| file.map(|(value, _)| value.clone()))
        };
        let address = given(flags.address, "CONTAINERD_ADDRESS", environment.address.as_deref())?;
        let address = or_file(address, files.get(|file| file.address.as_ref()));
        let namespace = given(flags.namespace, "CONTAINERD_NAMESPACE", environment.namespace.as_deref())?;
        let namespace = or_file(namespace, files.get(|file| file.namespace.as_ref()));
        let snapshotter =
            given(flags.snapshotter, "CONTAINERD_SNAPSHOTTER", environment.snapshotter.as_deref())?;
        let snapshotter = or_file(snapshotter, files.get(|file| file.snapshotter.as_ref()));
        let address = address.as_deref().unwrap_or(DEFAULT_ADDRESS);
        Ok(Self {
            address: filled("address of containerd", address.strip_prefix("unix://").unwrap_or(address))?,
            namespace: filled("namespace", namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE))?,
            snapshotter: snapshotter
                .map(|name| filled("name of the snapshotter", &name))
                .transpose()?
                .map(SnapshotterName::new),
        })
    }
}

/// What was typed for a pull.
#[derive(Clone, Debug, Default)]
pub struct PullFlags {
    /// The image.
    pub name: String,
    /// Whether the name must be a reference, since a registry is asked in any case.
    pub is_reference: bool,
    /// What was typed about containerd.
    pub daemon: DaemonFlags,
    /// What was typed about platforms.
    pub platforms: PlatformFlags,
    /// `--unpack`, unless it says `auto`.
    pub unpack: Option<bool>,
    /// What was typed about plugins.
    pub plugins: PluginFlags,
}

/// What was typed about platforms.
#[derive(Clone, Debug, Default)]
pub struct PlatformFlags {
    /// Every `--platform`.
    pub platforms: Vec<String>,
    /// `--all-platforms`, which comes before `--platform`.
    pub all: bool,
    /// `--attestations`.
    pub attestations: bool,
}

impl PlatformFlags {
    /// The platforms that are meant; that of this machine if nothing was typed.
    ///
    /// # Errors
    ///
    /// Fails if one of the platforms is empty or none, and if there are too many.
    pub fn resolve(self, host: &Platform) -> Result<Platforms, SettingsError> {
        let Self { platforms, all, attestations } = self;
        let normal = host.normalized(host);
        if all {
            return Ok(Platforms::All { host: normal, attestations });
        }
        let parse = |text: String| {
            Platform::parse(&filled("platform", &text)?, host)
                .map_err(|source| SettingsError::Platform { source })
        };
        let platforms: Vec<Platform> = platforms.into_iter().map(parse).collect::<Result<_, _>>()?;
        let platforms = Platforms::listed(platforms).unwrap_or(Platforms::One(normal));
        let (found, limit) = (platforms.wanted().len(), limits::WANTED_PLATFORMS);
        if found > limit {
            return Err(SettingsError::TooManyPlatforms { found, limit });
        }
        Ok(platforms)
    }
}

/// Proxies, as the variables give them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For HTTPS.
    pub https: Option<String>,
    /// For HTTP.
    pub http: Option<String>,
    /// Hosts that are reached without one.
    pub none_for: Option<String>,
}

/// The address of a proxy may hold a password.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redacted = |value: &Option<String>| value.as_ref().map(|_| "<redacted>");
        f.debug_struct("Proxies")
            .field("https", &redacted(&self.https))
            .field("http", &redacted(&self.http))
            .field("none_for", &self.none_for)
            .finish()
    }
}

/// Everything that a pull needs to know before it begins.
#[derive(Clone, Debug)]
pub struct PullSettings {
    /// The image as typed.
    pub name: String,
    /// The wanted platforms, normalised.
    pub platforms: Platforms,
    /// Whether to unpack; without `--unpack`, exactly where one platform is wanted.
    pub unpack: bool,
    /// Where the image goes.
    pub daemon: DaemonSettings,
    /// Which plugins serve.
    pub plugins: PluginRules,
    /// Folder for compiled plugins; absent if there is no place for one.
    pub compiled_store: Option<PathBuf>,
}

impl PullSettings {
    /// Brings together what was typed, the environment, and the platform of this machine.
    ///
    /// # Errors
    ///
    /// Says which flag or variable is at fault.
    pub fn resolve(
        flags: PullFlags,
        environment: &Environment,
        files: &ConfigFiles,
        host: &Platform,
    ) -> Result<Self, SettingsError> {
        if flags.is_reference {
            Reference::parse(&flags.name).map_err(|source| SettingsError::Reference { source })?;
        }
        let platforms = flags.platforms.resolve(host)?;
        if flags.unpack == Some(true) && !platforms.is_one() {
            return Err(SettingsError::UnpackSeveral { platforms: platforms.to_string() });
        }
        Ok(Self {
            name: filled("name of the image", &flags.name)?,
            unpack: flags.unpack.unwrap_or(platforms.is_one()),
            plugins: PluginRules::resolve(flags.plugins, files, &platforms)?,
            platforms,
            daemon: DaemonSettings::resolve(flags.daemon, environment, files)?,
            compiled_store: compiled_store(environment),
        })
    }
}

/// The flag, else the variable.
pub(super) fn given(
    flag: Option<String>,
    variable: &'static str,
    value: Option<&OsStr>,
) -> Result<Option<String>, SettingsError> {
    match (flag, value) {
        (Some(flag), _) => Ok(Some(flag)),
        (None, None) => Ok(None),
        (None, Some(value)) => match value.to_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(SettingsError::NotText { variable }),
        },
    }
}

fn filled(what: &'static str, value: &str) -> Result<String, SettingsError> {
    if value.is_empty() { Err(SettingsError::Empty { what }) } else { Ok(value.to_owned()) }
}

#[derive(Default)]
pub(super) struct ByKind {
    pub(super) snapshotter: Option<String>,
    pub(super) platform: Option<String>,
}

pub(super) fn by_kind(
    flag: &'static str,
    form: &'static str,
    values: Vec<String>,
) -> Result<ByKind, SettingsError> {
    let mut found = ByKind::default();
    for value in values {
        let Some((kind, rest)) = value.split_once('=').filter(|(_, rest)| !rest.is_empty()) else {
            return Err(SettingsError::NoKind { flag, value, form });
        };
        let (kind, slot) = match kind {
            "snapshotter" => ("snapshotter", &mut found.snapshotter),
            "platform" => ("platform", &mut found.platform),
            other => return Err(SettingsError::UnknownKind { flag, kind: other.to_owned() }),
        };
        if slot.replace(rest.to_owned()).is_some() {
            return Err(SettingsError::RepeatedKind { flag, kind });
        }
    }
    Ok(found)
}

/// Folder for compiled plugins; `None` if there is no place for one.
///
/// The XDG specification says that a relative path is to be ignored.
pub fn compiled_store(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: &&Path| path.is_absolute();
    let cache_home = environment.cache_home.as_deref().map(Path::new).filter(absolute).map(Path::to_owned);
    let home = environment.home.as_deref().map(Path::new).filter(absolute);
    let caches = cache_home.or_else(|| home.map(|home| home.join(".cache")))?;
    Some(caches.join("dray").join("compiled"))
}
