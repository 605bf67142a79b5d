//! Checks the return values of plugins before anything else uses them.
//!
//! The rules are in `dray-rules`; this module maps generated values to them. Whether a plan suits its image is
//! checked where plans are carried out.

use super::bindings::described::exports::dray::types::describe::Info;
use super::bindings::snapshotter::exports::dray::snapshotter::planner as wit;
use dray_rules::RuleError;

/// Checks what a plugin says about itself.
pub(super) fn check_info(info: &Info) -> Result<(), RuleError> {
    // Every member is named, so that a new one cannot be forgotten here.
    let Info { name, version, summary, config_schema, features, extensions } = info;
    dray_rules::check_info(&dray_rules::Info { name, version, summary, config_schema, features, extensions })
}

/// Checks the sizes and texts of a plan.
pub(super) fn check_plan(plan: &wit::ImagePlan) -> Result<(), RuleError> {
    let wit::ImagePlan {
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
    dray_rules::check_plan(&dray_rules::Plan {
        is_foreign: *suitability == wit::Suitability::Foreign,
        code,
        reason,
        layers: layers.iter().map(layer).collect(),
        hints,
        advice: advice.iter().map(|advice| advice.text.as_str()).collect(),
        lazy_label: lazy_label.as_deref(),
        answer_within_s: *answer_within_s,
        extensions,
    })
}

fn layer(plan: &wit::LayerPlan) -> dray_rules::LayerPlan<'_> {
    let wit::LayerPlan { layer, question, expectation, on_mounts: _, on_error: _, keep_blob: _, extensions } =
        plan;
    dray_rules::LayerPlan {
        layer,
        question: match question {
            wit::Question::AskWithLabels(labels) => dray_rules::Question::AskWithLabels(labels),
            wit::Question::Ask => dray_rules::Question::Ask,
            wit::Question::Fetch => dray_rules::Question::Fetch,
        },
        expects_mounts: *expectation == wit::Expectation::Mounts,
        extensions,
    }
}
