use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::SettingsError;

/// A value that counts, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// The registry of the image.
    pub origin: SettingOrigin,
}

/// Where a setting comes from, the strongest origin first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SettingOrigin {
    /// The caller gave it: an argument of the program, or a call of the client's builder.
    Given,
    /// The environment variable of this name.
    Variable(&'static str),
    /// This configuration file.
    File(PathBuf),
    /// Nothing says otherwise.
    #[default]
    Default,
}

impl<T> Setting<T> {
    /// A value that holds because nothing says otherwise.
    pub fn by_default(value: T) -> Self {
        Self { value, origin: SettingOrigin::Default }
    }

    pub(super) fn try_map<U, E>(self, map: impl FnOnce(T) -> Result<U, E>) -> Result<Setting<U>, E> {
        Ok(Setting { value: map(self.value)?, origin: self.origin })
    }
}

/// The one rule of precedence: what the caller gave, else the variable, else the first configuration file that has the
/// member. `None` where the default counts.
///
/// # Errors
///
/// Fails if the variable counts and is not UTF-8.
pub(super) fn strongest(
    given: Option<String>,
    variable: (&'static str, Option<&OsStr>),
    file: Option<(&String, &Path)>,
) -> Result<Option<Setting<String>>, SettingsError> {
    if let Some(value) = given {
        return Ok(Some(Setting { value, origin: SettingOrigin::Given }));
    }
    let (name, value) = variable;
    if let Some(value) = text(name, value)? {
        return Ok(Some(Setting { value, origin: SettingOrigin::Variable(name) }));
    }
    Ok(file
        .map(|(value, path)| Setting { value: value.clone(), origin: SettingOrigin::File(path.to_owned()) }))
}

/// The value of a variable as text.
pub(super) fn text(variable: &'static str, value: Option<&OsStr>) -> Result<Option<String>, SettingsError> {
    let text = |value: &OsStr| value.to_str().map(str::to_owned);
    value.map(|value| text(value).ok_or(SettingsError::NotText { variable })).transpose()
}

pub(super) fn filled(what: &'static str, value: &str) -> Result<String, SettingsError> {
    if value.is_empty() { Err(SettingsError::Empty { what }) } else { Ok(value.to_owned()) }
}
