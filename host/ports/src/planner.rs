use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Labels, PluginCallTimings, PluginFailure, PluginIdentity, SnapshotterName};
use dray_core::oci::{ChainId, Descriptor, DiffId, Platform};

/// One layer, as the host verified it.
#[derive(Clone, Debug)]
pub struct LayerToPlan {
    /// The layer's descriptor in the manifest.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed layer.
    pub diff_id: DiffId,
    /// The stack that ends with this layer.
    pub chain_id: ChainId,
}

/// An image to plan for.
#[derive(Clone, Debug)]
pub struct ImageToPlan {
    /// The reference as typed.
    pub reference: String,
    /// The reference in normal form.
    pub canonical: String,
    /// The registered name of the snapshotter.
    pub snapshotter: SnapshotterName,
    /// The index that the manifest was chosen from.
    pub index: Option<Descriptor>,
    /// The manifest.
    pub manifest: Descriptor,
    /// Annotations of the manifest.
    pub manifest_annotations: Labels,
    /// The image config.
    pub config: Descriptor,
    /// Labels in the image config.
    pub config_labels: Labels,
    /// The chosen platform.
    pub platform: Platform,
    /// The layers, bottom-up.
    pub layers: Vec<LayerToPlan>,
}

/// How well a snapshotter serves an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suitability {
    /// Every layer is in the snapshotter's own format.
    Native,
    /// Some layers are.
    Partial,
    /// It works, without the snapshotter's advantages.
    Plain,
    /// The image would be damaged or could not run.
    Foreign,
}

impl Suitability {
    /// The name of the case in reports and in the plugin interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Partial => "partial",
            Self::Plain => "plain",
            Self::Foreign => "foreign",
        }
    }
}

/// How to ask the snapshotter for a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Ask with these labels.
    AskWithLabels(Vec<(String, String)>),
    /// Ask with the protocol's label only.
    Ask,
    /// Do not ask.
    Fetch,
}

/// Which answer is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expectation {
    /// The snapshotter has the layer.
    Provided,
    /// Either.
    Maybe,
    /// The layer must be fetched.
    Mounts,
}

/// What to do if the layer was expected to be provided and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnMounts {
    /// Fetch it, go on as planned.
    Fetch,
    /// Fetch it, and treat every layer above as `ask` and `mounts`.
    FetchAndStopAsking,
    /// End the pull.
    Fail,
}

/// What to do if the snapshotter fails when it is asked for the layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// End the pull.
    #[default]
    Fail,
    /// Fetch it without asking, go on as planned.
    Fetch,
    /// Fetch it without asking, and treat every layer above as `ask` and `mounts`.
    FetchAndStopAsking,
}

/// What to do with one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPlan {
    /// The layer, as the plugin wrote it. The validation of the plan compares it with the image.
    pub layer: String,
    /// How to ask.
    pub question: Question,
    /// Which answer is expected.
    pub expectation: Expectation,
    /// What to do when the expectation fails.
    pub on_mounts: OnMounts,
    /// What to do when the question fails.
    pub on_error: OnError,
    /// Fetch the blob although the layer is provided.
    pub keep_blob: bool,
}

/// How the host reached a registry, where a daemon that reaches it by itself needs a setting for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegistryAccess {
    /// Without TLS, over the network.
    PlainHttp,
    /// With TLS, by a certificate authority or a client certificate of the host's configuration.
    PrivateCa,
    /// Through another server in the place of the registry.
    Mirror,
    /// With credentials.
    Credentials,
    /// In none of these ways.
    Unreachable,
}

/// What the operator has to set in the configuration of a snapshotter's daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// When it applies.
    pub about: RegistryAccess,
    /// Which setting, in which file.
    pub text: String,
}

/// What a plugin answered. Only the sizes and forms of its texts have been checked. `validate_plan` of `dray-pull`
/// checks it against the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The verdict.
    pub suitability: Suitability,
    /// The reason as a code.
    pub code: String,
    /// The reason as text.
    pub reason: String,
    /// One entry for each layer.
    pub layers: Vec<LayerPlan>,
    /// Messages for the operator.
    pub hints: Vec<String>,
    /// What the snapshotter's daemon needs to reach the registry. Shown only where an expectation broke.
    pub advice: Vec<Advice>,
    /// Key of a label that the snapshotter leaves on the snapshot of a layer that it serves lazily, and on no other.
    pub lazy_label: Option<String>,
    /// Whether the snapshot has to be looked into after the pull, because success alone proves nothing.
    pub verify: bool,
    /// How long the snapshotter may take to answer for one layer.
    pub answer_within: Duration,
}

impl Plan {
    /// How long a snapshotter may take to answer for one layer, unless its plan says otherwise.
    pub const ANSWER_WITHIN: Duration = Duration::from_mins(2);
}

/// Plans how the layers of an image reach a snapshotter.
#[async_trait]
pub trait Planner: Send + Sync {
    /// Which plugin plans.
    fn identity(&self) -> PluginIdentity;

    /// The configuration that the plugin plans with, one JSON text.
    fn config(&self) -> &str;

    /// Plans for one image.
    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PluginFailure>;

    /// The cost of the plugin so far.
    fn timings(&self) -> PluginCallTimings;
}

/// Finds the planner for a snapshotter by its registered name.
#[async_trait]
pub trait Planners: Send + Sync {
    /// The planner for the snapshotter of this name. Loading it may take milliseconds, or seconds if it must be
    /// compiled.
    ///
    /// # Errors
    ///
    /// Fails if the plugin cannot be used.
    async fn planner_for(&self, snapshotter: &SnapshotterName) -> Result<Arc<dyn Planner>, PluginFailure>;

    /// Whether that planner is meant for this snapshotter. The others are served by a plain one, which any snapshotter
    /// can be asked with.
    fn has_own(&self, snapshotter: &SnapshotterName) -> bool;
}

/// One planner for every snapshotter.
#[derive(Clone)]
pub struct OnePlanner(pub Arc<dyn Planner>);

#[async_trait]
impl Planners for OnePlanner {
    async fn planner_for(&self, _: &SnapshotterName) -> Result<Arc<dyn Planner>, PluginFailure> {
        Ok(Arc::clone(&self.0))
    }

    fn has_own(&self, _: &SnapshotterName) -> bool {
        true
    }
}
