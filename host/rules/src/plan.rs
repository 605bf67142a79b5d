use std::collections::HashSet;

use crate::Pairs;
use crate::digests::{KnownDigests, digests_in};
use crate::error::{Part, RuleError, at_most, cut};
use crate::extensions::check_extensions;
use crate::limits::{ADVICE, ANSWER_WITHIN_S, HINTS, LABEL_BYTES, LABELS, LAYERS, TEXT_BYTES};
use crate::words::is_word;

/// The prefix of labels that a plugin may set.
const PREFIX: &str = "containerd.io/snapshot/";

/// Labels of the protocol between containerd and its snapshotters. With them, a plugin could make the store confuse
/// layers.
const PROTOCOL_LABELS: [&str; 2] =
    ["containerd.io/snapshot/diff-id", "containerd.io/snapshot/parent-chain-id"];

/// A plan for one image: the answer to `plan`.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Whether its verdict on the image is `foreign`.
    pub is_foreign: bool,
    /// The reason as a code.
    pub code: &'a str,
    /// The reason as text.
    pub reason: &'a str,
    /// One entry for each layer, bottom-up.
    pub layers: Vec<LayerPlan<'a>>,
    /// Messages for the operator.
    pub hints: &'a [String],
    /// The texts of its advice.
    pub advice: Vec<&'a str>,
    /// Key of the label that the snapshotter leaves on lazy layers.
    pub lazy_label: Option<&'a str>,
    /// Seconds in which the snapshotter must answer for one layer.
    pub answer_within_s: u32,
    /// Extensions.
    pub extensions: &'a Pairs,
}

/// The part of a plan for one layer.
#[derive(Clone, Copy, Debug)]
pub struct LayerPlan<'a> {
    /// Digest of the layer.
    pub layer: &'a str,
    /// How the snapshotter is asked.
    pub question: Question<'a>,
    /// Whether the expectation is `mounts`.
    pub expects_mounts: bool,
    /// Extensions.
    pub extensions: &'a Pairs,
}

/// How a snapshotter is asked for a layer.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// With these labels.
    AskWithLabels(&'a Pairs),
    /// With the label of the protocol alone.
    Ask,
    /// Not at all.
    Fetch,
}

/// The parts of a plugin's input, image and configuration, that a rule refers to.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// The reference as typed.
    pub reference: &'a str,
    /// The reference in normal form.
    pub canonical: &'a str,
    /// The index that the manifest was chosen from.
    pub index: Option<Descriptor<'a>>,
    /// The manifest.
    pub manifest: Descriptor<'a>,
    /// Annotations of the manifest.
    pub manifest_annotations: Vec<(&'a str, &'a str)>,
    /// The image config.
    pub config: Descriptor<'a>,
    /// Labels in the image config.
    pub config_labels: Vec<(&'a str, &'a str)>,
    /// The configuration of the plugin, one JSON text.
    pub plugin_config: &'a str,
    /// The layers, bottom-up.
    pub layers: Vec<Layer<'a>>,
}

/// The texts of a descriptor.
#[derive(Clone, Debug)]
pub struct Descriptor<'a> {
    /// Digest of the blob.
    pub digest: &'a str,
    /// Annotations.
    pub annotations: Vec<(&'a str, &'a str)>,
    /// URLs of the blob outside of the registry.
    pub urls: &'a [String],
}

/// One layer of an image.
#[derive(Clone, Debug)]
pub struct Layer<'a> {
    /// The layer's descriptor in the manifest.
    pub descriptor: Descriptor<'a>,
    /// Digest of the uncompressed layer.
    pub diff_id: &'a str,
    /// The stack that ends with this layer.
    pub chain_id: &'a str,
}

