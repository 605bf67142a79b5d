use serde::de::IgnoredAny;

use crate::Pairs;
use crate::error::{Part, RuleError, at_most};
use crate::extensions::check_extensions;
use crate::limits::{CONFIG_BYTES, FEATURES, NAME_BYTES, SUMMARY_BYTES};
use crate::words::{is_semantic_version, is_word};

/// What a plugin says about itself: the answer to `get-info`.
#[derive(Clone, Copy, Debug)]
pub struct Info<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What it is for, one line.
    pub summary: &'a str,
    /// JSON Schema of its configuration, empty if it takes none.
    pub config_schema: &'a str,
    /// Names of its optional features.
    pub features: &'a [String],
    /// Extensions.
    pub extensions: &'a Pairs,
}

/// Checks what a plugin says about itself.
///
/// # Errors
///
/// Fails with the first rule that it breaks.
pub fn check_info(info: &Info<'_>) -> Result<(), RuleError> {
    if !is_word(info.name) {
        return Err(RuleError::NotAWord { part: Part::Name });
    }
    if !is_semantic_version(info.version) {
        return Err(RuleError::NotAVersion);
    }
    at_most(Part::Summary, info.summary.len(), SUMMARY_BYTES)?;
    if info.summary.is_empty() || info.summary.contains(char::is_control) {
        return Err(RuleError::NotOneLine);
    }
    at_most(Part::ConfigSchema, info.config_schema.len(), CONFIG_BYTES)?;
    if !info.config_schema.is_empty() && serde_json::from_str::<IgnoredAny>(info.config_schema).is_err() {
        return Err(RuleError::SchemaNotJson);
    }
    at_most(Part::Features, info.features.len(), FEATURES)?;
    for feature in info.features {
        at_most(Part::Feature, feature.len(), NAME_BYTES)?;
    }
    check_extensions(info.extensions, Part::Extensions, Part::Extension)
}
