mod digests;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use self::digests::{digests_in, known_digests};
use super::PlanError;
use dray_core::limits;
use dray_core::oci::Digest;
use dray_ports::{Expectation, ImageToPlan, Plan, Question, Suitability};

/// What a plugin's labels must begin with to reach a snapshotter.
const PREFIX: &str = "containerd.io/snapshot/";
/// Labels that belong to the protocol between containerd and its snapshotters. A plugin that could set them
/// could make the store take one layer for another.
const OWNED: [&str; 2] = ["containerd.io/snapshot/diff-id", "containerd.io/snapshot/parent-chain-id"];

/// Checks a whole plan against the image it is for, as a pull does before anything of it is carried out.
///
/// Takes time in proportion to the texts of the plan and of the image.
///
/// # Errors
///
/// Says which rule the plan breaks first.
pub fn validate_plan(plan: &Plan, image: &ImageToPlan) -> Result<(), PlanError> {
    if plan.suitability == Suitability::Foreign {
        return match plan.layers.len() {
            0 => Ok(()),
            found => Err(PlanError::LayersOfForeign { found }),
        };
    }
    if plan.layers.len() != image.layers.len() {
        return Err(PlanError::LayerCount { expected: image.layers.len(), found: plan.layers.len() });
    }
    let known = known_digests(image);
    for (index, (entry, layer)) in plan.layers.iter().zip(&image.layers).enumerate() {
        if entry.layer != layer.descriptor.digest.as_str() {
            return Err(PlanError::WrongLayer {
                index,
                expected: layer.descriptor.digest.clone(),
                found: cut(&entry.layer),
            });
        }
        match &entry.question {
            Question::AskWithLabels(labels) => validate_labels(index, labels, &known)?,
            Question::Ask => {}
            Question::Fetch if entry.expectation == Expectation::Mounts => {}
            Question::Fetch => return Err(PlanError::ExpectsWithoutAsking { index }),
        }
    }
    Ok(())
}

fn validate_labels(
    index: usize,
    labels: &[(String, String)],
    known: &HashSet<Digest>,
) -> Result<(), PlanError> {
    if labels.len() > limits::PLAN_LABELS {
        return Err(PlanError::TooManyLabels { index, found: labels.len(), limit: limits::PLAN_LABELS });
    }
    let mut seen = HashSet::with_capacity(labels.len());
    for (key, value) in labels {
        let forbidden = |rule| PlanError::ForbiddenLabel { index, key: cut(key), rule };
        let Some(name) = key.strip_prefix(PREFIX) else {
            return Err(forbidden("is outside of `containerd.io/snapshot/`"));
        };
        if OWNED.contains(&key.as_str()) {
            return Err(forbidden("belongs to the snapshotter protocol"));
        }
        if name.is_empty() || key.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(forbidden("is not a valid key"));
        }
        if key.len() + value.len() > limits::LABEL_BYTES {
            return Err(PlanError::LabelTooLarge {
                index,
                key: cut(key),
                size: key.len() + value.len(),
                limit: limits::LABEL_BYTES,
            });
        }
        if !seen.insert(key.as_str()) {
            return Err(PlanError::RepeatedLabel { index, key: cut(key) });
        }
        // What the image's author wrote may name any digest (a table of contents, an index of another kind), and
        // the plugin may pass it on. What it may not do is to make one up.
        if let Some(digest) = digests_in(value).find(|digest| !known.contains(digest)) {
            return Err(PlanError::InventedDigest { index, key: cut(key), digest });
        }
    }
    Ok(())
}

fn cut(text: &str) -> String {
    text.chars().take(128).collect()
}
