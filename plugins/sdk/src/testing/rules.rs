use std::collections::HashSet;
use std::fmt;

use crate::Plugin;
use crate::oci::Annotations;
use crate::snapshotter::{Expectation, Image, ImagePlan, Question, Suitability};

const NAME_BYTES: usize = 64;
const SUMMARY_BYTES: usize = 200;
const SCHEMA_BYTES: usize = 64 * 1024;
const FEATURES: usize = 64;
const TEXT_BYTES: usize = 1024;
const HINTS: usize = 16;
const EXTENSIONS: usize = 64;
const LABELS: usize = 256;
const LABEL_BYTES: usize = 4096;
const LABEL_PREFIX: &str = "containerd.io/snapshot/";
const PROTOCOL_LABELS: [&str; 2] =
    ["containerd.io/snapshot/diff-id", "containerd.io/snapshot/parent-chain-id"];

/// A rule of the interface that a plugin broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRule(String);

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BrokenRule {}

fn broken<T>(rule: impl Into<String>) -> Result<T, BrokenRule> {
    Err(BrokenRule(rule.into()))
}

/// Holds what a plugin says about itself against the interface.
pub fn check_info<P: Plugin>() -> Result<(), BrokenRule> {
    if !is_word(P::NAME) {
        return broken("the name is not made of lower-case letters, digits and inner hyphens");
    }
    if !is_semantic_version(P::VERSION) {
        return broken(format!("`{}` is not a semantic version", P::VERSION));
    }
    if P::SUMMARY.is_empty() || P::SUMMARY.len() > SUMMARY_BYTES || P::SUMMARY.contains(char::is_control) {
        return broken(format!("the summary is not one line of at most {SUMMARY_BYTES} bytes"));
    }
    if P::CONFIG_SCHEMA.len() > SCHEMA_BYTES {
        return broken(format!("the configuration schema has over {SCHEMA_BYTES} bytes"));
    }
    if !P::CONFIG_SCHEMA.is_empty()
        && serde_json::from_str::<serde::de::IgnoredAny>(P::CONFIG_SCHEMA).is_err()
    {
        return broken("the configuration schema is not JSON");
    }
    if P::FEATURES.len() > FEATURES || P::FEATURES.iter().any(|name| name.len() > NAME_BYTES) {
        return broken(format!("more than {FEATURES} features, or one with over {NAME_BYTES} bytes"));
    }
    Ok(())
}

/// Holds a plan against the interface, as the host does before it acts.
pub fn check_plan(image: &Image, plan: &ImagePlan) -> Result<(), BrokenRule> {
    if !is_word(&plan.code) {
        return broken(format!("`{}` is not a code: a word in kebab-case", plan.code));
    }
    if plan.reason.is_empty() || plan.reason.len() > TEXT_BYTES {
        return broken(format!("the reason is empty or has over {TEXT_BYTES} bytes"));
    }
    if plan.hints.len() > HINTS || plan.hints.iter().any(|hint| hint.len() > TEXT_BYTES) {
        return broken(format!("more than {HINTS} hints, or one with over {TEXT_BYTES} bytes"));
    }
    if plan.extensions.len() > EXTENSIONS {
        return broken(format!("more than {EXTENSIONS} extensions"));
    }
    if plan.suitability == Suitability::Foreign {
        return if plan.layers.is_empty() {
            Ok(())
        } else {
            broken("a foreign image with a plan for layers")
        };
    }
    if plan.layers.len() != image.layers.len() {
        return broken(format!("{} layers planned of {}", plan.layers.len(), image.layers.len()));
    }
    for (number, (layer, planned)) in image.layers.iter().zip(&plan.layers).enumerate() {
        let number = number + 1;
        if planned.layer != layer.descriptor.digest {
            return broken(format!("layer {number} is `{}` in the plan", planned.layer));
        }
        if planned.question == Question::Fetch && planned.expectation != Expectation::Mounts {
            return broken(format!("layer {number} is fetched, but mounts are not expected"));
        }
        if let Question::AskWithLabels(labels) = &planned.question {
            check_labels(labels, image).or_else(|rule| broken(format!("layer {number}: {rule}")))?;
        }
    }
    Ok(())
}

fn check_labels(labels: &Annotations, image: &Image) -> Result<(), BrokenRule> {
    if labels.len() > LABELS {
        return broken(format!("more than {LABELS} labels"));
    }
    let mut seen = HashSet::new();
    for (key, value) in labels {
        if !key.starts_with(LABEL_PREFIX) {
            return broken(format!("label `{key}` is not under `{LABEL_PREFIX}`"));
        }
        if PROTOCOL_LABELS.contains(&key.as_str()) {
            return broken(format!("label `{key}` belongs to the protocol"));
        }
        if key == LABEL_PREFIX || key.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return broken(format!("`{key}` is not a key of a label"));
        }
        if key.len() + value.len() > LABEL_BYTES {
            return broken(format!("label `{key}` has over {LABEL_BYTES} bytes"));
        }
        if !seen.insert(key) {
            return broken(format!("label `{key}` is there twice"));
        }
        let mut parts = value.split([',', ' ', '@', ';']);
        if let Some(digest) = parts.find(|part| is_digest(part) && !is_in_input(part, image)) {
            return broken(format!("label `{key}` holds the digest `{digest}`, which was not in the input"));
        }
    }
    Ok(())
}

