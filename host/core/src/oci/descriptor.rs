use std::collections::BTreeMap;

use super::{Digest, MediaKind, MediaType, Platform};

/// Media type, digest and size of a blob (OCI image specification, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Kind of the blob.
    pub media_type: MediaType,
    /// Digest of the blob's exact bytes.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Annotations, by key. From whoever made the image; not to be trusted.
    pub annotations: BTreeMap<String, String>,
    /// Other places of the blob, as written.
    pub urls: Vec<String>,
    /// Artifact type, where stated.
    pub artifact_type: Option<MediaType>,
    /// Platform, where stated: in the entries of an index.
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor with nothing but the three required members.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
            artifact_type: None,
            platform: None,
        }
    }

    /// Whether the blob is a layer, and not something else that a manifest lists beside its layers.
    pub fn is_layer(&self) -> bool {
        self.media_type.kind() == MediaKind::Layer
    }
}