/// Checks the sizes and texts of a plan, which are the same for every image.
///
/// # Errors
///
/// Fails with the first rule that it breaks.
pub fn check_plan(plan: &Plan<'_>) -> Result<(), RuleError> {
    if !is_word(plan.code) {
        return Err(RuleError::NotAWord { part: Part::Code });
    }
    at_most(Part::Reason, plan.reason.len(), TEXT_BYTES)?;
    if plan.reason.is_empty() {
        return Err(RuleError::Empty { part: Part::Reason });
    }
    at_most(Part::Layers, plan.layers.len(), LAYERS)?;
    at_most(Part::Hints, plan.hints.len(), HINTS)?;
    for hint in plan.hints {
        at_most(Part::Hint, hint.len(), TEXT_BYTES)?;
    }
    at_most(Part::Advice, plan.advice.len(), ADVICE)?;
    for text in &plan.advice {
        at_most(Part::AdviceText, text.len(), TEXT_BYTES)?;
        if text.is_empty() {
            return Err(RuleError::Empty { part: Part::AdviceText });
        }
    }
    if let Some(key) = plan.lazy_label {
        at_most(Part::LazyLabel, key.len(), LABEL_BYTES)?;
        check_label_key(key).map_err(|rule| RuleError::LazyLabel { key: cut(key), rule })?;
    }
    if !ANSWER_WITHIN_S.contains(&plan.answer_within_s) {
        return Err(RuleError::AnswerWithin { found: plan.answer_within_s });
    }
    check_extensions(plan.extensions, Part::Extensions, Part::Extension)?;
    for (index, layer) in plan.layers.iter().enumerate() {
        if let Question::AskWithLabels(labels) = layer.question {
            check_label_sizes(index, labels)?;
        }
        check_extensions(layer.extensions, Part::LayerExtensions(index), Part::LayerExtension(index))?;
    }
    Ok(())
}

/// Checks what a plan says about the layers of the image that it is for.
///
/// Takes time linear in the texts of the plan and of the image.
///
/// # Errors
///
/// Fails with the first rule that the plan breaks.
pub fn check_plan_for_image(plan: &Plan<'_>, image: &Image<'_>) -> Result<(), RuleError> {
    let found = plan.layers.len();
    if plan.is_foreign {
        return if found == 0 { Ok(()) } else { Err(RuleError::LayersOfForeign { found }) };
    }
    if found != image.layers.len() {
        return Err(RuleError::LayerCount { expected: image.layers.len(), found });
    }
    let known = KnownDigests::of(image);
    for (index, (entry, layer)) in plan.layers.iter().zip(&image.layers).enumerate() {
        let expected = layer.descriptor.digest;
        if entry.layer != expected {
            let (expected, found) = (expected.to_owned(), cut(entry.layer));
            return Err(RuleError::WrongLayer { index, expected, found });
        }
        match entry.question {
            Question::AskWithLabels(labels) => check_labels(index, labels, &known)?,
            Question::Fetch if !entry.expects_mounts => {
                return Err(RuleError::ExpectsWithoutAsking { index });
            }
            Question::Ask | Question::Fetch => {}
        }
    }
    Ok(())
}

/// What is wrong with the key of a label of snapshotters.
fn check_label_key(key: &str) -> Result<(), &'static str> {
    let Some(name) = key.strip_prefix(PREFIX) else {
        return Err("is outside of `containerd.io/snapshot/`");
    };
    if name.is_empty() || key.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err("is not a valid key");
    }
    Ok(())
}

fn check_label_sizes(index: usize, labels: &Pairs) -> Result<(), RuleError> {
    at_most(Part::Labels(index), labels.len(), LABELS)?;
    labels
        .iter()
        .try_for_each(|(key, value)| at_most(Part::Label(index), key.len() + value.len(), LABEL_BYTES))
}

fn check_labels(index: usize, labels: &Pairs, known: &KnownDigests<'_>) -> Result<(), RuleError> {
    check_label_sizes(index, labels)?;
    let mut seen = HashSet::with_capacity(labels.len());
    for (key, value) in labels {
        let forbidden = |rule| RuleError::ForbiddenLabel { index, key: cut(key), rule };
        if PROTOCOL_LABELS.contains(&key.as_str()) {
            return Err(forbidden("belongs to the snapshotter protocol"));
        }
        check_label_key(key).map_err(forbidden)?;
        if !seen.insert(key.as_str()) {
            return Err(RuleError::RepeatedLabel { index, key: cut(key) });
        }
        // The image's author may name any digest, such as that of a table of contents, and the plugin may pass it on.
        // It may not make one up.
        if let Some(digest) = digests_in(value).find(|digest| !known.contains(digest)) {
            return Err(RuleError::InventedDigest { index, key: cut(key), digest: digest.into_owned() });
        }
    }
    Ok(())
}