/// Holds a ranking of `offered` platforms against the interface.
pub fn check_ranking(offered: usize, ranking: &[u32]) -> Result<(), BrokenRule> {
    let mut seen = HashSet::new();
    for &index in ranking {
        if usize::try_from(index).map_or(true, |index| index >= offered) {
            return broken(format!("index {index} of {offered} offered platforms"));
        }
        if !seen.insert(index) {
            return broken(format!("index {index} is there twice"));
        }
    }
    Ok(())
}

/// Whether the digest is one of the image's, or stands in an annotation that the plugin may pass on.
fn is_in_input(digest: &str, image: &Image) -> bool {
    let holds = |annotations: &Annotations| annotations.iter().any(|(_, value)| value.contains(digest));
    image.index.iter().chain([&image.manifest, &image.config]).any(|descriptor| descriptor.digest == digest)
        || holds(&image.manifest_annotations)
        || image.layers.iter().any(|layer| {
            [&layer.descriptor.digest, &layer.diff_id, &layer.chain_id].iter().any(|own| *own == digest)
                || holds(&layer.descriptor.annotations)
        })
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        matches!((algorithm, hex.len()), ("sha256", 64) | ("sha384", 96) | ("sha512", 128))
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Lower-case letters and digits, with single hyphens between them.
fn is_word(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= NAME_BYTES && text.split('-').all(|part| !part.is_empty() && part.bytes().all(is_letter))
}

/// `MAJOR.MINOR.PATCH`, then perhaps `-pre.release`, then perhaps `+build`.
fn is_semantic_version(text: &str) -> bool {
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    text.len() <= NAME_BYTES
        && core.split('.').count() == 3
        && core.split('.').all(is_number)
        && [pre, build].into_iter().flatten().all(|part| part.split('.').all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshotter::LayerPlan;
    use crate::testing::ImageBuilder;

    fn image() -> Image {
        ImageBuilder::new("some").layer().layer().annotated("a", &format!("sha256:{:064x}", 0xabc)).build()
    }

    fn plan(change: impl FnOnce(&mut ImagePlan)) -> Result<(), BrokenRule> {
        let image = image();
        let layers =
            image.layers.iter().map(|layer| layer.ask_with_labels([("containerd.io/snapshot/x", "1")]));
        let mut plan = ImagePlan::by_count(2, layers.collect());
        change(&mut plan);
        check_plan(&image, &plan)
    }

    fn label(plan: &mut ImagePlan, key: &str, value: impl Into<String>) {
        plan.layers[0].question = Question::AskWithLabels(vec![(key.to_owned(), value.into())]);
    }

    #[test]
    fn plans_that_keep_the_rules() {
        plan(|_| {}).unwrap();
        plan(|plan| *plan = ImagePlan::foreign("other-format", "it is of another format")).unwrap();
        plan(|plan| label(plan, "containerd.io/snapshot/x", image().layers[1].descriptor.digest.clone()))
            .unwrap();
        plan(|plan| label(plan, "containerd.io/snapshot/x", format!("sha256:{:064x}", 0xabc))).unwrap();
    }

    #[test]
    fn plans_that_break_one() {
        type Change = fn(&mut ImagePlan);
        let broken: [(&str, Change); 13] = [
            ("is not a code", |plan| plan.code = "Not A Code".to_owned()),
            ("the reason", |plan| plan.reason.clear()),
            ("hints", |plan| plan.hints = vec![String::new(); 17]),
            ("extensions", |plan| plan.extensions = vec![Default::default(); 65]),
            ("a foreign image", |plan| plan.suitability = Suitability::Foreign),
            ("1 layers planned of 2", |plan| plan.layers.truncate(1)),
            ("layer 1 is `", |plan| plan.layers.swap(0, 1)),
            ("mounts are not expected", |plan| plan.layers[0].question = Question::Fetch),
            ("is not under", |plan| label(plan, "containerd.io/gc.root", "1")),
            ("belongs to the protocol", |plan| label(plan, "containerd.io/snapshot/diff-id", "1")),
            ("is not a key", |plan| label(plan, "containerd.io/snapshot/a b", "1")),
            ("over 4096 bytes", |plan| label(plan, "containerd.io/snapshot/x", "x".repeat(4096))),
            ("was not in the input", |plan| {
                label(plan, "containerd.io/snapshot/x", format!("sha256:{:064x}", 0xdef));
            }),
        ];
        for (part, change) in broken {
            let rule = plan(change).expect_err(part).to_string();
            assert!(rule.contains(part), "{rule}");
        }
        let twice = plan(|plan| {
            let pair = ("containerd.io/snapshot/x".to_owned(), String::new());
            plan.layers[1] = LayerPlan {
                question: Question::AskWithLabels(vec![pair.clone(), pair]),
                ..plan.layers[1].clone()
            };
        });
        assert_eq!(
            twice.unwrap_err().to_string(),
            "layer 2: label `containerd.io/snapshot/x` is there twice"
        );
    }

    #[test]
    fn rankings() {
        check_ranking(3, &[2, 0]).unwrap();
        check_ranking(3, &[]).unwrap();
        assert!(check_ranking(3, &[3]).is_err());
        assert!(check_ranking(3, &[1, 1]).is_err());
    }

    #[test]
    fn words_and_versions() {
        assert!(
            is_word("a-1")
                && !is_word("a--1")
                && !is_word("-a")
                && !is_word("a-")
                && !is_word("A")
                && !is_word("")
        );
        assert!(is_semantic_version("1.2.3-rc.1+x") && is_semantic_version("0.1.0"));
        assert!(!is_semantic_version("1.2") && !is_semantic_version("v1.2.3") && !is_semantic_version(""));
    }
}
