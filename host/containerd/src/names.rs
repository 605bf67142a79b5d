//! Names that containerd's own clients give, so that clients that do the same work meet.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

use dray_core::oci::{ChainId, Descriptor, MediaKind};
use dray_ports::SnapshotKey;

/// Name of an ingest. Clients that write the same blob use the same name: containerd lets one of them write, and the
/// others wait for its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IngestRef(String);

impl IngestRef {
    pub(super) fn of(descriptor: &Descriptor) -> Self {
        let prefix = match descriptor.media_type.kind() {
            MediaKind::Index => "index",
            MediaKind::Manifest => "manifest",
            MediaKind::Layer => "layer",
            MediaKind::ImageConfig => "config",
            MediaKind::Schema1 | MediaKind::Other => "unknown",
        };
        match descriptor.annotations.get("org.opencontainers.image.ref.name") {
            Some(name) => Self(format!("{prefix}-{name}@{}", descriptor.digest)),
            None => Self(format!("{prefix}-{}", descriptor.digest)),
        }
    }
}

impl fmt::Display for IngestRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name for the extraction of one layer.
pub(super) fn extraction_key(chain_id: &ChainId) -> SnapshotKey {
    SnapshotKey::from_store(format!("extract-{} {chain_id}", unique()))
}

/// A name for a view by which the files of a layer are read.
pub(super) fn view_key(chain_id: &ChainId) -> SnapshotKey {
    SnapshotKey::from_store(format!("dray-view-{} {chain_id}", unique()))
}

/// A name for the snapshot by which a snapshotter is asked whether it answers.
pub(super) fn probe_key() -> SnapshotKey {
    SnapshotKey::from_store(format!("dray-probe-{}", unique()))
}

/// Something that no other client has: the nanoseconds within the second, and four random characters.
pub(super) fn unique() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    format!("{nanos}-{}", URL_SAFE.encode(rand::random::<[u8; 3]>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray_core::oci::{DiffId, Digest, MediaType};

    fn digest() -> Digest {
        Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap()
    }

    #[test]
    fn ingests_are_named_by_what_the_blob_is() {
        for (media_type, prefix) in [
            (MediaType::OCI_INDEX, "index"),
            (MediaType::OCI_MANIFEST, "manifest"),
            (MediaType::DOCKER_CONFIG, "config"),
            ("application/vnd.oci.image.layer.v1.tar+gzip", "layer"),
            ("text/plain", "unknown"),
        ] {
            let mut blob = Descriptor::new(MediaType::new(media_type), digest(), 1);
            assert_eq!(IngestRef::of(&blob).to_string(), format!("{prefix}-{}", digest()));
            blob.annotations.insert("org.opencontainers.image.ref.name".to_owned(), "1.0".to_owned());
            assert_eq!(IngestRef::of(&blob).to_string(), format!("{prefix}-1.0@{}", digest()));
        }
    }

    #[test]
    fn keys_of_extractions_are_unique_and_name_the_chain() {
        let chain_id = ChainId::bottom(&DiffId::from_uncompressed(digest()));
        let key = extraction_key(&chain_id).to_string();
        let (unique, chain) = key.strip_prefix("extract-").unwrap().split_once(' ').unwrap();
        assert_eq!(chain, chain_id.as_str());
        let (nanos, random) = unique.split_once('-').unwrap();
        assert!(nanos.parse::<u32>().unwrap() < 1_000_000_000);
        assert_eq!(random.len(), 4);
        assert_ne!(key, extraction_key(&chain_id).to_string());
    }
}
