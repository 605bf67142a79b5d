use super::Lack;
use crate::image::{Damage, DocumentFault, ImageError, LayerCount};
use dray_core::oci::{DiffId, Digest, DocumentKind, MediaType, Platform, ReferenceError};
use dray_core::verify::Mismatch;
use dray_ports::{FetchFailure, PluginFailure, StoreError};
use dray_rules::RuleError;

/// Why a pull failed. It leaves no image record, no lease, no active snapshot and no locked ingest in the store, only
/// content that helps a retry.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The name is not a reference.
    #[error("cannot read the image reference")]
    Reference {
        /// Why.
        #[source]
        source: ReferenceError,
    },
    /// The registry could not resolve the reference.
    #[error("cannot resolve `{reference}`")]
    Resolve {
        /// The reference in normal form.
        reference: String,
        /// Why.
        #[source]
        source: FetchFailure,
    },
    /// A blob could not be fetched.
    #[error("cannot fetch {what} {digest}")]
    Fetch {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// Why.
        #[source]
        source: FetchFailure,
    },
    /// The store does not have the image as requested, and the registry must not be asked.
    #[error("image `{name}` is not available in the store")]
    NotAvailable {
        /// The name as typed.
        name: String,
        /// What the store lacks.
        #[source]
        source: Lack,
    },
    /// The completeness of the image could not be determined.
    #[error("cannot look up the image")]
    Image {
        /// Why.
        #[source]
        source: ImageError,
    },
    /// A blob is not in the store, and must not be fetched.
    #[error("{what} {digest} is not in the store")]
    Absent {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
    },
    /// A blob is in the store, and damaged there.
    #[error("{what} {digest} is damaged in the store")]
    Damaged {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// Who else has the blob, such as other namespaces of a containerd. The store keeps its bytes once for all.
        others: Vec<String>,
        /// How.
        #[source]
        source: Damage,
    },
    /// The registry served wrong bytes.
    #[error("the registry serves a wrong {what}")]
    Mismatch {
        /// Which kind of blob.
        what: &'static str,
        /// How they differ.
        #[source]
        source: Mismatch,
    },
    /// Index, manifest or config cannot be used.
    #[error("{kind} {digest} cannot be used")]
    Document {
        /// Which document.
        kind: DocumentKind,
        /// The blob.
        digest: Digest,
        /// Why.
        #[source]
        source: DocumentFault,
    },
    /// A stored blob has another size than the image states.
    #[error("the image says that {what} {digest} has {stated} bytes, but it has {size}")]
    WrongSize {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// Size in the descriptor.
        stated: u64,
        /// Its size.
        size: u64,
    },
    /// A descriptor states that its blob is empty.
    #[error("the descriptor of {what} {digest} states a size of zero")]
    EmptyBlob {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
    },
    /// The store cannot verify digests of this algorithm.
    #[error("the store cannot verify digests such as that of {what} {digest}")]
    Algorithm {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
    },
    /// The reference refers to an artifact.
    #[error("`{name}` is not a container image: it is of type `{media_type}`")]
    NotAnImage {
        /// Name of the image record.
        name: String,
        /// What it is.
        media_type: MediaType,
    },
    /// The image has nothing for any wanted platform.
    #[error("`{name}` has no image for {wanted}")]
    NoPlatform {
        /// Name of the image record.
        name: String,
        /// The wanted platforms.
        wanted: String,
        /// What the image offers.
        offered: Vec<Platform>,
    },
    /// Several platforms cannot be unpacked at once.
    #[error("only one platform can be unpacked")]
    UnpackSeveral,
    /// Manifest and config disagree.
    #[error("the manifest has {layers} layers and the image config {diff_ids} diff ids")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff ids in the config.
        diff_ids: usize,
    },
    /// A layer's content differs from the config.
    #[error("layer {layer} unpacks to {found}, the image config says {expected}")]
    WrongDiffId {
        /// Digest of the blob.
        layer: Digest,
        /// What the config says.
        expected: DiffId,
        /// What came out.
        found: DiffId,
    },
    /// The store could not decrypt a layer.
    #[error("the store could not decrypt layer {layer} of type `{media_type}`")]
    Decrypt {
        /// Digest of the blob.
        layer: Digest,
        /// Its media type.
        media_type: MediaType,
        /// Schemes for which the layer has a wrapped key, such as `jwe`.
        schemes: Vec<String>,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The store has no such snapshotter.
    #[error("the store has no snapshotter `{name}`")]
    UnknownSnapshotter {
        /// The name as typed.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The snapshotter did not start.
    #[error("snapshotter `{name}` is registered but did not start: {reason}")]
    DeadSnapshotter {
        /// Which.
        name: String,
        /// Why, in the store's words.
        reason: String,
    },
    /// A plugin failed.
    #[error("the {kind} plugin failed")]
    Plugin {
        /// `platform` or `snapshotter`.
        kind: &'static str,
        /// Why.
        #[source]
        source: PluginFailure,
    },
    /// The snapshotter plugin cannot be used.
    #[error(transparent)]
    Planner {
        /// Why.
        source: PluginFailure,
    },
    /// A plan breaks a rule. No part of it was carried out.
    #[error("the plan of snapshotter plugin `{plugin}` ({origin}) is invalid, nothing of it was carried out")]
    Plan {
        /// Name and version.
        plugin: String,
        /// Where the component comes from: `embedded:NAME` or `file:PATH`.
        origin: String,
        /// Which rule.
        #[source]
        source: RuleError,
    },
    /// The image must not be pulled with this snapshotter.
    #[error("snapshotter `{snapshotter}` cannot serve this image ({code}): {reason}")]
    Foreign {
        /// Which snapshotter.
        snapshotter: String,
        /// A code for programs.
        code: String,
        /// A text for users.
        reason: String,
        /// All snapshotters that were tried.
        tried: Vec<String>,
    },
    /// The snapshotter is another process, and nothing listens where it should.
    #[error("snapshotter `{name}` is registered, but cannot be reached at {address}")]
    UnreachableSnapshotter {
        /// Which.
        name: String,
        /// Where the store looks for it.
        address: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The snapshotter is another process, and does not answer.
    #[error("snapshotter `{name}` at {address} has not answered within {seconds} s")]
    SilentSnapshotter {
        /// Which.
        name: String,
        /// Where the store looks for it.
        address: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The layers are there, and a container could not read them.
    #[error("the image is in snapshotter `{snapshotter}`, but its files cannot be read")]
    NotReadable {
        /// Which snapshotter.
        snapshotter: String,
        /// What the plan advises to set in the configuration of the snapshotter's daemon.
        advice: Vec<String>,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The snapshotter is another process, which went away during the pull and did not come back.
    #[error(
        "snapshotter `{snapshotter}` went away when it was asked for layer {layer}; it is layer {position} of {layers}"
    )]
    LostSnapshotter {
        /// Which snapshotter.
        snapshotter: String,
        /// Digest of the blob.
        layer: Digest,
        /// Position of the layer, from 1 at the bottom.
        position: usize,
        /// How many layers the image has.
        layers: usize,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The snapshotter takes too long for a layer.
    #[error(
        "snapshotter `{snapshotter}` has not answered for layer {layer} within {seconds} s; \
        it is layer {position} of {layers}"
    )]
    SlowSnapshotter {
        /// Which snapshotter.
        snapshotter: String,
        /// Digest of the blob.
        layer: Digest,
        /// Position of the layer, from 1 at the bottom.
        position: usize,
        /// How many layers the image has.
        layers: usize,
        /// How long the plan allows to wait.
        seconds: u64,
    },
    /// The plan says that the layer must be provided, and it was not.
    #[error(
        "snapshotter `{snapshotter}` did not provide layer {layer}, and the plan does not allow to fetch it"
    )]
    NotProvided {
        /// Which snapshotter.
        snapshotter: String,
        /// Digest of the blob.
        layer: Digest,
    },
    /// The snapshotter reports that a layer exists, but does not have it.
    #[error("snapshotter `{snapshotter}` says that layer {layer} exists, but does not have it")]
    Phantom {
        /// Which snapshotter.
        snapshotter: String,
        /// Digest of the blob.
        layer: Digest,
    },
    /// The store failed.
    #[error("the store failed while {doing}")]
    Store {
        /// What the pull was doing, such as ``unpacking layer `sha256:…` ``.
        doing: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The caller cancelled the pull.
    #[error("the pull was cancelled")]
    Cancelled,
}

impl From<ImageError> for PullError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Document { kind, digest, source } => Self::Document { kind, digest, source },
            ImageError::Plugin { source } => Self::Plugin { kind: "platform", source },
            source => Self::Image { source },
        }
    }
}

impl From<LayerCount> for PullError {
    fn from(LayerCount { layers, diff_ids }: LayerCount) -> Self {
        Self::LayerCount { layers, diff_ids }
    }
}
