use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::bindings::described::exports::dray::types::describe::Info;

/// Who a plugin is and how it is configured, whatever its kind.
pub trait Plugin {
    /// Name of the plugin: lower-case letters, digits and inner hyphens, at most 64 bytes.
    const NAME: &str;

    /// Version of the plugin, a semantic version. Most say `env!("CARGO_PKG_VERSION")`.
    const VERSION: &str;

    /// One line for people, not empty, at most 200 bytes.
    const SUMMARY: &str;

    /// JSON Schema (draft 2020-12) of the configuration, at most 64 KiB. The empty text goes with
    /// [`NoConfig`]: the host then refuses every configuration but `{}`. A plugin with another
    /// [`Config`](Self::Config) must have a schema; without one, exporting it does not compile.
    const CONFIG_SCHEMA: &str = "";

    /// Names of optional abilities. The host ignores those that it does not know.
    const FEATURES: &[&str] = &[];

    /// The configuration, read from a JSON object. What the operator left out must get its default here, as
    /// with `#[serde(default)]`, because the host passes `{}` when nothing was configured. Refuse what is
    /// unknown, as with `#[serde(deny_unknown_fields)]`, so that a misspelt key does not pass in silence.
    type Config: DeserializeOwned;

    /// Checks what the type of the configuration cannot say. Fails with [`Error::invalid_config`].
    fn check_config(config: &Self::Config) -> Result<(), Error> {
        let _ = config;
        Ok(())
    }
}

/// The configuration of a plugin that has none: `{}` and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads and checks a configuration.
pub(crate) fn read_config<P: Plugin>(text: &str) -> Result<P::Config, Error> {
    // Without this, a list would pass for an object: that is how serde reads structures.
    if !text.trim_start().starts_with('{') {
        return Err(Error::invalid_config("not-an-object", "the configuration is not a JSON object"));
    }
    let config = serde_json::from_str(text)
        .map_err(|error| Error::invalid_config("not-accepted", error.to_string()))?;
    P::check_config(&config)?;
    Ok(config)
}

pub(crate) fn info<P: Plugin>() -> Info {
    Info {
        name: P::NAME.to_owned(),
        version: P::VERSION.to_owned(),
        summary: P::SUMMARY.to_owned(),
        config_schema: P::CONFIG_SCHEMA.to_owned(),
        features: P::FEATURES.iter().map(|&name| name.to_owned()).collect(),
        extensions: Vec::new(),
    }
}

/// Whether the host passes on what the type of the configuration can hold. A type without size holds nothing.
pub(crate) const fn has_schema_if_configured<P: Plugin>() -> bool {
    !P::CONFIG_SCHEMA.is_empty() || size_of::<P::Config>() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bare;

    impl Plugin for Bare {
        const NAME: &str = "bare";
        const VERSION: &str = "1.2.3";
        const SUMMARY: &str = "has no configuration";
        type Config = NoConfig;
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Depth {
        depth: u8,
    }

    struct Deep;

    impl Plugin for Deep {
        const NAME: &str = "deep";
        const VERSION: &str = "1.2.3";
        const SUMMARY: &str = "has a configuration with a rule";
        const CONFIG_SCHEMA: &str = "{}";
        type Config = Depth;

        fn check_config(config: &Depth) -> Result<(), Error> {
            if config.depth > 9 {
                return Err(Error::invalid_config("too-deep", "`depth` is over 9"));
            }
            Ok(())
        }
    }

    fn refusal<P: Plugin>(text: &str) -> (String, String)
    where
        P::Config: std::fmt::Debug,
    {
        match read_config::<P>(text) {
            Err(Error::InvalidConfig(detail)) => (detail.code, detail.message),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn no_configuration_means_the_empty_object_only() {
        assert_eq!(read_config::<Bare>(" {} "), Ok(NoConfig {}));
        assert_eq!(refusal::<Bare>("[]").0, "not-an-object");
        assert_eq!(refusal::<Bare>("null").0, "not-an-object");
        assert_eq!(refusal::<Bare>("").0, "not-an-object");
        let (code, message) = refusal::<Bare>(r#"{"a": 1}"#);
        assert_eq!(code, "not-accepted");
        assert!(message.contains("unknown field `a`") && message.contains("column"), "{message}");
    }

    #[test]
    fn a_typed_configuration_is_read_and_checked() {
        assert_eq!(read_config::<Deep>("{}"), Ok(Depth { depth: 0 }));
        assert_eq!(read_config::<Deep>(r#"{"depth": 9}"#), Ok(Depth { depth: 9 }));
        assert_eq!(refusal::<Deep>(r#"{"depth": 10}"#).0, "too-deep");
        assert_eq!(refusal::<Deep>(r#"{"depth": "9"}"#).0, "not-accepted");
        assert_eq!(refusal::<Deep>(r#"{"depth": 9} x"#).0, "not-accepted");
    }

    #[test]
    fn the_account_of_itself() {
        let info = info::<Bare>();
        assert_eq!((info.name.as_str(), info.version.as_str()), ("bare", "1.2.3"));
        assert_eq!(info.config_schema, "");
        assert_eq!(info.features, Vec::<String>::new());
    }
}
