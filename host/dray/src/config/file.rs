//! `dray.toml`: settings that an operator writes once in place of options.
//!
//! Every member is optional, and an unknown one is an error with its line and column. The table of plugins has one
//! entry for each plugin by its name; see [`ConfiguredPlugin`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use dray_plugin_host::{Grants, PluginKind, PluginOrigin, PluginSpec};
use dray_ports::SnapshotterName;
use serde::Deserialize;
use toml::Spanned;

/// A parsed configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFile {
    /// The file.
    pub path: PathBuf,
    /// `address`: socket of containerd.
    pub address: Option<String>,
    /// `namespace`: namespace in containerd.
    pub namespace: Option<String>,
    /// `snapshotter`: where images are unpacked, or `auto`.
    pub snapshotter: Option<String>,
    /// `snapshotter-order`: the snapshotters that come first where the image decides.
    pub snapshotter_order: Option<Vec<SnapshotterName>>,
    /// `hosts-dirs`: directories of registry configuration. Relative paths are below the folder of the file.
    pub hosts_dirs: Option<Vec<PathBuf>>,
    /// `[plugins.NAME]`, by name.
    pub plugins: Vec<ConfiguredPlugin>,
}

/// An entry of the table of plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredPlugin {
    /// The component and its configuration.
    pub spec: PluginSpec,
    /// Its kind.
    pub kind: PluginKind,
    /// `for`: registered names of the snapshotters that it plans for.
    pub serves: Vec<SnapshotterName>,
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// It cannot be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It breaks a rule.
    #[error("`{}`, line {line}, column {column}: {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1, in characters.
        column: usize,
        /// Which rule.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Document {
    address: Option<Spanned<String>>,
    namespace: Option<Spanned<String>>,
    snapshotter: Option<Spanned<String>>,
    snapshotter_order: Option<Vec<String>>,
    hosts_dirs: Option<Vec<PathBuf>>,
    #[serde(default)]
    plugins: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    source: Option<Spanned<String>>,
    kind: Option<Spanned<String>>,
    #[serde(rename = "for", default)]
    serves: Vec<Spanned<String>>,
    #[serde(default)]
    grants: Vec<Spanned<String>>,
    config: Option<Spanned<toml::Table>>,
}

impl ConfigFile {
    /// Reads a file. `None` if it does not exist and need not exist.
    ///
    /// # Errors
    ///
    /// Says which rule is broken, with line and column.
    pub fn read(path: &Path, must_exist: bool) -> Result<Option<Self>, ConfigFileError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(None),
            Err(source) => Err(ConfigFileError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Parses the text of a file. `path` is for errors, and relative paths are relative to its directory.
    ///
    /// # Errors
    ///
    /// Says which rule is broken, with line and column.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigFileError> {
        let reader = Reader { path, text };
        let document: Document = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            reader.invalid(at, error.message().replace('\n', "; "))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let hosts_dirs = document.hosts_dirs;
        let file = Self {
            path: path.to_owned(),
            address: reader.filled("address", document.address)?,
            namespace: reader.filled("namespace", document.namespace)?,
            snapshotter: reader.filled("snapshotter", document.snapshotter)?,
            snapshotter_order: document
                .snapshotter_order
                .map(|names| names.into_iter().map(SnapshotterName::new).collect()),
            hosts_dirs: hosts_dirs.map(|dirs| dirs.iter().map(|dir| folder.join(dir)).collect()),
            plugins: document
                .plugins
                .into_iter()
                .map(|(name, entry)| reader.plugin(folder, &name, entry))
                .collect::<Result<_, _>>()?,
        };
        reader.check_unique(&file.plugins)?;
        Ok(file)
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn invalid(&self, at: usize, problem: impl Into<String>) -> ConfigFileError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigFileError::Invalid {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem: problem.into(),
        }
    }

    fn filled(
        &self,
        member: &str,
        value: Option<Spanned<String>>,
    ) -> Result<Option<String>, ConfigFileError> {
        match value {
            Some(value) if value.get_ref().is_empty() => {
                Err(self.invalid(value.span().start, format!("`{member}` is empty")))
            }
            value => Ok(value.map(Spanned::into_inner)),
        }
    }

