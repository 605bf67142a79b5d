//! The check of a plan against the image that it is for. The rules are in `dray-rules`; this maps values of the ports
//! to them.

#[cfg(test)]
mod tests;

use dray_core::{limits, oci};
use dray_ports::{Expectation, ImageToPlan, Labels, LayerPlan, LayerToPlan, Plan, Question, Suitability};
use dray_rules::{Descriptor, Image, Layer, RuleError, check_plan_for_image};

// A plugin is asked about every image that this crate reads, and may use labels as large as containerd stores them.
const _: () = assert!(dray_rules::limits::LAYERS == limits::LAYERS);
const _: () = assert!(dray_rules::limits::LABEL_BYTES == limits::LABEL_BYTES);

/// Checks a whole plan against the image it is for, and against the configuration that the plugin planned with, as a pull does before any effect of the plan.
///
/// Takes time linear in the texts of the plan and of the image.
///
/// # Errors
///
/// Fails with the first rule that the plan breaks.
pub fn validate_plan(plan: &Plan, image: &ImageToPlan, plugin_config: &str) -> Result<(), RuleError> {
    let Plan { suitability, code, reason, layers, hints, advice, lazy_label, verify: _, answer_within } =
        plan;
    let plan = dray_rules::Plan {
        is_foreign: *suitability == Suitability::Foreign,
        code,
        reason,
        layers: layers.iter().map(layer_plan).collect(),
        hints,
        advice: advice.iter().map(|advice| advice.text.as_str()).collect(),
        lazy_label: lazy_label.as_deref(),
        answer_within_s: u32::try_from(answer_within.as_secs()).unwrap_or(u32::MAX),
        extensions: &[],
    };
    check_plan_for_image(&plan, &image_of(image, plugin_config))
}

fn layer_plan(plan: &LayerPlan) -> dray_rules::LayerPlan<'_> {
    dray_rules::LayerPlan {
        layer: &plan.layer,
        question: match &plan.question {
            Question::AskWithLabels(labels) => dray_rules::Question::AskWithLabels(labels),
            Question::Ask => dray_rules::Question::Ask,
            Question::Fetch => dray_rules::Question::Fetch,
        },
        expects_mounts: plan.expectation == Expectation::Mounts,
        extensions: &[],
    }
}

fn image_of<'a>(image: &'a ImageToPlan, plugin_config: &'a str) -> Image<'a> {
    // Every member is named, so that a new one cannot be forgotten here.
    let ImageToPlan {
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
    } = image;
    Image {
        reference,
        canonical,
        index: index.as_ref().map(descriptor_of),
        manifest: descriptor_of(manifest),
        manifest_annotations: pairs(manifest_annotations),
        config: descriptor_of(config),
        config_labels: pairs(config_labels),
        plugin_config,
        layers: layers.iter().map(layer).collect(),
    }
}

fn layer(layer: &LayerToPlan) -> Layer<'_> {
    let LayerToPlan { descriptor, diff_id, chain_id } = layer;
    Layer { descriptor: descriptor_of(descriptor), diff_id: diff_id.as_str(), chain_id: chain_id.as_str() }
}

fn descriptor_of(descriptor: &oci::Descriptor) -> Descriptor<'_> {
    Descriptor {
        digest: descriptor.digest.as_str(),
        annotations: pairs(&descriptor.annotations),
        urls: &descriptor.urls,
    }
}

fn pairs(labels: &Labels) -> Vec<(&str, &str)> {
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}
