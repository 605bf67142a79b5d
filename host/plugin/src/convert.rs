//! Converts values of the program to those of the interface, and back.

use std::time::Duration;

use super::bindings::described::dray::types::{errors, oci};
use super::bindings::snapshotter::exports::dray::snapshotter::planner as wit;
use super::failure::{Cause, Failure};
use super::text::clean;
use dray_core::oci::{Descriptor, Platform};
use dray_ports::{
    Advice, Expectation, ImageToPlan, Labels, LayerPlan, OnError, OnMounts, Plan, PluginFailure, PluginFault,
    Question, RegistryAccess, Suitability,
};
use dray_rules::limits::{NAME_BYTES, TEXT_BYTES};

fn stated(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn annotations(labels: &Labels) -> oci::Annotations {
    labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A platform for a plugin. A missing operating system becomes that of this machine, as in containerd, because a
/// plugin does not know the machine.
pub(super) fn platform(platform: &Platform) -> oci::Platform {
    oci::Platform {
        os: stated(&platform.os).unwrap_or_else(|| std::env::consts::OS.to_owned()),
        architecture: platform.architecture.clone(),
        variant: stated(&platform.variant),
        os_version: stated(&platform.os_version),
        os_features: platform.os_features.clone(),
    }
}

fn descriptor(descriptor: &Descriptor) -> oci::Descriptor {
    oci::Descriptor {
        media_type: descriptor.media_type.to_string(),
        digest: descriptor.digest.to_string(),
        size: descriptor.size,
        annotations: annotations(&descriptor.annotations),
        urls: descriptor.urls.clone(),
        artifact_type: descriptor.artifact_type.as_ref().map(ToString::to_string),
    }
}

/// An image for a plugin.
pub(super) fn image(image: &ImageToPlan) -> wit::Image {
    let layers = image.layers.iter().map(|layer| wit::Layer {
        descriptor: descriptor(&layer.descriptor),
        diff_id: layer.diff_id.to_string(),
        chain_id: layer.chain_id.to_string(),
        extensions: Vec::new(),
    });
    wit::Image {
        reference: image.reference.clone(),
        canonical: image.canonical.clone(),
        snapshotter: image.snapshotter.to_string(),
        index: image.index.as_ref().map(descriptor),
        manifest: descriptor(&image.manifest),
        manifest_annotations: annotations(&image.manifest_annotations),
        config: descriptor(&image.config),
        config_labels: annotations(&image.config_labels),
        platform: platform(&image.platform),
        layers: layers.collect(),
        extensions: Vec::new(),
    }
}

/// A plan for the pull. Texts for users lose their control characters. Everything else is unchanged, and was checked
/// before.
pub(super) fn plan(plan: wit::ImagePlan) -> Plan {
    Plan {
        suitability: match plan.suitability {
            wit::Suitability::Native => Suitability::Native,
            wit::Suitability::Partial => Suitability::Partial,
            wit::Suitability::Plain => Suitability::Plain,
            wit::Suitability::Foreign => Suitability::Foreign,
        },
        code: plan.code,
        reason: clean(&plan.reason, TEXT_BYTES),
        layers: plan.layers.into_iter().map(layer_plan).collect(),
        hints: plan.hints.iter().map(|hint| clean(hint, TEXT_BYTES)).collect(),
        advice: plan.advice.iter().map(advice).collect(),
        lazy_label: plan.lazy_label,
        verify: plan.verify,
        answer_within: Duration::from_secs(plan.answer_within_s.into()),
    }
}

fn advice(advice: &wit::Advice) -> Advice {
    Advice {
        about: match advice.about {
            wit::RegistryAccess::PlainHttp => RegistryAccess::PlainHttp,
            wit::RegistryAccess::PrivateCa => RegistryAccess::PrivateCa,
            wit::RegistryAccess::Mirror => RegistryAccess::Mirror,
            wit::RegistryAccess::Credentials => RegistryAccess::Credentials,
            wit::RegistryAccess::Unreachable => RegistryAccess::Unreachable,
        },
        text: clean(&advice.text, TEXT_BYTES),
    }
}

fn layer_plan(plan: wit::LayerPlan) -> LayerPlan {
    LayerPlan {
        layer: plan.layer,
        question: match plan.question {
            wit::Question::AskWithLabels(labels) => Question::AskWithLabels(labels),
            wit::Question::Ask => Question::Ask,
            wit::Question::Fetch => Question::Fetch,
        },
        expectation: match plan.expectation {
            wit::Expectation::Provided => Expectation::Provided,
            wit::Expectation::Maybe => Expectation::Maybe,
            wit::Expectation::Mounts => Expectation::Mounts,
        },
        on_mounts: match plan.on_mounts {
            wit::OnMounts::Fetch => OnMounts::Fetch,
            wit::OnMounts::FetchAndStopAsking => OnMounts::FetchAndStopAsking,
            wit::OnMounts::Fail => OnMounts::Fail,
        },
        on_error: match plan.on_error {
            wit::OnError::Fail => OnError::Fail,
            wit::OnError::Fetch => OnError::Fetch,
            wit::OnError::FetchAndStopAsking => OnError::FetchAndStopAsking,
        },
        keep_blob: plan.keep_blob,
    }
}

/// The call that a plugin answered with an error.
#[derive(Clone, Copy)]
pub(super) enum Subject {
    /// `check-config`.
    Configuration,
    /// `plan`.
    Image,
    /// `rank`.
    Platforms,
}

/// The failure for an error that a plugin returned.
pub(super) fn refusal(plugin: &str, subject: Subject, error: &errors::Error) -> PluginFailure {
    let (fault, detail, what) = match error {
        errors::Error::InvalidConfig(detail) => {
            (PluginFault::InvalidConfig, detail, "does not accept its configuration")
        }
        errors::Error::Unsupported(detail) => {
            let what = match subject {
                Subject::Configuration => "does not handle a configuration of this kind",
                Subject::Image => "does not handle images of this kind",
                Subject::Platforms => "does not handle platforms of this kind",
            };
            (PluginFault::Refused, detail, what)
        }
        errors::Error::Denied(detail) => {
            let what = match subject {
                Subject::Configuration => "decided against its configuration",
                Subject::Image => "decided against the image",
                Subject::Platforms => "decided against the platforms",
            };
            (PluginFault::Refused, detail, what)
        }
        errors::Error::NotFound(detail) => {
            (PluginFault::Refused, detail, "does not find something that it needs")
        }
        errors::Error::Transient(detail) => {
            (PluginFault::Refused, detail, "cannot answer now; trying again may help")
        }
        errors::Error::Other(detail) => (PluginFault::Refused, detail, "failed"),
    };
    let code = clean(&detail.code, NAME_BYTES);
    let message = clean(&detail.message, TEXT_BYTES);
    let retry = match error {
        errors::Error::Transient(detail) => detail.retry_after_ms,
        _ => None,
    };
    Failure::new(fault, plugin, format!("plugin `{plugin}` {what}"))
        .hint(retry.map(try_again))
        .caused_by(Cause(format!("{message} (`{code}`)")))
}

/// A hint for the retry time, rounded up to a whole unit. The plugin may give any number.
fn try_again(milliseconds: u64) -> String {
    const SECOND: u64 = 1000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    let (unit, name) = match milliseconds {
        0 => return "try again".to_owned(),
        1..SECOND => (1, "ms"),
        SECOND..MINUTE => (SECOND, "s"),
        MINUTE..HOUR => (MINUTE, "min"),
        _ if milliseconds <= 24 * HOUR => (HOUR, "h"),
        _ => return "the plugin asks to wait for more than a day".to_owned(),
    };
    format!("try again in {} {name}", milliseconds.div_ceil(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_retry_time_has_a_short_text() {
        for (milliseconds, told) in [
            (0, "try again"),
            (1, "try again in 1 ms"),
            (999, "try again in 999 ms"),
            (1000, "try again in 1 s"),
            (1001, "try again in 2 s"),
            (90_000, "try again in 2 min"),
            (3_600_000, "try again in 1 h"),
            (86_400_000, "try again in 24 h"),
            (86_400_001, "the plugin asks to wait for more than a day"),
            (u64::MAX, "the plugin asks to wait for more than a day"),
        ] {
            assert_eq!(try_again(milliseconds), told, "{milliseconds}");
        }
    }
}
