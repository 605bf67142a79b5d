//! Parts of the output for programs that several commands have in common.

use std::collections::HashSet;
use std::time::SystemTime;

use serde::Serialize;

use crate::cli::amounts;
use crate::image::{BlobRole, ManifestState, MissingBlob};
use crate::oci::{Descriptor, Digest, MediaType};

/// A descriptor.
#[derive(Serialize)]
pub(super) struct WrittenDescriptor {
    pub(super) media_type: MediaType,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl From<&Descriptor> for WrittenDescriptor {
    fn from(descriptor: &Descriptor) -> Self {
        let Descriptor { media_type, digest, size, .. } = descriptor.clone();
        Self { media_type, digest, size }
    }
}

/// A blob that is not in the content store.
#[derive(Serialize)]
pub(super) struct WrittenBlob {
    role: &'static str,
    #[serde(flatten)]
    descriptor: WrittenDescriptor,
    /// Whether it is a layer that is unpacked.
    unpacked: bool,
}

impl From<&MissingBlob> for WrittenBlob {
    fn from(blob: &MissingBlob) -> Self {
        Self { role: blob.role.as_str(), descriptor: (&blob.descriptor).into(), unpacked: blob.unpacked }
    }
}

/// A time in UTC, as in `2026-01-31T23:59:59Z`.
pub(super) fn time(time: SystemTime) -> String {
    // What cannot be counted was no time.
    let timestamp = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::Timestamp::from_second(timestamp.as_second()).unwrap_or(timestamp).to_string()
}

/// What an image has and lacks, for people: `complete`, `missing: config, 2 layers`.
pub(super) fn state(manifest: &ManifestState) -> String {
    match (manifest.is_complete(), manifest.unpacked) {
        (true, true) => "complete".to_owned(),
        (true, false) => "complete, not unpacked".to_owned(),
        (false, _) => lacking(&manifest.missing_blobs),
    }
}

/// `missing: config, 2 layers`. Layers that are unpacked are not counted, and no blob is counted twice.
pub(super) fn lacking(blobs: &[MissingBlob]) -> String {
    let mut seen = HashSet::new();
    let needed: Vec<&MissingBlob> =
        blobs.iter().filter(|blob| !blob.unpacked && seen.insert(&blob.descriptor.digest)).collect();
    let roles = [BlobRole::Index, BlobRole::Manifest, BlobRole::Config, BlobRole::Layer, BlobRole::Other];
    let counted = roles.into_iter().filter_map(|role| {
        let number = needed.iter().filter(|blob| blob.role == role).count();
        match (number, role) {
            (0, _) => None,
            (1, BlobRole::Index | BlobRole::Manifest | BlobRole::Config) => Some(role.as_str().to_owned()),
            (2.., BlobRole::Index) => Some(format!("{number} indexes")),
            _ => Some(amounts::count(number, role.as_str())),
        }
    });
    format!("missing: {}", counted.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;
    use crate::verify::digest_of;

    fn blob(role: BlobRole, text: &str, unpacked: bool) -> MissingBlob {
        let digest = digest_of(Algorithm::Sha256, text.as_bytes());
        MissingBlob { role, descriptor: Descriptor::new(MediaType::new("x/y"), digest, 1), unpacked }
    }

    #[test]
    fn what_is_lacking_is_counted() {
        let blobs = [
            blob(BlobRole::Layer, "a", false),
            blob(BlobRole::Layer, "a", false),
            blob(BlobRole::Layer, "b", true),
            blob(BlobRole::Layer, "c", false),
            blob(BlobRole::Config, "d", false),
        ];
        assert_eq!(lacking(&blobs), "missing: config, 2 layers");
        let indexes = ["a", "b"].map(|text| blob(BlobRole::Index, text, false));
        assert_eq!(lacking(&indexes), "missing: 2 indexes");
        assert_eq!(lacking(&indexes[..1]), "missing: index");
    }

    #[test]
    fn times_have_whole_seconds() {
        assert_eq!(time(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_769_903_999_900);
        assert_eq!(time(later), "2026-01-31T23:59:59Z");
    }
}
