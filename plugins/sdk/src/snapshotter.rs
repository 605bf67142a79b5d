//! Snapshotter plugins: which images suit a snapshotter, and how its layers are to be asked for.

pub mod labels;

pub use crate::bindings::snapshotter::exports::dray::snapshotter::planner::{
    Advice, Expectation, Image, ImagePlan, Layer, LayerPlan, OnError, OnMounts, Question, RegistryAccess,
    Suitability,
};
use crate::oci::Annotations;
pub use crate::oci::Descriptor;
use crate::{Error, Plugin};

/// Seconds in which a snapshotter must answer for one layer, unless its plan
/// [says otherwise](ImagePlan::answering_within).
pub const ANSWER_WITHIN_S: u32 = 120;

/// Plans how the layers of an image reach a snapshotter.
///
/// The host calls [`plan`](Self::plan) once for each manifest, after manifest and image config are stored and
/// before the first layer is touched. It checks the whole plan and refuses it with the first broken rule;
/// nothing is done by halves.
pub trait SnapshotterPlugin: Plugin {
    /// Plans the pull of one image. The result must depend on the arguments only. An error ends the pull and
    /// leaves nothing behind; an image that the snapshotter would ruin is not an error but
    /// [`ImagePlan::foreign`].
    fn plan(config: Self::Config, image: Image) -> Result<ImagePlan, Error>;
}

/// The three usual ways to plan a layer; change fields for the others.
impl Layer {
    /// Ask with the label of the protocol only, and expect mounts: the host fetches the blob unless the
    /// snapshotter has the layer already.
    pub fn ask(&self) -> LayerPlan {
        self.planned(Question::Ask, Expectation::Mounts)
    }

    /// Do not ask: the host fetches the blob and applies it. The snapshotter sees no label of the plan; where it
    /// needs one to apply or commit the layer, take [`ask_with_labels`](Self::ask_with_labels) and expect mounts.
    pub fn fetch(&self) -> LayerPlan {
        self.planned(Question::Fetch, Expectation::Mounts)
    }

    /// Ask with these labels, and expect that the snapshotter provides the layer. If it does not, the host
    /// fetches this layer and goes on as planned; if it fails, the pull ends.
    pub fn ask_with_labels<K, V>(&self, labels: impl IntoIterator<Item = (K, V)>) -> LayerPlan
    where
        K: Into<String>,
        V: Into<String>,
    {
        let labels: Annotations = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.planned(Question::AskWithLabels(labels), Expectation::Provided)
    }

    fn planned(&self, question: Question, expectation: Expectation) -> LayerPlan {
        LayerPlan {
            layer: self.descriptor.digest.clone(),
            question,
            expectation,
            on_mounts: OnMounts::Fetch,
            on_error: OnError::Fail,
            keep_blob: false,
            extensions: Vec::new(),
        }
    }
}

impl Image {
    /// The host, and perhaps the port, of the registry that the image is from.
    pub fn registry(&self) -> &str {
        self.canonical.split_once('/').map_or("", |(registry, _)| registry)
    }
}

impl ImagePlan {
    /// A plan without hints and advice, for a snapshotter that answers within [`ANSWER_WITHIN_S`], leaves no
    /// label on lazy layers, and needs no verification. Code and reason say why the image suits the snapshotter
    /// so well.
    pub fn new(
        suitability: Suitability,
        code: impl Into<String>,
        reason: impl Into<String>,
        layers: Vec<LayerPlan>,
    ) -> Self {
        Self {
            suitability,
            code: code.into(),
            reason: reason.into(),
            layers,
            hints: Vec::new(),
            advice: Vec::new(),
            lazy_label: None,
            verify: false,
            answer_within_s: ANSWER_WITHIN_S,
            extensions: Vec::new(),
        }
    }

    /// The verdict that the snapshotter would damage the image or could not run it.
    pub fn foreign(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::new(Suitability::Foreign, code, reason, Vec::new())
    }

    /// The verdict that follows from how many layers are in the snapshotter's own format: `native` if all
    /// are, `partial` if some are, `plain` if none is. The code is the verdict's name.
    pub fn by_count(own: usize, layers: Vec<LayerPlan>) -> Self {
        let (suitability, code) = match own {
            0 => (Suitability::Plain, "plain"),
            own if own < layers.len() => (Suitability::Partial, "partial"),
            _ => (Suitability::Native, "native"),
        };
        let reason = format!("{own} of {} layers are in the snapshotter's own format", layers.len());
        Self::new(suitability, code, reason, layers)
    }

    /// Adds a line that the operator is shown after the pull.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what the operator has to set in the daemon's configuration if the host reached the registry in this
    /// way.
    #[must_use]
    pub fn with_advice(mut self, about: RegistryAccess, text: impl Into<String>) -> Self {
        self.advice.push(Advice { about, text: text.into() });
        self
    }

    /// Names the label that the snapshotter leaves on the snapshots of layers that it serves lazily.
    #[must_use]
    pub fn with_lazy_label(mut self, key: impl Into<String>) -> Self {
        self.lazy_label = Some(key.into());
        self
    }

    /// Has the host look into the snapshot after the pull, or not.
    #[must_use]
    pub fn with_verification(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Gives the snapshotter this many seconds to answer for one layer, 1 to 3600.
    #[must_use]
    pub fn answering_within(mut self, seconds: u32) -> Self {
        self.answer_within_s = seconds;
        self
    }
}
