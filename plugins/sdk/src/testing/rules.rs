//! The checks of the host, on the values of this crate. The rules are in `dray-rules`, which the host uses as well.

use std::error::Error;
use std::fmt;

use dray_rules::{RuleError, check_plan_for_image};

use crate::Plugin;
use crate::bindings::described::exports::dray::types::describe::Info;
use crate::oci::{Annotations, Descriptor};
use crate::plugin::{has_schema_if_configured, info};
use crate::snapshotter::{Expectation, Image, ImagePlan, Layer, LayerPlan, Question, Suitability};

#[cfg(test)]
#[path = "../../../../host/rules/vectors/vectors.rs"]
mod vectors;

/// A rule of the interface that a plugin broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// The plugin has a configuration and no schema of it.
    NoSchema,
    /// The host refuses the answer.
    Answer(RuleError),
}

impl fmt::Display for BrokenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSchema => f.write_str(
                "there is a configuration and no schema of it: the host refuses every configuration but `{}`",
            ),
            Self::Answer(rule) => rule.fmt(f),
        }
    }
}

impl Error for BrokenRule {}

impl From<RuleError> for BrokenRule {
    fn from(rule: RuleError) -> Self {
        Self::Answer(rule)
    }
}

/// Checks what a plugin says about itself, as the host does.
pub fn check_info<P: Plugin>() -> Result<(), BrokenRule> {
    if !has_schema_if_configured::<P>() {
        return Err(BrokenRule::NoSchema);
    }
    Ok(checked_info(&info::<P>())?)
}

fn checked_info(info: &Info) -> Result<(), RuleError> {
    let Info { name, version, summary, config_schema, features, extensions } = info;
    dray_rules::check_info(&dray_rules::Info { name, version, summary, config_schema, features, extensions })
}

/// Checks a plan for an image by a plugin with this configuration, as the host does before it acts.
pub fn check_plan(config: &str, image: &Image, plan: &ImagePlan) -> Result<(), BrokenRule> {
    let ImagePlan {
        suitability,
        code,
        reason,
        layers,
        hints,
        advice,
        lazy_label,
        verify: _,
        answer_within_s,
        extensions,
    } = plan;
    let plan = dray_rules::Plan {
        is_foreign: *suitability == Suitability::Foreign,
        code,
        reason,
        layers: layers.iter().map(layer_plan).collect(),
        hints,
        advice: advice.iter().map(|advice| advice.text.as_str()).collect(),
        lazy_label: lazy_label.as_deref(),
        answer_within_s: *answer_within_s,
        extensions,
    };
    dray_rules::check_plan(&plan)?;
    Ok(check_plan_for_image(&plan, &image_of(config, image))?)
}

/// Checks a ranking of `offered` platforms, as the host does.
pub fn check_ranking(offered: usize, ranking: &[u32]) -> Result<(), BrokenRule> {
    dray_rules::check_ranking(ranking, offered)?;
    Ok(())
}

fn layer_plan(plan: &LayerPlan) -> dray_rules::LayerPlan<'_> {
    let LayerPlan { layer, question, expectation, on_mounts: _, on_error: _, keep_blob: _, extensions } =
        plan;
    dray_rules::LayerPlan {
        layer,
        question: match question {
            Question::AskWithLabels(labels) => dray_rules::Question::AskWithLabels(labels),
            Question::Ask => dray_rules::Question::Ask,
            Question::Fetch => dray_rules::Question::Fetch,
        },
        expects_mounts: *expectation == Expectation::Mounts,
        extensions,
    }
}

fn image_of<'a>(plugin_config: &'a str, image: &'a Image) -> dray_rules::Image<'a> {
    // Every member is named, so that one that is added is not forgotten here.
    let Image {
        reference,
        canonical,
        snapshotter: _,
        index,
        manifest,
        manifest_annotations,
        config,
        config_labels,
        platform: _,
        layers,
        extensions: _,
    } = image;
    dray_rules::Image {
        reference,
        canonical,
        index: index.as_ref().map(descriptor),
        manifest: descriptor(manifest),
        manifest_annotations: pairs(manifest_annotations),
        config: descriptor(config),
        config_labels: pairs(config_labels),
        plugin_config,
        layers: layers.iter().map(layer_of).collect(),
    }
}

fn layer_of(layer: &Layer) -> dray_rules::Layer<'_> {
    let Layer { descriptor: of_blob, diff_id, chain_id, extensions: _ } = layer;
    dray_rules::Layer { descriptor: descriptor(of_blob), diff_id, chain_id }
}

