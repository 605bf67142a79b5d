use std::time::Duration;

use serde::Serialize;

use super::{milliseconds, rounded};
use dray_core::oci::{ChainId, DiffId, Digest, MediaType, Platform};
use dray_ports::{Plan, PluginCallTimings, PluginIdentity};

/// The report of a pull. The JSON form is the schema `dray.pull/v1`, documented in `docs/report.md`: members are
/// added in later versions, never renamed or removed. Sizes are bytes, times are milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct PullReport {
    /// `dray.pull/v1`.
    pub schema: &'static str,
    /// Name of the image record; after a pull, the reference in normal form.
    pub name: String,
    /// What the pull had to do.
    pub outcome: Outcome,
    /// Digest of the target of the name: the index, or the manifest without an index.
    pub target: Digest,
    /// Media type of the target.
    pub target_media_type: MediaType,
    /// The image; the best match of several.
    #[serde(flatten)]
    pub image: ImageReport,
    /// The other images, if several platforms were pulled.
    pub more: Vec<ImageReport>,
    /// The snapshotter that the image was unpacked into; none if it was only fetched.
    pub snapshotter: Option<String>,
    /// The verdict of the snapshotter plugin; none if it was not asked.
    pub suitability: Option<SuitabilityReport>,
    /// What was said for each snapshotter that the image might have been unpacked into; empty where there was no choice.
    pub considered: Vec<ConsideredReport>,
    /// The plugins that were used.
    pub plugins: Vec<PluginReport>,
    /// Sums.
    pub totals: Totals,
    /// Messages for the operator, from the snapshotter plugin.
    pub hints: Vec<String>,
    /// Timings.
    pub timings: Timings,
}

impl PullReport {
    /// All images, the best match first.
    pub fn images(&self) -> impl Iterator<Item = &ImageReport> {
        std::iter::once(&self.image).chain(&self.more)
    }

    /// Adds the caller's preparation of the pull: connecting to the store and loading the plugins.
    pub fn add_preparation(&mut self, took: Duration) {
        let took = milliseconds(took);
        self.timings.prepare = rounded(self.timings.prepare + took);
        self.timings.total = rounded(self.timings.total + took);
    }
}

/// What the pull had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The registry was asked, and the name now refers to its answer.
    Pulled,
    /// The image was in the store, and was unpacked into the snapshotter.
    Unpacked,
    /// The image was in the store as requested.
    Present,
    /// Missing blobs of the image were fetched; the target of the name did not change.
    Fetched,
}

/// One image of one platform.
#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the image config.
    pub config: Digest,
    /// The platform that was chosen.
    pub platform: Platform,
    /// The layers, bottom-up.
    pub layers: Vec<LayerReport>,
}

/// Verdict of the snapshotter plugin.
#[derive(Clone, Debug, Serialize)]
pub struct SuitabilityReport {
    /// `native`, `partial` or `plain`; a `foreign` image ends the pull.
    pub verdict: &'static str,
    /// A code for programs.
    pub code: String,
    /// A text for users.
    pub reason: String,
}

/// A snapshotter that the image might have been unpacked into.
#[derive(Clone, Debug, Serialize)]
pub struct ConsideredReport {
    /// Its registered name.
    pub snapshotter: String,
    /// Whether the image was unpacked into it.
    pub chosen: bool,
    /// The plugin that planned for it; none if the snapshotter does not answer.
    pub plugin: Option<String>,
    /// `native`, `partial`, `plain` or `foreign`; none if the snapshotter does not answer.
    pub verdict: Option<&'static str>,
    /// For machines: why; none if the snapshotter does not answer.
    pub code: Option<String>,
    /// Text for users: why.
    pub reason: String,
    /// Bytes of the layers that the snapshotter is expected to provide.
    pub expected_bytes: u64,
}

/// A plugin that was used.
#[derive(Clone, Debug, Serialize)]
pub struct PluginReport {
    /// `platform` or `snapshotter`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Digest of the component.
    pub digest: Digest,
    /// Where the component comes from: `embedded:NAME` or `file:PATH`.
    pub origin: String,
    /// Its cost.
    pub timings: PluginTimings,
}

