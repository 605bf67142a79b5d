//! What is wrong with options and configuration files, in the words of the command line.

use super::kind::Kind;
use super::shown::Failure;
use dray::config::{ConfigFileError, SettingsError};

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match &error {
            SettingsError::Platform { source } => {
                Self::usage("cannot read the value of `--platform`", source)
                    .hint("a platform looks like `linux/amd64` or `linux/arm/v7`")
            }
            SettingsError::UnpackSeveral { platforms } => {
                let given = format!("`--unpack true` is given for {platforms}");
                Self::new(Kind::Usage, format!("only one platform can be unpacked, and {given}"))
                    .hint("choose one platform with `--platform`, or leave out `--unpack`")
            }
            SettingsError::PluginConfig { source, .. } => {
                Self::usage(&format!("`--plugin-config`: {error}"), source)
            }
            SettingsError::WrongKind { .. } => Self::of(Kind::Usage, &error, None)
                .hint("`dray plugin ls` and `dray config show` list the names of plugins"),
            SettingsError::NotText { .. } => Self::of(Kind::Configuration, &error, None),
            _ => Self::of(Kind::Usage, &error, None),
        }
    }
}

impl From<ConfigFileError> for Failure {
    fn from(error: ConfigFileError) -> Self {
        let hint = "correct it, or use another file with `--config`; `docs/cli.md` lists the members";
        Self::of(Kind::Configuration, &error, Some(hint.to_owned()))
    }
}
