//! Replaces a damaged blob.
//!
//! containerd keeps one file per blob for all namespaces, and does not overwrite it: if the file exists, a commit
//! discards the new bytes. So first the record of this namespace is removed. Then the collector removes the file,
//! unless another namespace has a record. Then the commit creates both again.

use async_trait::async_trait;
use bytes::Bytes;

use super::Containerd;
use super::failure::Cause;
use super::ingest::Upload;
use super::labels;
use dray_core::oci::Descriptor;
use dray_ports::{BlobFacts, Class, Committed, Ingest, Labels, LeaseId, Leases as _, StoreError};

/// Labels that protect other resources as long as the labelled blob exists.
const REFERENCE: &str = "containerd.io/gc.ref.";

/// An ingest that replaces a blob.
pub(super) struct Replacement {
    store: Containerd,
    lease: LeaseId,
    descriptor: Descriptor,
    upload: Box<Upload>,
}

impl Replacement {
    pub(super) fn new(store: &Containerd, lease: &LeaseId, descriptor: &Descriptor, upload: Upload) -> Self {
        let (store, lease, descriptor) = (store.clone(), lease.clone(), descriptor.clone());
        Self { store, lease, descriptor, upload: Box::new(upload) }
    }

    /// Removes the blob, and waits until its file is collected. Returns its labels.
    async fn make_way(&self) -> Result<Labels, StoreError> {
        let digest = &self.descriptor.digest;
        let during = |cause: Cause| cause.during(format!("remove damaged blob `{digest}`"));
        let labels = match self.store.blob_info(digest).await {
            Ok(info) => info.labels,
            Err(cause) if cause.class() == Class::NotFound => Labels::new(),
            Err(cause) => return Err(during(cause)),
        };
        // Without the blob and its labels, the collector would remove them.
        for (kind, id) in references(&labels) {
            self.store.protect(&self.lease, &kind, id).await.map_err(during)?;
        }
        self.store.delete_blob(digest).await.map_err(during)?;
        self.store.collect().await?;
        Ok(labels)
    }
}

#[async_trait]
impl Ingest for Replacement {
    fn offset(&self) -> u64 {
        self.upload.offset()
    }

    fn restart(&mut self) {
        self.upload.restart();
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.upload.write(bytes).await
    }

    async fn commit(mut self: Box<Self>, facts: &BlobFacts) -> Result<Committed, StoreError> {
        // The old blob is lost with its removal, so all new bytes must be written before.
        self.upload.deliver().await?;
        let mut all = self.make_way().await?;
        let added = labels::of_blob(facts, &all);
        all.extend(added);
        let Self { store, descriptor, upload, .. } = *self;
        let committed = upload.commit_labelled(&all).await?;
        if committed == Committed::Exists {
            // Another client has stored the blob in the meantime, without its labels.
            let during = |cause: Cause| cause.during(format!("set labels of blob `{}`", descriptor.digest));
            if !all.is_empty() {
                store.set_labels(&descriptor.digest, &all).await.map_err(during)?;
            }
        }
        Ok(committed)
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        self.upload.abort().await
    }

    async fn suspend(self: Box<Self>) -> Result<(), StoreError> {
        self.upload.suspend().await
    }
}

/// The resources that labels protect from collection, as types and names.
fn references(labels: &Labels) -> impl Iterator<Item = (String, &str)> {
    labels.iter().filter_map(|(key, value)| {
        // `content`, `content.l.0`, `content/x`, `snapshot.overlayfs` or `snapshot.overlayfs/x`.
        let reference = key.strip_prefix(REFERENCE)?;
        let kind = match reference.strip_prefix("snapshot.") {
            Some(snapshotter) => format!("snapshots/{}", snapshotter.split('/').next().unwrap_or_default()),
            None if reference.starts_with("content") => "content".to_owned(),
            None => return None,
        };
        Some((kind, value.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_in_labels() {
        let labels = [
            ("containerd.io/gc.ref.content.config", "sha256:a"),
            ("containerd.io/gc.ref.content.l.0", "sha256:b"),
            ("containerd.io/gc.ref.snapshot.overlayfs", "sha256:c"),
            ("containerd.io/gc.ref.snapshot.native/more", "sha256:d"),
            ("containerd.io/uncompressed", "sha256:e"),
        ];
        let labels: Labels = labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let found: Vec<_> = references(&labels).collect();
        let found: Vec<_> = found.iter().map(|(kind, id)| (kind.as_str(), *id)).collect();
        assert_eq!(
            found,
            [
                ("content", "sha256:a"),
                ("content", "sha256:b"),
                ("snapshots/native", "sha256:d"),
                ("snapshots/overlayfs", "sha256:c"),
            ]
        );
    }
}
