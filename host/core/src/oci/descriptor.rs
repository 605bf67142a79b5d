use std::collections::BTreeMap;

use super::{Digest, MediaKind, MediaType, Platform};

/// Media type, digest and size of a blob (OCI image specification, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type of the blob.
    pub media_type: MediaType,
    /// Digest of the blob's exact bytes.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Annotations, by key. The author of the image chose them; they are not trusted.
    pub annotations: BTreeMap<String, String>,
    /// URLs outside of the registry, as written.
    pub urls: Vec<String>,
    /// Artifact type, if stated.
    pub artifact_type: Option<MediaType>,
    /// Platform, if stated. Only entries of an index have one.
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor with only the three required members.
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

    /// Whether the blob is a layer. Some manifests list other blobs among their layers.
    pub fn is_layer(&self) -> bool {
        self.media_type.kind() == MediaKind::Layer
    }
}
