use std::collections::HashSet;
use std::fmt;

use super::CONFIG_BYTES;
use crate::Plugin;
use crate::bindings::described::exports::dray::types::describe::Info;
use crate::oci::{Annotations, Descriptor, Extensions};
use crate::plugin::{has_schema_if_configured, info};
use crate::snapshotter::{Expectation, Image, ImagePlan, Layer, Question, Suitability};

#[cfg(test)]
#[path = "../../../vectors/vectors.rs"]
mod vectors;

const NAME_BYTES: usize = 64;
const SUMMARY_BYTES: usize = 200;
const FEATURES: usize = 64;
const TEXT_BYTES: usize = 1024;
const HINTS: usize = 16;
const EXTENSIONS: usize = 64;
const EXTENSION_BYTES: usize = 4096;
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
    if !has_schema_if_configured::<P>() {
        return broken("there is a configuration and no schema of it: the host refuses all but `{}`");
    }
    check_account(&info::<P>())
}

fn check_account(info: &Info) -> Result<(), BrokenRule> {
    if !is_word(&info.name) {
        return broken("the name is not made of lower-case letters, digits and inner hyphens");
    }
    if !is_semantic_version(&info.version) {
        return broken(format!("`{}` is not a semantic version", info.version));
    }
    let summary = &info.summary;
    if summary.is_empty() || summary.len() > SUMMARY_BYTES || summary.contains(char::is_control) {
        return broken(format!("the summary is not one line of at most {SUMMARY_BYTES} bytes"));
    }
    let schema = &info.config_schema;
    if schema.len() > CONFIG_BYTES {
        return broken(format!("the configuration schema has over {CONFIG_BYTES} bytes"));
    }
    if !schema.is_empty() && serde_json::from_str::<serde::de::IgnoredAny>(schema).is_err() {
        return broken("the configuration schema is not JSON");
    }
    if info.features.len() > FEATURES || info.features.iter().any(|name| name.len() > NAME_BYTES) {
        return broken(format!("more than {FEATURES} features, or one with over {NAME_BYTES} bytes"));
    }
    check_extensions(&info.extensions)
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
    check_extensions(&plan.extensions)?;
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
    let known = known_digests(image);
    for (number, (layer, planned)) in image.layers.iter().zip(&plan.layers).enumerate() {
        let number = number + 1;
        if planned.layer != layer.descriptor.digest {
            return broken(format!("layer {number} is `{}` in the plan", planned.layer));
        }
        if planned.question == Question::Fetch && planned.expectation != Expectation::Mounts {
            return broken(format!("layer {number} is fetched, but mounts are not expected"));
        }
        if let Question::AskWithLabels(labels) = &planned.question {
            check_labels(labels, &known).or_else(|rule| broken(format!("layer {number}: {rule}")))?;
        }
        check_extensions(&planned.extensions).or_else(|rule| broken(format!("layer {number}: {rule}")))?;
    }
    Ok(())
}

fn check_extensions(extensions: &Extensions) -> Result<(), BrokenRule> {
    if extensions.len() > EXTENSIONS {
        return broken(format!("more than {EXTENSIONS} extensions"));
    }
    let mut seen = HashSet::new();
    for (key, value) in extensions {
        let is_named = key.split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty());
        if !is_named || key.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return broken(format!("`{key}` is not a key of an extension: a name, a slash and a name"));
        }
        if key.len() + value.len() > EXTENSION_BYTES {
            return broken(format!("extension `{key}` has over {EXTENSION_BYTES} bytes"));
        }
        if !seen.insert(key) {
            return broken(format!("extension `{key}` is there twice"));
        }
    }
    Ok(())
}

