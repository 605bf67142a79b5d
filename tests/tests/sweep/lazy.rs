//! A snapshotter that is another process and provides layers, and a plan for it.

use std::sync::Arc;

use async_trait::async_trait;
use dray::oci::Algorithm;
use dray::ports::{
    Expectation, ImageToPlan, LayerPlan, LayerToPlan, OnError, OnMounts, Plan, Planner, PluginCallTimings,
    PluginFailure, PluginIdentity, Question, Suitability,
};
use dray::verify::digest_of;
use dray_tests::snapshot_service::{Ask, Reply, SnapshotService};

/// The name under which the snapshotter is registered.
pub(crate) const SNAPSHOTTER: &str = "lazy";

/// The label that says whether the snapshotter provides a layer.
const REPLY: &str = "containerd.io/snapshot/sweep.reply";
/// The label with the digest of a layer, by which the snapshotter knows its files.
const LAYER: &str = "containerd.io/snapshot/cri.layer-digest";

/// Starts the snapshotter.
pub(crate) fn service() -> SnapshotService {
    SnapshotService::start(|ask: &Ask| match ask.labels.get(REPLY).map(String::as_str) {
        Some("provide") => Reply::Provide,
        Some("stage") => Reply::Staged,
        _ => Reply::Mounts,
    })
}

/// Has the bottom layer provided, the middle one fetched, and the top one staged, and the root read at the end.
struct LazyPlanner;

/// The planner, for a snapshotter that does as it is told.
pub(crate) fn planner() -> Arc<dyn Planner> {
    Arc::new(LazyPlanner)
}

fn plan(index: usize, LayerToPlan { descriptor, .. }: &LayerToPlan) -> LayerPlan {
    let reply = ["provide", "mounts", "stage"][index % 3];
    let labels = [(REPLY, reply.to_owned()), (LAYER, descriptor.digest.to_string())];
    LayerPlan {
        layer: descriptor.digest.to_string(),
        question: Question::AskWithLabels(labels.map(|(key, value)| (key.to_owned(), value)).to_vec()),
        expectation: Expectation::Maybe,
        on_mounts: OnMounts::Fetch,
        on_error: OnError::Fail,
        keep_blob: false,
    }
}

#[async_trait]
impl Planner for LazyPlanner {
    fn identity(&self) -> PluginIdentity {
        PluginIdentity {
            name: "lazy".to_owned(),
            version: "1.0.0".to_owned(),
            digest: digest_of(Algorithm::Sha256, b"lazy"),
            origin: "file:lazy.wasm".to_owned(),
        }
    }

    fn config(&self) -> &'static str {
        "{}"
    }

    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PluginFailure> {
        Ok(Plan {
            suitability: Suitability::Partial,
            code: "partial".to_owned(),
            reason: "two of three layers are provided".to_owned(),
            layers: image.layers.iter().enumerate().map(|(index, layer)| plan(index, layer)).collect(),
            hints: Vec::new(),
            advice: Vec::new(),
            lazy_label: Some(REPLY.to_owned()),
            verify: true,
            answer_within: Plan::ANSWER_WITHIN,
        })
    }

    fn timings(&self) -> PluginCallTimings {
        PluginCallTimings::default()
    }
}