fn descriptor(descriptor: &Descriptor) -> dray_rules::Descriptor<'_> {
    let Descriptor { digest, annotations, urls, .. } = descriptor;
    dray_rules::Descriptor { digest, annotations: pairs(annotations), urls }
}

fn pairs(annotations: &Annotations) -> Vec<(&str, &str)> {
    annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshotter::{Advice, OnError, OnMounts, RegistryAccess};
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
        check_plan(&format!("{{\"index\":\"sha256:{:064x}\"}}", 0xcc), &image, &plan)
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
            advice: vector.advice.into_iter().map(advice_of).collect(),
            lazy_label: vector.lazy_label,
            verify: vector.verify,
            answer_within_s: vector.answer_within_s,
            extensions: vector.extensions,
        }
    }

    fn advice_of(vector: vectors::Advice) -> Advice {
        Advice {
            about: match vector.about.as_str() {
                "plain-http" => RegistryAccess::PlainHttp,
                "private-ca" => RegistryAccess::PrivateCa,
                "mirror" => RegistryAccess::Mirror,
                "credentials" => RegistryAccess::Credentials,
                "unreachable" => RegistryAccess::Unreachable,
                other => panic!("{other}"),
            },
            text: vector.text,
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
        let config = image.plugin_config.clone();
        let image = image_of(&image);
        for case in cases {
            let checked = check_plan(&config, &image, &plan_of(case.answer));
            assert_eq!(checked.is_ok(), case.is_good, "{}: {checked:?}", case.name);
        }
    }

    #[test]
    fn accounts_that_the_host_takes_and_no_others() {
        for case in vectors::infos() {
            let vectors::Info { name, version, summary, config_schema, features, extensions } = case.answer;
            let info = Info { name, version, summary, config_schema, features, extensions };
            let checked = checked_info(&info);
            assert_eq!(checked.is_ok(), case.is_good, "{}: {checked:?}", case.name);
        }
    }

    #[test]
    fn plans_that_keep_the_rules() {
        plan(|_| {}).unwrap();
        plan(|plan| *plan = ImagePlan::foreign("other-format", "it is of another format")).unwrap();
        plan(|plan| label(plan, "containerd.io/snapshot/x", image().layers[1].descriptor.digest.clone()))
            .unwrap();
        for known in [0xabc, 0xcc] {
            plan(|plan| label(plan, "containerd.io/snapshot/x", format!("sha256:{known:064x}"))).unwrap();
        }
    }

    #[test]
    fn plans_that_break_one() {
        type Change = fn(&mut ImagePlan);
        let broken: [(&str, Change); 16] = [
            ("`code` must be made of", |plan| plan.code = "Not A Code".to_owned()),
            ("`reason` must not be empty", |plan| plan.reason.clear()),
            ("`hints`: 17 lines", |plan| plan.hints = vec![String::new(); 17]),
            ("a text in `advice`", |plan| *plan = plan.clone().with_advice(RegistryAccess::Mirror, "")),
            ("`lazy-label` is `remote`", |plan| plan.lazy_label = Some("remote".to_owned())),
            ("`answer-within-s` is 0", |plan| plan.answer_within_s = 0),
            ("`extensions`: 65 pairs", |plan| plan.extensions = vec![Default::default(); 65]),
            ("calls the image foreign", |plan| plan.suitability = Suitability::Foreign),
            ("it has 1 layers, the image has 2", |plan| plan.layers.truncate(1)),
            ("entry 0 is for `", |plan| plan.layers.swap(0, 1)),
            ("yet expects an answer", |plan| plan.layers[0].question = Question::Fetch),
            ("is outside of `containerd.io/snapshot/`", |plan| label(plan, "containerd.io/gc.root", "1")),
            ("belongs to the snapshotter protocol", |plan| {
                label(plan, "containerd.io/snapshot/diff-id", "1");
            }),
            ("is not a valid key", |plan| label(plan, "containerd.io/snapshot/a b", "1")),
            ("4120 bytes, at most 4096", |plan| label(plan, "containerd.io/snapshot/x", "x".repeat(4096))),
            ("which was not in the input", |plan| {
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
        assert_eq!(twice.unwrap_err().to_string(), "entry 1 sets label `containerd.io/snapshot/x` twice");
    }

    #[test]
    fn rankings() {
        check_ranking(3, &[2, 0]).unwrap();
        check_ranking(3, &[]).unwrap();
        assert!(check_ranking(3, &[3]).is_err());
        assert!(check_ranking(3, &[1, 1]).is_err());
    }
}
