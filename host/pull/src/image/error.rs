use super::{Damage, DocumentFault, LayerCount};
use dray_core::oci::{Descriptor, Digest, DocumentKind, Platform};
use dray_ports::{FetchFailure, PluginFailure, StoreError};

/// Why a question about an image has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is no image record.
    #[error("there is no image `{name}`")]
    NoRecord {
        /// The name as typed.
        name: String,
    },
    /// The beginning of a digest fits several images.
    #[error("`{name}` is the beginning of the digest of {} images", .images.len())]
    Ambiguous {
        /// The name as typed.
        name: String,
        /// Digest and a name of each.
        images: Vec<(Digest, String)>,
    },
    /// A document of the image is not in the store.
    #[error("{kind} {digest} is not in the content store")]
    MissingBlob {
        /// Which document.
        kind: DocumentKind,
        /// The blob.
        digest: Digest,
    },
    /// A document of the image is in the store, and damaged there.
    #[error("{kind} {digest} is damaged in the content store")]
    Damaged {
        /// Which document.
        kind: DocumentKind,
        /// The blob.
        digest: Digest,
        /// How.
        #[source]
        source: Damage,
    },
    /// A document of the image could not be fetched from the registry.
    #[error("cannot fetch {kind} {digest}")]
    Fetch {
        /// Which document.
        kind: DocumentKind,
        /// The blob.
        digest: Digest,
        /// Why.
        #[source]
        source: FetchFailure,
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
    /// Manifest and config disagree.
    #[error("the manifest has {layers} layers and the image config {diff_ids} diff ids")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff ids in the config.
        diff_ids: usize,
    },
    /// The image has nothing for the wanted platform.
    #[error("the image has nothing for {wanted}")]
    NoPlatform {
        /// What is wanted.
        wanted: String,
        /// What the image offers.
        offered: Vec<Platform>,
    },
    /// The platform plugin failed.
    #[error("the platform plugin failed")]
    Plugin {
        /// Why.
        #[source]
        source: PluginFailure,
    },
    /// The store failed.
    #[error("the store failed while {doing}")]
    Store {
        /// The operation.
        doing: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl ImageError {
    /// Whether store or plugin failed, so that this says nothing about the image.
    pub fn is_of_the_call(&self) -> bool {
        match self {
            Self::Store { source, .. } => source.is_of_the_call(),
            Self::Plugin { .. } => true,
            _ => false,
        }
    }

    pub(super) fn unusable(
        kind: DocumentKind,
        descriptor: &Descriptor,
    ) -> impl FnOnce(DocumentFault) -> Self + use<> {
        let digest = descriptor.digest.clone();
        move |source| Self::Document { kind, digest, source }
    }

    pub(super) fn plugin(source: PluginFailure) -> Self {
        Self::Plugin { source }
    }

    pub(super) fn store(doing: impl Into<String>) -> impl FnOnce(StoreError) -> Self {
        let doing = doing.into();
        |source| Self::Store { doing, source }
    }
}

impl From<LayerCount> for ImageError {
    fn from(LayerCount { layers, diff_ids }: LayerCount) -> Self {
        Self::LayerCount { layers, diff_ids }
    }
}
