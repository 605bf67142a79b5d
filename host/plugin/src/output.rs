//! Rules for what plugins return, as the interface states them.
//!
//! Sizes and forms only. What a plan means for the image at hand is checked where plans are carried out.

use std::collections::HashSet;

use super::bindings::described::exports::dray::types::describe::Info;
use super::bindings::snapshotter::exports::dray::snapshotter::planner as wit;
use dray_core::limits::{
    EXTENSION_BYTES, EXTENSIONS, LABEL_BYTES, LAYERS, PLAN_HINTS, PLAN_LABELS, PLUGIN_CONFIG_BYTES,
    PLUGIN_NAME_BYTES, PLUGIN_TEXT_BYTES,
};

const SUMMARY_BYTES: usize = 200;
const FEATURES: usize = 64;

/// The first rule that a plugin's account of itself breaks.
pub(super) fn check_info(info: &Info) -> Result<(), String> {
    if !is_word(&info.name) {
        return Err(format!(
            "`name` must be lower-case letters, digits and inner hyphens, at most {PLUGIN_NAME_BYTES} bytes"
        ));
    }
    if info.version.len() > PLUGIN_NAME_BYTES || !is_semantic_version(&info.version) {
        return Err("`version` must be a semantic version".into());
    }
    at_most("`summary`", info.summary.len(), SUMMARY_BYTES, "bytes")?;
    if info.summary.is_empty() || info.summary.contains(char::is_control) {
        return Err("`summary` must be one line, and not empty".into());
    }
    at_most("`config-schema`", info.config_schema.len(), PLUGIN_CONFIG_BYTES, "bytes")?;
    if !info.config_schema.is_empty()
        && serde_json::from_str::<serde::de::IgnoredAny>(&info.config_schema).is_err()
    {
        return Err("`config-schema` must be JSON".into());
    }
    at_most("`features`", info.features.len(), FEATURES, "names")?;
    for feature in &info.features {
        at_most("a name in `features`", feature.len(), PLUGIN_NAME_BYTES, "bytes")?;
    }
    check_extensions("`extensions`", &info.extensions)
}

/// Whether a configuration, which is JSON, says nothing: the only one of a plugin that takes none.
pub(super) fn is_empty_object(config: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(config)
        .is_ok_and(|object| object.is_empty())
}

/// The indices of an answer to `rank`, or the first rule that it breaks.
pub(super) fn check_rank(ranked: &[u32], offered: usize) -> Result<Vec<usize>, String> {
    let mut seen = vec![false; offered];
    let mut indices = Vec::with_capacity(ranked.len().min(offered));
    for &index in ranked {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match seen.get_mut(index) {
            None => return Err(format!("index {index} is out of range, {offered} platforms were offered")),
            Some(true) => return Err(format!("index {index} is there twice")),
            Some(seen) => *seen = true,
        }
        indices.push(index);
    }
    Ok(indices)
}

/// The first rule that the sizes and texts of a plan break.
pub(super) fn check_plan(plan: &wit::ImagePlan) -> Result<(), String> {
    if !is_word(&plan.code) {
        return Err(format!("`code` must be a word in kebab-case of at most {PLUGIN_NAME_BYTES} bytes"));
    }
    at_most("`reason`", plan.reason.len(), PLUGIN_TEXT_BYTES, "bytes")?;
    if plan.reason.is_empty() {
        return Err("`reason` must not be empty".into());
    }
    at_most("`layers`", plan.layers.len(), LAYERS, "entries")?;
    at_most("`hints`", plan.hints.len(), PLAN_HINTS, "lines")?;
    for hint in &plan.hints {
        at_most("a line in `hints`", hint.len(), PLUGIN_TEXT_BYTES, "bytes")?;
    }
    check_extensions("`extensions`", &plan.extensions)?;
    for (number, layer) in plan.layers.iter().enumerate() {
        if let wit::Question::AskWithLabels(labels) = &layer.question {
            at_most(&format!("labels of layer {number}"), labels.len(), PLAN_LABELS, "labels")?;
            for (key, value) in labels {
                let size = key.len() + value.len();
                at_most(&format!("a label of layer {number}"), size, LABEL_BYTES, "bytes")?;
            }
        }
        check_extensions(&format!("`extensions` of layer {number}"), &layer.extensions)?;
    }
    Ok(())
}

/// Form and size of pairs that nobody here knows. What they say is ignored.
fn check_extensions(what: &str, pairs: &[(String, String)]) -> Result<(), String> {
    at_most(what, pairs.len(), EXTENSIONS, "pairs")?;
    let mut seen = HashSet::with_capacity(pairs.len());
    for (key, value) in pairs {
        at_most(&format!("a pair of {what}"), key.len() + value.len(), EXTENSION_BYTES, "bytes")?;
        let is_named = key.split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty());
        if !is_named || key.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(format!("{what}: a key must be made of its owner's name, a slash and a name"));
        }
        if !seen.insert(key) {
            return Err(format!("{what}: a key is there twice"));
        }
    }
    Ok(())
}

fn at_most(what: &str, found: usize, limit: usize, unit: &str) -> Result<(), String> {
    if found <= limit {
        return Ok(());
    }
    Err(format!("{what}: {found} {unit}, at most {limit} are allowed"))
}

/// Lower-case letters, digits and inner hyphens.
fn is_word(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !text.is_empty()
        && text.len() <= PLUGIN_NAME_BYTES
        && text.split('-').all(|part| !part.is_empty() && part.bytes().all(is_letter))
}

/// `MAJOR.MINOR.PATCH`, then perhaps `-pre.release`, then perhaps `+build`.
fn is_semantic_version(text: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && [pre, build].into_iter().flatten().all(|part| part.split('.').all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_versions() {
        for good in ["a", "overlayfs", "amd64-v3"] {
            assert!(is_word(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "ä", &"a".repeat(65)] {
            assert!(!is_word(bad), "{bad}");
        }
        for good in ["0.1.0", "1.20.300", "1.0.0-rc.1", "1.0.0+build.7", "1.0.0-a+b"] {
            assert!(is_semantic_version(good), "{good}");
        }
        for bad in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0+", "1.0.x", "1.0.0 "] {
            assert!(!is_semantic_version(bad), "{bad}");
        }
    }

    #[test]
    fn configurations_that_say_nothing() {
        for empty in ["{}", " { } ", "{\n}"] {
            assert!(is_empty_object(empty), "{empty}");
        }
        for other in [r#"{"a":1}"#, "[]", "null", "", "{} {}", "\"{}\""] {
            assert!(!is_empty_object(other), "{other}");
        }
    }

    #[test]
    fn ranks_are_in_range_and_unique() {
        assert_eq!(check_rank(&[2, 0], 3), Ok(vec![2, 0]));
        assert_eq!(check_rank(&[], 0), Ok(vec![]));
        assert!(check_rank(&[3], 3).unwrap_err().contains("out of range"));
        assert!(check_rank(&[1, 1], 3).unwrap_err().contains("twice"));
        assert!(check_rank(&[u32::MAX], 3).is_err());
    }
}