    fn plugin(
        &self,
        folder: &Path,
        name: &Spanned<String>,
        entry: Entry,
    ) -> Result<ConfiguredPlugin, ConfigFileError> {
        let here = name.span().start;
        let name = name.get_ref();
        let origin = match &entry.source {
            None => PluginOrigin::embedded(name).ok_or_else(|| {
                let problem =
                    format!("plugin `{name}` is not embedded, so it needs `source = \"file:PATH\"`");
                self.invalid(here, problem)
            })?,
            Some(source) => self.origin(folder, source)?,
        };
        let kind = match &entry.kind {
            Some(kind) => PluginKind::parse(kind.get_ref()).ok_or_else(|| {
                let problem = format!("there is no plugin kind `{}`", kind.get_ref());
                self.invalid(kind.span().start, format!("{problem}, only `snapshotter` and `platform`"))
            })?,
            None => origin.embedded_kind().ok_or_else(|| {
                let problem = format!("plugin `{name}` needs `kind`: `snapshotter` or `platform`");
                self.invalid(here, problem)
            })?,
        };
        if let (PluginKind::Platform, Some(first)) = (kind, entry.serves.first()) {
            let problem = "`for` lists snapshotters, and this is a platform plugin";
            return Err(self.invalid(first.span().start, problem));
        }
        let mut serves = Vec::with_capacity(entry.serves.len());
        for snapshotter in entry.serves {
            let at = snapshotter.span().start;
            let snapshotter = self.filled("for", Some(snapshotter))?;
            let snapshotter = snapshotter.ok_or_else(|| self.invalid(at, "`for` is empty"))?;
            serves.push(SnapshotterName::new(snapshotter));
        }
        let mut grants = Grants::none();
        for grant in &entry.grants {
            grants
                .add(grant.get_ref())
                .map_err(|unknown| self.invalid(grant.span().start, unknown.to_string()))?;
        }
        let config = match entry.config {
            None => "{}".to_owned(),
            Some(table) => {
                let at = table.span().start;
                json(&toml::Value::Table(table.into_inner()))
                    .map(|value| value.to_string())
                    .map_err(|problem| self.invalid(at, problem))?
            }
        };
        let spec = PluginSpec { name: name.clone(), origin, config, grants };
        Ok(ConfiguredPlugin { spec, kind, serves })
    }

    fn origin(&self, folder: &Path, source: &Spanned<String>) -> Result<PluginOrigin, ConfigFileError> {
        let at = source.span().start;
        match source.get_ref().split_once(':') {
            Some(("embedded", name)) => PluginOrigin::embedded(name)
                .ok_or_else(|| self.invalid(at, format!("this build has no embedded plugin `{name}`"))),
            Some(("file", path)) if !path.is_empty() => Ok(PluginOrigin::File(folder.join(path))),
            _ => {
                let problem =
                    format!("source `{}` is neither `file:PATH` nor `embedded:NAME`", source.get_ref());
                Err(self.invalid(at, problem))
            }
        }
    }

    /// Two plugins cannot serve the same snapshotter, and there can be only one platform plugin.
    fn check_unique(&self, plugins: &[ConfiguredPlugin]) -> Result<(), ConfigFileError> {
        let mut served = BTreeSet::new();
        let mut platform: Option<&str> = None;
        for ConfiguredPlugin { spec, kind, serves } in plugins {
            for snapshotter in serves {
                if !served.insert(snapshotter.as_str()) {
                    let problem = format!("snapshotter `{snapshotter}` is in `for` of two plugins");
                    return Err(self.invalid(self.position_of(&spec.name), problem));
                }
            }
            if *kind == PluginKind::Platform
                && let Some(other) = platform.replace(&spec.name)
            {
                let problem =
                    format!("`{other}` and `{}` are both platform plugins, one is possible", spec.name);
                return Err(self.invalid(self.position_of(&spec.name), problem));
            }
        }
        Ok(())
    }

    /// The position of a plugin's table, for errors about the whole table.
    fn position_of(&self, name: &str) -> usize {
        self.text.find(&format!("plugins.{name}")).or_else(|| self.text.find(name)).unwrap_or(0)
    }
}

/// TOML as JSON. TOML has dates, JSON has none.
fn json(value: &toml::Value) -> Result<serde_json::Value, String> {
    Ok(match value {
        toml::Value::String(text) => text.clone().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number)
            .map(serde_json::Value::Number)
            .ok_or("`config` has a number that JSON cannot hold")?,
        toml::Value::Boolean(value) => (*value).into(),
        toml::Value::Datetime(_) => return Err("`config` has a date, which JSON does not have".to_owned()),
        toml::Value::Array(items) => items.iter().map(json).collect::<Result<Vec<_>, _>>()?.into(),
        toml::Value::Table(table) => {
            let members = table.iter().map(|(key, value)| Ok((key.clone(), json(value)?)));
            serde_json::Value::Object(members.collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests;
