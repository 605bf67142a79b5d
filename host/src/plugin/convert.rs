//! From the values of the program to those of the interface, and back.

use std::time::Duration;

use super::bindings::described::dray::types::{errors, oci};
use super::bindings::snapshotter::exports::dray::snapshotter::planner as wit;
use super::failure::{Cause, Failure};
use super::text::clean;
use crate::limits::{PLUGIN_NAME_BYTES, PLUGIN_TEXT_BYTES};
use crate::oci::{Descriptor, Platform};
use crate::ports::{
    Expectation, ImageToPlan, Labels, LayerPlan, OnError, OnMounts, Plan, PluginFailure, PluginFault,
    Question, Suitability,
};

fn stated(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn annotations(labels: &Labels) -> oci::Annotations {
    labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A platform as a plugin sees it. An operating system that is not stated is that of this machine, as for
/// containerd; a plugin is on no machine.
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

/// An image as a plugin sees it.
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

/// A plan for the pull. Texts for people lose their control characters; everything else stays as it is, and
/// has been checked by [`super::output`].
pub(super) fn plan(plan: wit::ImagePlan) -> Plan {
    Plan {
        suitability: match plan.suitability {
            wit::Suitability::Native => Suitability::Native,
            wit::Suitability::Partial => Suitability::Partial,
            wit::Suitability::Plain => Suitability::Plain,
            wit::Suitability::Foreign => Suitability::Foreign,
        },
        code: plan.code,
        reason: clean(&plan.reason, PLUGIN_TEXT_BYTES),
        layers: plan.layers.into_iter().map(layer_plan).collect(),
        hints: plan.hints.iter().map(|hint| clean(hint, PLUGIN_TEXT_BYTES)).collect(),
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

/// The failure that a plugin's own error is.
pub(super) fn refusal(plugin: &str, error: &errors::Error) -> PluginFailure {
    let (fault, detail, what) = match error {
        errors::Error::InvalidConfig(detail) => {
            (PluginFault::InvalidConfig, detail, "does not accept its configuration")
        }
        errors::Error::Unsupported(detail) => {
            (PluginFault::Refused, detail, "does not handle images of this kind")
        }
        errors::Error::Denied(detail) => (PluginFault::Refused, detail, "decided against the image"),
        errors::Error::NotFound(detail) => {
            (PluginFault::Refused, detail, "does not find something that it needs")
        }
        errors::Error::Transient(detail) => {
            (PluginFault::Refused, detail, "cannot answer now; trying again may help")
        }
        errors::Error::Other(detail) => (PluginFault::Refused, detail, "failed"),
    };
    let code = clean(&detail.code, PLUGIN_NAME_BYTES);
    let message = clean(&detail.message, PLUGIN_TEXT_BYTES);
    let retry = match error {
        errors::Error::Transient(detail) => detail.retry_after_ms,
        _ => None,
    };
    Failure::new(fault, plugin, format!("plugin `{plugin}` {what}"))
        .hint(retry.map(|milliseconds| format!("try again in {:?}", Duration::from_millis(milliseconds))))
        .caused_by(Cause(format!("{message} (`{code}`)")))
}
