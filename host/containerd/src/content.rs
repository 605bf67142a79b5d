use async_trait::async_trait;
use bytes::Bytes;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::namespaces_client::NamespacesClient;
use containerd_client::services::v1::{
    AbortRequest, DeleteContentRequest, Info, InfoRequest, ListNamespacesRequest, UpdateRequest,
};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;

use super::answer::answer;
use super::failure::Cause;
use super::ingest::{Existing, Upload};
use super::names::IngestRef;
use super::reading::Reading;
use super::replacement::Replacement;
use super::{Containerd, client, convert, labels};
use dray_core::oci::{Algorithm, Descriptor, Digest};
use dray_ports::{
    BlobFacts, BlobInfo, Class, ContentStore, Ingest, Labels, LeaseId, OpenedIngest, StoreError,
    StoreInfo as _, StoredBytes,
};

#[async_trait]
impl ContentStore for Containerd {
    async fn accepts(&self, algorithm: Algorithm) -> Result<bool, StoreError> {
        Ok(algorithm == Algorithm::Sha256 || follows_the_algorithm(&self.version().await?.version))
    }

    async fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, StoreError> {
        match self.blob_info(digest).await {
            Ok(Blob { size, labels }) => Ok(Some(BlobInfo { size, diff_id: labels::diff_id(&labels) })),
            Err(cause) if cause.class() == Class::NotFound => Ok(None),
            Err(cause) => Err(cause.during(format!("look for blob `{digest}`"))),
        }
    }

    async fn read(&self, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        let during = || format!("read blob `{digest}`");
        let size = self.blob_info(digest).await.map_err(|cause| cause.during(during()))?.size;
        if size > limit {
            let why = format!("it has {size} bytes, the limit is {limit}");
            return Err(StoreError::new(Class::OutOfRange, during()).with_source(why));
        }
        let read = async { Reading::open(self, digest, 0).await?.whole(size).await };
        read.await.map_err(|cause| cause.during(during()))
    }

    async fn stream(&self, digest: &Digest, offset: u64) -> Result<StoredBytes, StoreError> {
        let during = format!("read blob `{digest}`");
        match Reading::open(self, digest, offset).await {
            Ok(reading) => Ok(reading.into_stream(during)),
            Err(cause) => Err(cause.during(during)),
        }
    }

    async fn open_ingest(
        &self,
        lease: &LeaseId,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let finish = |upload| Box::new(upload) as Box<dyn Ingest>;
        Upload::open(self, lease, descriptor, Existing::Stays, finish).await
    }

    async fn open_replacement(
        &self,
        lease: &LeaseId,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let finish = |upload| Box::new(Replacement::new(self, lease, descriptor, upload)) as Box<dyn Ingest>;
        Upload::open(self, lease, descriptor, Existing::IsReplaced, finish).await
    }

    async fn other_owners(&self, digest: &Digest) -> Result<Vec<String>, StoreError> {
        let found = self.namespaces_of(digest).await;
        found.map_err(|cause| cause.during(format!("find the namespaces that have blob `{digest}`")))
    }

    async fn add_facts(&self, digest: &Digest, facts: &BlobFacts) -> Result<(), StoreError> {
        let added = self.add_labels(digest, facts).await;
        added.map_err(|cause| cause.during(format!("set labels of blob `{digest}`")))
    }
}

/// A blob in one namespace.
pub(super) struct Blob {
    pub(super) size: u64,
    pub(super) labels: Labels,
}

impl Containerd {
    pub(super) fn content(&self) -> ContentClient<Channel> {
        client!(self, ContentClient<_>)
    }

    /// Throws away an ingest, also one that another client writes. One that is gone is no error.
    pub(super) async fn abort_ingest(&self, ingest: &IngestRef) -> Result<(), Cause> {
        let abort = AbortRequest { r#ref: ingest.to_string() };
        match answer(self.content().abort(self.request(abort))).await {
            Err(cause) if cause.class() != Class::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    /// The other namespaces that have a record of a blob.
    async fn namespaces_of(&self, digest: &Digest) -> Result<Vec<String>, Cause> {
        let mut client = client!(self, NamespacesClient<_>);
        let listed = answer(client.list(self.request(ListNamespacesRequest::default()))).await?;
        let mut owners = Vec::new();
        for name in listed.namespaces.into_iter().map(|namespace| namespace.name) {
            let Ok(namespace) = AsciiMetadataValue::try_from(&name) else { continue };
            if namespace == self.namespace {
                continue;
            }
            let other = Self { channel: self.channel.clone(), namespace };
            match other.blob_info(digest).await {
                Ok(_) => owners.push(name),
                Err(cause) if cause.class() == Class::NotFound => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(owners)
    }

    /// Removes the record of a blob in this namespace. A missing record is not an error.
    pub(super) async fn delete_blob(&self, digest: &Digest) -> Result<(), Cause> {
        let delete = DeleteContentRequest { digest: digest.to_string() };
        match answer(self.content().delete(self.request(delete))).await {
            Err(cause) if cause.class() != Class::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    /// Writes the labels that a blob lacks. Most blobs have them already, and a write waits for the disk.
    async fn add_labels(&self, digest: &Digest, facts: &BlobFacts) -> Result<(), Cause> {
        let existing = self.blob_info(digest).await?.labels;
        let mut labels = labels::of_blob(facts, &existing);
        labels.retain(|key, value| existing.get(key) != Some(value));
        // An update with an empty mask would remove all labels.
        if labels.is_empty() { Ok(()) } else { self.set_labels(digest, &labels).await }
    }

    /// Sets labels of a blob, at least one. Its other labels stay.
    pub(super) async fn set_labels(&self, digest: &Digest, labels: &Labels) -> Result<(), Cause> {
        let info = Info { digest: digest.to_string(), labels: convert::to_map(labels), ..Info::default() };
        let update = UpdateRequest { info: Some(info), update_mask: Some(convert::label_mask(labels)) };
        answer(self.content().update(self.request(update))).await.map(drop)
    }

    pub(super) async fn blob_info(&self, digest: &Digest) -> Result<Blob, Cause> {
        let request = InfoRequest { digest: digest.to_string() };
        let found = answer(self.content().info(self.request(request))).await?;
        let info = convert::required(found.info, "blob")?;
        Ok(Blob { size: convert::from_signed(info.size)?, labels: convert::from_map(info.labels) })
    }
}

/// Whether a containerd of this version hashes blobs with the algorithm of the expected digest. Versions before 2.3
/// always use sha256, and fail to commit other digests. An unreadable version counts as new.
fn follows_the_algorithm(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    number().zip(number()).is_none_or(|version| version >= (2, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerd_2_3_follows_the_algorithm_of_a_digest() {
        for (version, follows) in [
            ("1.6.20~ds1", false),
            ("v1.7.35", false),
            ("v2.2.9", false),
            ("2.3.0-rc.1", true),
            ("v2.10.0", true),
            ("3.0", true),
            ("unknown", true),
        ] {
            assert_eq!(follows_the_algorithm(version), follows, "{version}");
        }
    }
}