fn check_labels(labels: &Annotations, known: &HashSet<String>) -> Result<(), BrokenRule> {
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
        if let Some(digest) = digests_in(value).find(|digest| !known.contains(digest)) {
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

/// Every digest that the plugin was given, wherever it stood.
fn known_digests(image: &Image) -> HashSet<String> {
    fn descriptor_texts(descriptor: &Descriptor) -> impl Iterator<Item = &String> {
        let annotations = descriptor.annotations.iter().flat_map(|(key, value)| [key, value]);
        annotations.chain(&descriptor.urls).chain([&descriptor.digest])
    }
    let pairs = image.manifest_annotations.iter().chain(&image.config_labels);
    let descriptors = image.index.iter().chain([&image.manifest, &image.config]);
    let layer_texts = |layer: &'_ Layer| [layer.diff_id.clone(), layer.chain_id.clone()];
    let mut known = HashSet::new();
    let mut read = |text: &str| known.extend(digests_in(text));
    read(&image.reference);
    read(&image.canonical);
    pairs.flat_map(|(key, value)| [key, value]).for_each(|text| read(text));
    let of_layers = image.layers.iter().map(|layer| &layer.descriptor);
    descriptors.chain(of_layers).flat_map(descriptor_texts).for_each(|text| read(text));
    image.layers.iter().flat_map(layer_texts).for_each(|text| read(&text));
    known
}

/// The digests within a text, in lower case: the name of an algorithm, a colon and as many hexadecimal digits as
/// it has, whatever stands before and behind.
fn digests_in(text: &str) -> impl Iterator<Item = String> {
    text.match_indices("sha").filter_map(|(at, _)| {
        let rest = &text[at..];
        let algorithms = [("sha256:", 64), ("sha384:", 96), ("sha512:", 128)];
        let (name, digits) = algorithms.into_iter().find(|(name, _)| rest.starts_with(name))?;
        let digest = rest.get(..name.len() + digits)?;
        let is_digest = digest[name.len()..].bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| digest.to_ascii_lowercase())
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
    use crate::snapshotter::{LayerPlan, OnError, OnMounts};
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

    fn image_of(vector: &vectors::Image) -> Image {
        let mut image = ImageBuilder::new("some").indexed().layer().layer().build();
        image.reference.clone_from(&vector.reference);
        image.canonical.clone_from(&vector.canonical);
        image.index.as_mut().unwrap().digest.clone_from(&vector.index);
        image.manifest.digest.clone_from(&vector.manifest);
        image.manifest_annotations.clone_from(&vector.manifest_annotations);
        image.config.digest.clone_from(&vector.config);
        image.config_labels.clone_from(&vector.config_labels);
        assert_eq!(image.layers.len(), vector.layers.len());
        for (layer, vector) in image.layers.iter_mut().zip(&vector.layers) {
            layer.descriptor.digest.clone_from(&vector.digest);
            layer.descriptor.annotations.clone_from(&vector.annotations);
            layer.descriptor.urls.clone_from(&vector.urls);
            layer.diff_id.clone_from(&vector.diff_id);
            layer.chain_id.clone_from(&vector.chain_id);
        }
        image
    }

    fn plan_of(vector: vectors::Plan) -> ImagePlan {
        ImagePlan {
            suitability: match vector.suitability.as_str() {
                "native" => Suitability::Native,
                "partial" => Suitability::Partial,
                "plain" => Suitability::Plain,
                "foreign" => Suitability::Foreign,
                other => panic!("{other}"),
            },
            code: vector.code,
            reason: vector.reason,
            layers: vector.layers.into_iter().map(layer_of).collect(),
            hints: vector.hints,
            extensions: vector.extensions,
        }
    }

    fn layer_of(vector: vectors::LayerPlan) -> LayerPlan {
        LayerPlan {
            layer: vector.layer,
            question: match vector.question {
                vectors::Question::AskWithLabels(labels) => Question::AskWithLabels(labels),
                vectors::Question::Ask => Question::Ask,
                vectors::Question::Fetch => Question::Fetch,
            },
            expectation: match vector.expectation.as_str() {
                "provided" => Expectation::Provided,
                "maybe" => Expectation::Maybe,
                "mounts" => Expectation::Mounts,
                other => panic!("{other}"),
            },
            on_mounts: match vector.on_mounts.as_str() {
                "fetch" => OnMounts::Fetch,
                "fetch-and-stop-asking" => OnMounts::FetchAndStopAsking,
                "fail" => OnMounts::Fail,
                other => panic!("{other}"),
            },
            on_error: match vector.on_error.as_str() {
                "fail" => OnError::Fail,
                "fetch" => OnError::Fetch,
                "fetch-and-stop-asking" => OnError::FetchAndStopAsking,
                other => panic!("{other}"),
            },
            keep_blob: vector.keep_blob,
            extensions: vector.extensions,
        }
    }

    #[test]
    fn plans_that_the_host_takes_and_no_others() {
        let (image, cases) = vectors::plans();
        let image = image_of(&image);
        for case in cases {
            let checked = check_plan(&image, &plan_of(case.answer));
            assert_eq!(checked.is_ok(), case.is_good, "{}: {checked:?}", case.name);
        }
    }

    #[test]
    fn accounts_that_the_host_takes_and_no_others() {
        for case in vectors::infos() {
            let vectors::Info { name, version, summary, config_schema, features, extensions } = case.answer;
            let info = Info { name, version, summary, config_schema, features, extensions };
            let checked = check_account(&info);
            assert_eq!(checked.is_ok(), case.is_good, "{}: {checked:?}", case.name);
        }
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
            ("more than 64 extensions", |plan| plan.extensions = vec![Default::default(); 65]),
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
