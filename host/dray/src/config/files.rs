//! The configuration files and their precedence.

use std::path::{Path, PathBuf};

use super::{ConfigFile, ConfigFileError, ConfiguredPlugin, Environment};

/// The file of the system.
const SYSTEM_FILE: &str = "/etc/dray/dray.toml";

/// The configuration files together. If two files set a value, the first one counts. If two files have a table for a
/// plugin, the whole table of the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFiles {
    files: Vec<ConfigFile>,
}

impl ConfigFiles {
    /// Reads the explicit file, or else the files of the user and the system, if they exist.
    ///
    /// Files in the working directory are ignored.
    ///
    /// # Errors
    ///
    /// Says which rule a file breaks, with line and column. An explicit file must exist.
    pub fn load(named: Option<&Path>, environment: &Environment) -> Result<Self, ConfigFileError> {
        let named = named.map(Path::to_owned).or_else(|| environment.config.as_ref().map(PathBuf::from));
        let (paths, must_exist) = match named {
            Some(path) => (vec![path], true),
            None => (user_file(environment).into_iter().chain([SYSTEM_FILE.into()]).collect(), false),
        };
        let files = paths.iter().map(|path| ConfigFile::read(path, must_exist));
        let files = files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        Ok(Self { files })
    }

    /// The files, in order of precedence.
    pub fn files(&self) -> &[ConfigFile] {
        &self.files
    }

    /// The value of a member, with the file that has it.
    pub fn get<'a, T: ?Sized>(
        &'a self,
        member: impl Fn(&'a ConfigFile) -> Option<&'a T>,
    ) -> Option<(&'a T, &'a Path)> {
        self.files.iter().find_map(|file| member(file).map(|value| (value, file.path.as_path())))
    }

    /// Every plugin with the file that has its table.
    pub fn plugins(&self) -> Vec<(&ConfiguredPlugin, &Path)> {
        let mut plugins: Vec<(&ConfiguredPlugin, &Path)> = Vec::new();
        for file in &self.files {
            for plugin in &file.plugins {
                if plugins.iter().all(|(known, _)| known.spec.name != plugin.spec.name) {
                    plugins.push((plugin, &file.path));
                }
            }
        }
        plugins
    }
}

impl From<ConfigFile> for ConfigFiles {
    fn from(file: ConfigFile) -> Self {
        Self { files: vec![file] }
    }
}

/// The XDG specification demands that relative paths are ignored.
fn user_file(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let config_home = environment.config_home.as_ref().map(PathBuf::from).filter(absolute);
    let home = environment.home.as_ref().map(PathBuf::from).filter(absolute);
    let config_home = config_home.or_else(|| home.map(|home| home.join(".config")))?;
    Some(config_home.join("dray/dray.toml"))
}
