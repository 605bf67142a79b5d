use std::error::Error;
use std::fmt;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::limits::CONFIG_BYTES;

/// Why a configuration is refused before the plugin is asked.
#[derive(Debug)]
pub enum ConfigError {
    /// It is longer than [`CONFIG_BYTES`].
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// It is not JSON.
    NotJson {
        /// Where, and why.
        source: serde_json::Error,
    },
    /// The plugin takes no configuration, and this one is not the empty object.
    NotTaken,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { found } => {
                write!(f, "the configuration has {found} bytes, at most {CONFIG_BYTES} are accepted")
            }
            Self::NotJson { .. } => f.write_str("the configuration is not JSON"),
            Self::NotTaken => f.write_str("the plugin takes no configuration"),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotJson { source } => Some(source),
            Self::TooLong { .. } | Self::NotTaken => None,
        }
    }
}

/// Checks the text of a configuration, for any plugin.
///
/// # Errors
///
/// Fails if it is too long, and if it is not JSON.
pub fn check_config(config: &str) -> Result<(), ConfigError> {
    if config.len() > CONFIG_BYTES {
        return Err(ConfigError::TooLong { found: config.len() });
    }
    serde_json::from_str::<IgnoredAny>(config).map_err(|source| ConfigError::NotJson { source })?;
    Ok(())
}

/// Checks that a plugin with this `config-schema` takes the configuration at all. An empty schema means that it takes
/// only `{}`.
///
/// # Errors
///
/// Fails with [`ConfigError::NotTaken`] if it does not.
pub fn check_config_is_taken(config: &str, schema: &str) -> Result<(), ConfigError> {
    let is_empty_object =
        || serde_json::from_str::<Map<String, Value>>(config).is_ok_and(|object| object.is_empty());
    if schema.is_empty() && !is_empty_object() { Err(ConfigError::NotTaken) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_json_of_limited_length() {
        let longest = format!("\"{}\"", "a".repeat(CONFIG_BYTES - 2));
        for good in ["{}", "[1]", "null", &longest] {
            check_config(good).unwrap();
        }
        for bad in ["", "{", "{} {}", "a"] {
            assert!(matches!(check_config(bad), Err(ConfigError::NotJson { .. })), "{bad}");
        }
        let error = check_config(&format!("{longest} ")).unwrap_err();
        assert_eq!(error.to_string(), "the configuration has 65537 bytes, at most 65536 are accepted");
    }

    #[test]
    fn a_plugin_without_a_schema_takes_the_empty_object() {
        for empty in ["{}", " { } ", "{\n}"] {
            check_config_is_taken(empty, "").unwrap();
        }
        for other in [r#"{"a":1}"#, "[]", "null", "", "{} {}", "\"{}\""] {
            assert!(matches!(check_config_is_taken(other, ""), Err(ConfigError::NotTaken)), "{other}");
            check_config_is_taken(other, "{}").unwrap();
        }
    }
}
