//! Tests of plugins without WebAssembly.
//!
//! [`plan`] and [`rank`] call a plugin as the host does: the configuration is checked first, and what comes
//! back is held against the rules of the interface. A plugin that breaks one fails its test here rather than
//! an operator's pull.

mod image;
mod rules;

use std::cell::RefCell;

use crate::log::Level;
use crate::oci::Platform;
use crate::plugin::read_config;
use crate::snapshotter::{Image, ImagePlan};
use crate::{Error, PlatformPlugin, Plugin, SnapshotterPlugin};

/// What the host finds wrong with an answer.
pub use dray_rules::RuleError;
pub use image::{ImageBuilder, LayerBuilder};
pub use rules::{BrokenRule, check_info, check_plan, check_ranking};

/// Calls a snapshotter plugin.
///
/// # Panics
///
/// When the plugin describes itself wrongly or its plan breaks a rule of the interface.
pub fn plan<P: SnapshotterPlugin>(config: &str, image: &Image) -> Result<ImagePlan, Error> {
    check_info::<P>().unwrap_or_else(|rule| panic!("{}: {rule}", P::NAME));
    let plan = P::plan(accepted::<P>(config)?, image.clone())?;
    check_plan(config, image, &plan).unwrap_or_else(|rule| panic!("{}: {rule}", P::NAME));
    Ok(plan)
}

/// Calls a platform plugin.
///
/// # Panics
///
/// When the plugin describes itself wrongly or its ranking breaks a rule of the interface.
pub fn rank<P: PlatformPlugin>(
    config: &str,
    wanted: &[Platform],
    offered: &[Platform],
) -> Result<Vec<u32>, Error> {
    check_info::<P>().unwrap_or_else(|rule| panic!("{}: {rule}", P::NAME));
    let ranking = P::rank(accepted::<P>(config)?, wanted.to_vec(), offered.to_vec())?;
    check_ranking(offered.len(), &ranking).unwrap_or_else(|rule| panic!("{}: {rule}", P::NAME));
    Ok(ranking)
}

/// Checks a configuration as the host does.
///
/// # Panics
///
/// When the plugin describes itself wrongly.
pub fn check_config<P: Plugin>(config: &str) -> Result<(), Error> {
    check_info::<P>().unwrap_or_else(|rule| panic!("{}: {rule}", P::NAME));
    accepted::<P>(config).map(drop)
}

/// What the host says of a configuration by itself, and then what the plugin says of it.
fn accepted<P: Plugin>(config: &str) -> Result<P::Config, Error> {
    dray_rules::check_config(config)
        .and_then(|()| dray_rules::check_config_is_taken(config, P::CONFIG_SCHEMA))
        .map_err(|error| Error::invalid_config("refused-by-host", error.to_string()))?;
    read_config::<P>(config)
}

/// A platform from `os/architecture` or `os/architecture/variant`, taken as written. An operating system may
/// carry its version and features: `windows(10.0.17763+win32k)/amd64`.
pub fn platform(text: &str) -> Platform {
    let mut parts = text.split('/').map(str::to_owned);
    let mut next = || parts.next().unwrap_or_default();
    let (os, architecture, variant) = (next(), next(), next());
    let (os, details) = os.split_once('(').unwrap_or((&os, ""));
    let mut details = details.trim_end_matches(')').split('+').map(str::to_owned);
    let version = details.next().unwrap_or_default();
    Platform {
        os: os.to_owned(),
        architecture,
        variant: Some(variant).filter(|variant| !variant.is_empty()),
        os_version: Some(version).filter(|version| !version.is_empty()),
        os_features: details.collect(),
    }
}

thread_local! {
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
    static FEATURES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The lines that this thread logged since the last call.
pub fn taken_log() -> Vec<(Level, String)> {
    LOG.take()
}

/// Runs `test` on a host with these features, and without any other.
pub fn with_features<T>(names: &[&str], test: impl FnOnce() -> T) -> T {
    let before = FEATURES.replace(names.iter().map(|&name| name.to_owned()).collect());
    let result = test();
    FEATURES.set(before);
    result
}

pub(crate) fn keep_line(level: Level, message: String) {
    LOG.with_borrow_mut(|log| log.push((level, message)));
}

pub(crate) fn has_feature(name: &str) -> bool {
    FEATURES.with_borrow(|features| features.iter().any(|feature| feature == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{feature, log};

    struct Bare;

    impl Plugin for Bare {
        const NAME: &str = "bare";
        const VERSION: &str = "1.2.3";
        const SUMMARY: &str = "has no configuration";
        type Config = serde::de::IgnoredAny;
    }

    struct Forgetful;

    impl Plugin for Forgetful {
        const NAME: &str = "forgetful";
        const VERSION: &str = "1.2.3";
        const SUMMARY: &str = "has a configuration and no schema";
        type Config = std::collections::BTreeMap<String, u8>;
    }

    #[test]
    fn the_host_refuses_a_configuration_where_there_is_no_schema() {
        for empty in ["{}", " { } "] {
            check_config::<Bare>(empty).unwrap();
        }
        let too_long = format!("{{{}}}", " ".repeat(dray_rules::limits::CONFIG_BYTES));
        for refused in [r#"{"a":1}"#, "[]", "null", "", "{", &too_long] {
            let error = check_config::<Bare>(refused).unwrap_err();
            assert_eq!(error.detail().code, "refused-by-host", "{refused}");
        }
        assert!(check_info::<Forgetful>().unwrap_err().to_string().contains("no schema"));
    }

    #[test]
    fn log_lines_are_kept() {
        log::info("one");
        log::warn(format_args!("{}", 2));
        assert_eq!(taken_log(), [(Level::Info, "one".to_owned()), (Level::Warn, "2".to_owned())]);
        assert_eq!(taken_log(), []);
    }

    #[test]
    fn features_last_as_long_as_the_test() {
        assert!(!feature::supported(feature::STOP_ASKING));
        with_features(&[feature::STOP_ASKING], || {
            assert!(feature::supported(feature::STOP_ASKING));
            assert!(!feature::supported(feature::KEEP_BLOB));
        });
        assert!(!feature::supported(feature::STOP_ASKING));
    }

    #[test]
    fn platforms_are_taken_as_written() {
        let windows = platform("Windows(10.0.17763+win32k)/x86_64");
        assert_eq!((windows.os.as_str(), windows.architecture.as_str()), ("Windows", "x86_64"));
        assert_eq!(windows.variant, None);
        assert_eq!(windows.os_version.as_deref(), Some("10.0.17763"));
        assert_eq!(windows.os_features, ["win32k"]);
        assert_eq!(platform("linux/arm64/v8").variant.as_deref(), Some("v8"));
        assert_eq!(platform("linux(+a+b)/arm64").os_features, ["a", "b"]);
    }
}
