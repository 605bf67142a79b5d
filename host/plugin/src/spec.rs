//! Which plugin is meant: where its component comes from, how it is configured, and what it may call.

use std::fmt;
use std::path::PathBuf;

use dray_ports::PluginFailure;

use super::{Grants, PluginKind, PluginSource, embedded, failure};

/// Where a component comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PluginOrigin {
    /// It came with dray, under this name.
    Embedded(&'static str),
    /// It is in a file.
    File(PathBuf),
}

impl PluginOrigin {
    /// The embedded plugin of this name, if there is one.
    pub fn embedded(name: &str) -> Option<Self> {
        embedded::find(name).map(|found| Self::Embedded(found.name))
    }

    /// What an embedded plugin does. That of a file is known when its component has been looked at.
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

/// As `dray.toml` and reports write it: `embedded:NAME` or `file:PATH`.
impl fmt::Display for PluginOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(name) => write!(f, "embedded:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// One plugin as the operator chose it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginSpec {
    /// The operator's name for it.
    pub name: String,
    /// Where its component comes from.
    pub origin: PluginOrigin,
    /// Its configuration, one JSON text, `{}` if nothing is configured.
    pub config: String,
    /// What it may call beyond the interfaces that every plugin has.
    pub grants: Grants,
}

impl PluginSpec {
    /// A plugin without configuration and without grants.
    pub fn new(name: impl Into<String>, origin: PluginOrigin) -> Self {
        Self { name: name.into(), origin, config: "{}".to_owned(), grants: Grants::none() }
    }
}