/// The cost of a plugin, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PluginTimings {
    /// Compiling; 0 if compiled code was at hand.
    pub compile: f64,
    /// Loading and linking.
    pub load: f64,
    /// Making instances.
    pub instantiate: f64,
    /// Calls.
    pub call: f64,
}

impl PluginTimings {
    pub(super) fn sum(&self) -> f64 {
        self.compile + self.load + self.instantiate + self.call
    }
}

pub(super) fn plugin_report(
    kind: &'static str,
    identity: PluginIdentity,
    timings: PluginCallTimings,
) -> PluginReport {
    PluginReport {
        kind,
        name: identity.name,
        version: identity.version,
        digest: identity.digest,
        origin: identity.origin,
        timings: PluginTimings {
            compile: milliseconds(timings.compile),
            load: milliseconds(timings.load),
            instantiate: milliseconds(timings.instantiate),
            call: milliseconds(timings.call),
        },
    }
}

pub(super) fn suitability_report(plan: &Plan) -> SuitabilityReport {
    SuitabilityReport {
        verdict: plan.suitability.as_str(),
        code: plan.code.clone(),
        reason: plan.reason.clone(),
    }
}

/// How a layer, or its blob, was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerOutcome {
    /// Its blob was downloaded and applied.
    Fetched,
    /// Its blob was in the content store and was applied.
    Applied,
    /// The snapshot existed before.
    Existed,
    /// The snapshotter provided it.
    Provided,
    /// Its blob was downloaded, without unpacking.
    Downloaded,
    /// Its blob was in the content store, without unpacking.
    Stored,
}

/// The result for a layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Digest of the blob.
    pub digest: Digest,
    /// Media type of the blob.
    pub media_type: MediaType,
    /// Size of the blob.
    pub size: u64,
    /// Digest of the uncompressed layer; none for other blobs, such as an attestation.
    pub diff_id: Option<DiffId>,
    /// The stack that ends with this layer.
    pub chain_id: Option<ChainId>,
    /// How it was obtained.
    pub outcome: LayerOutcome,
    /// Whether the plan expected the snapshotter to provide it, and it did not.
    pub broken_expectation: bool,
    /// Whether the snapshotter serves the layer lazily, as its mark on the snapshot says; none if the snapshotter does not
    /// have the layer of its own, or leaves no mark.
    pub lazy: Option<bool>,
    /// Milliseconds that the snapshotter took to answer the question for it; 0 if it was not asked.
    pub asking: f64,
    /// Bytes that were downloaded for it in this pull.
    pub downloaded: u64,
    /// Bytes of the uncompressed layer, if it was applied in this pull.
    pub uncompressed: Option<u64>,
}

/// Sums over the pull.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Totals {
    /// Number of layers.
    pub layers: usize,
    /// Size of all layer blobs.
    pub layer_bytes: u64,
    /// Blobs that were downloaded at least in part, with index, manifest and config.
    pub downloaded_blobs: usize,
    /// Bytes that were downloaded, with index, manifest and config.
    pub downloaded_bytes: u64,
    /// Layers that the snapshotter serves lazily.
    pub lazy_layers: usize,
    /// Size of the layers that the snapshotter provides and whose blobs were not downloaded.
    pub spared_bytes: u64,
}

/// Timings in milliseconds. `prepare`, `resolve`, `documents`, `layers` and `record` follow one another; the rest of
/// `total` are look-ups in the store and the lease. `plugins` is spread over them, and the parts of `layers` overlap.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Timings {
    /// The caller's preparation, added with [`add_preparation`](PullReport::add_preparation): connecting to the
    /// store, and compiling or loading the plugins.
    pub prepare: f64,
    /// Waiting for the registry to resolve the reference.
    pub resolve: f64,
    /// Index, manifest and config.
    pub documents: f64,
    /// The total cost of the plugins: compiling and loading, which usually belong to the preparation, instances and
    /// calls.
    pub plugins: f64,
    /// From the first call to the snapshotter to the last commit.
    pub layers: f64,
    /// Of that: waiting for blobs.
    pub waiting_for_blobs: f64,
    /// Of that: applying layers.
    pub applying: f64,
    /// The image record.
    pub record: f64,
    /// The total from the request to the release of the lease, with the preparation.
    pub total: f64,
}
