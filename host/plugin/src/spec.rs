//! The operator's choice of a plugin: the origin of its component, its configuration, and its grants.

use std::fmt;
use std::path::PathBuf;

use dray_ports::PluginFailure;

use super::{Grants, PluginKind, PluginSource, embedded, failure};

/// The origin of a component.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PluginOrigin {
    /// Embedded in dray, under this name.
    Embedded(&'static str),
    /// A file.
    File(PathBuf),
}

impl PluginOrigin {
    /// The embedded plugin of this name, if there is one.
    pub fn embedded(name: &str) -> Option<Self> {
        embedded::find(name).map(|found| Self::Embedded(found.name))
    }

    /// The kind of an embedded plugin. The kind of a file is known after its component was read.
    pub fn embedded_kind(&self) -> Option<PluginKind> {
        let Self::Embedded(name) = self else { return None };
        embedded::find(name).map(|found| found.kind)
    }

    /// Reads the component.
    ///
    /// # Errors
    ///
    /// The same as for [`PluginSource::read`].
    pub fn read(&self) -> Result<PluginSource, PluginFailure> {
        match self {
            Self::Embedded(name) => PluginSource::embedded(name).ok_or_else(|| {
                failure::unreadable(name, format!("this build has no plugin `{name}`")).into()
            }),
            Self::File(path) => PluginSource::read(path),
        }
    }
}

/// The form in `dray.toml` and reports: `embedded:NAME` or `file:PATH`.
impl fmt::Display for PluginOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(name) => write!(f, "embedded:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// A plugin as configured by the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSpec {
    /// The operator's name for it.
    pub name: String,
    /// The origin of its component.
    pub origin: PluginOrigin,
    /// Its configuration, a JSON text, `{}` without configuration.
    pub config: String,
    /// The interfaces it may call beyond those of every plugin.
    pub grants: Grants,
}

impl PluginSpec {
    /// A plugin without configuration and without grants.
    pub fn new(name: impl Into<String>, origin: PluginOrigin) -> Self {
        Self { name: name.into(), origin, config: "{}".to_owned(), grants: Grants::none() }
    }
}
