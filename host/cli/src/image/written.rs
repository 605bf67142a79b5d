//! Parts of the JSON output that several commands share.

use std::collections::HashSet;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::amounts;
use crate::failure::{Failure, message_of};
use dray::image::{BlobRole, DamagedBlob, ManifestState, MissingBlob};
use dray::oci::{Descriptor, Digest, MediaType, in_unicode};

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

/// A blob that is not in the content store, or damaged there.
#[derive(Serialize)]
pub(super) struct WrittenBlob {
    role: &'static str,
    #[serde(flatten)]
    descriptor: WrittenDescriptor,
    /// Whether it is a layer that is unpacked.
    unpacked: bool,
    /// How it is damaged; absent if it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

impl From<&MissingBlob> for WrittenBlob {
    fn from(MissingBlob { role, descriptor, unpacked }: &MissingBlob) -> Self {
        Self { role: role.as_str(), descriptor: descriptor.into(), unpacked: *unpacked, damage: None }
    }
}

impl From<&DamagedBlob> for WrittenBlob {
    fn from(DamagedBlob { role, descriptor, unpacked, damage }: &DamagedBlob) -> Self {
        let damage = Some(message_of(damage));
        Self { role: role.as_str(), descriptor: descriptor.into(), unpacked: *unpacked, damage }
    }
}

/// A document as stored, in valid Unicode. Unused members may hold values that no type could hold.
pub(super) fn json(bytes: &[u8]) -> Result<Box<RawValue>, Failure> {
    serde_json::from_str(&in_unicode(bytes))
        .map_err(|error| Failure::internal("cannot read the document again", &error))
}

/// A time in UTC, as in `2026-01-31T23:59:59Z`.
pub(super) fn time(time: SystemTime) -> String {
    // A time out of range becomes the epoch.
    let timestamp = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::Timestamp::from_second(timestamp.as_second()).unwrap_or(timestamp).to_string()
}

/// The state of an image as text: `complete`, `damaged: manifest`, `missing: config, 2 layers`, or
/// [`lacking_to_push`].
pub(super) fn state(manifest: &ManifestState) -> String {
    match (manifest.is_complete(), manifest.unpacked) {
        (true, true) => lacking_to_push(manifest).unwrap_or_else(|| "complete".to_owned()),
        (true, false) => "complete, not unpacked".to_owned(),
        (false, _) => lacking(&manifest.missing_blobs, &manifest.damaged_blobs),
    }
}

/// `complete to run; 3 blobs of 12.0 MiB are missing to push or save`, if that is so. No blob is counted twice.
pub(super) fn lacking_to_push(manifest: &ManifestState) -> Option<String> {
    let mut seen = HashSet::new();
    let missing = manifest.missing_blobs.iter().map(|blob| &blob.descriptor);
    let missing: Vec<_> = missing.filter(|blob| seen.insert(&blob.digest)).collect();
    if !manifest.is_complete() || !manifest.unpacked || missing.is_empty() {
        return None;
    }
    let bytes = missing.iter().fold(0, |sum: u64, blob| sum.saturating_add(blob.size));
    let verb = if missing.len() == 1 { "is" } else { "are" };
    let (blobs, bytes) = (amounts::count(missing.len(), "blob"), amounts::bytes(bytes));
    Some(format!("complete to run; {blobs} of {bytes} {verb} missing to push or save"))
}

/// `damaged: manifest; missing: config, 2 layers`. Unpacked layers are not counted, and no blob is counted twice.
pub(super) fn lacking<'a>(
    missing: &[MissingBlob],
    damaged: impl IntoIterator<Item = &'a DamagedBlob>,
) -> String {
    let damaged = damaged.into_iter().filter(|blob| !blob.unpacked);
    let damaged = count(damaged.map(|blob| (blob.role, &blob.descriptor.digest)));
    let missing = missing.iter().filter(|blob| !blob.unpacked);
    let missing = count(missing.map(|blob| (blob.role, &blob.descriptor.digest)));
    let parts = [("damaged", damaged), ("missing", missing)];
    let parts = parts.into_iter().filter(|(_, counted)| !counted.is_empty());
    parts.map(|(what, counted)| format!("{what}: {counted}")).collect::<Vec<_>>().join("; ")
}

/// `config, 2 layers`. No blob is counted twice.
pub(super) fn count<'a>(blobs: impl Iterator<Item = (BlobRole, &'a Digest)>) -> String {
    let mut seen = HashSet::new();
    let distinct: Vec<BlobRole> =
        blobs.filter(|(_, digest)| seen.insert(*digest)).map(|(role, _)| role).collect();
    let roles = [BlobRole::Index, BlobRole::Manifest, BlobRole::Config, BlobRole::Layer, BlobRole::Other];
    let counted = roles.into_iter().filter_map(|role| {
        let number = distinct.iter().filter(|other| **other == role).count();
        match (number, role) {
            (0, _) => None,
            (1, BlobRole::Index | BlobRole::Manifest | BlobRole::Config) => Some(role.as_str().to_owned()),
            (2.., BlobRole::Index) => Some(format!("{number} indexes")),
            _ => Some(amounts::count(number, role.as_str())),
        }
    });
    counted.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray::image::Damage;
    use dray::oci::Algorithm;
    use dray::ports::{Class, StoreError};
    use dray::verify::digest_of;

    fn blob(role: BlobRole, text: &str, unpacked: bool) -> MissingBlob {
        let digest = digest_of(Algorithm::Sha256, text.as_bytes());
        MissingBlob { role, descriptor: Descriptor::new(MediaType::new("x/y"), digest, 1), unpacked }
    }

    #[test]
    fn missing_and_damaged_blobs_are_counted() {
        let blobs = [
            blob(BlobRole::Layer, "a", false),
            blob(BlobRole::Layer, "a", false),
            blob(BlobRole::Layer, "b", true),
            blob(BlobRole::Layer, "c", false),
            blob(BlobRole::Config, "d", false),
        ];
        assert_eq!(lacking(&blobs, []), "missing: config, 2 layers");
        let indexes = ["a", "b"].map(|text| blob(BlobRole::Index, text, false));
        assert_eq!(lacking(&indexes, []), "missing: 2 indexes");
        assert_eq!(lacking(&indexes[..1], []), "missing: index");
        let lost = StoreError::new(Class::Damaged, "read it");
        let MissingBlob { role, descriptor, unpacked } = blob(BlobRole::Manifest, "e", false);
        let damaged = DamagedBlob { role, descriptor, unpacked, damage: Damage::Lost(lost) };
        assert_eq!(lacking(&indexes[..1], [&damaged]), "damaged: manifest; missing: index");
    }

    #[test]
    fn times_have_whole_seconds() {
        assert_eq!(time(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_769_903_999_900);
        assert_eq!(time(later), "2026-01-31T23:59:59Z");
    }
}
