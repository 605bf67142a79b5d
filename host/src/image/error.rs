use crate::oci::{Digest, DocumentError, MediaType, Platform};
use crate::ports::{PluginFailure, StoreError};
use crate::verify::Mismatch;

/// Why the store cannot tell what was asked of an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is no record.
    #[error("there is no image `{name}`")]
    NoRecord {
        /// What was asked for.
        name: String,
    },
    /// The beginning of a digest is that of several images.
    #[error("`{name}` is the beginning of the digest of {} images", .images.len())]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// Digest and a name of each.
        images: Vec<(Digest, String)>,
    },
    /// A blob that the image needs is not in the store.
    #[error("{what} {digest} is not in the content store")]
    MissingBlob {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
    },
    /// The store has other bytes than the descriptor says.
    #[error("the content store has a wrong {what}")]
    Mismatch {
        /// Which kind of blob.
        what: &'static str,
        /// How they differ.
        #[source]
        source: Mismatch,
    },
    /// A document is larger than what is read.
    #[error("{what} {digest} has {size} bytes, at most {limit} are accepted")]
    TooLarge {
        /// Which kind of blob.
        what: &'static str,
        /// The blob.
        digest: Digest,
        /// Its size.
        size: u64,
        /// The bound.
        limit: u64,
    },
    /// Too many of something.
    #[error("{digest} has {found} {what}, at most {limit} are accepted")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The blob that lists them.
        digest: Digest,
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// Index, manifest or config cannot be used.
    #[error("{digest} cannot be used")]
    Document {
        /// The blob.
        digest: Digest,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// Manifest and config disagree.
    #[error("the manifest has {layers} layers and the image config {diff_ids} diff ids")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff ids in the config.
        diff_ids: usize,
    },
    /// What the record stands for is no image.
    #[error("{digest} is not a container image: it is of type `{media_type}`")]
    NotAnImage {
        /// The blob.
        digest: Digest,
        /// What it is.
        media_type: MediaType,
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
    #[error("containerd failed while {doing}")]
    Store {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl ImageError {
    pub(super) fn plugin(source: PluginFailure) -> Self {
        Self::Plugin { source }
    }

    pub(super) fn store(doing: impl Into<String>) -> impl FnOnce(StoreError) -> Self {
        let doing = doing.into();
        |source| Self::Store { doing, source }
    }
}
