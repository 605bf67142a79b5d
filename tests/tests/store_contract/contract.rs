//! What every store must do, whatever it is made of: the contract of the store ports as functions.
//!
//! A new store is a [`Subject`], for which all of them hold.

use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use dray::oci::{Algorithm, Descriptor, DiffId, MediaType};
use dray::ports::{
    BlobFacts, Committed, Ingest, LeaseId, OpenedIngest, Prepared, SnapshotKey, SnapshotterName, Store,
    Target,
};
use dray::verify::digest_of;

pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const MIB: usize = 1024 * 1024;
pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// Nothing is known of a blob.
pub(crate) const NOTHING: BlobFacts =
    BlobFacts { children: Vec::new(), source: None, diff_id: None, snapshot: None };

/// A store of which the contract must hold. It is empty at first.
pub(crate) struct Subject {
    pub(crate) ports: Store,
    /// A snapshotter that works.
    pub(crate) snapshotter: SnapshotterName,
}

impl Subject {
    /// Opens an ingest that no other client writes. The lock of a writer that was dropped may need a moment to
    /// become free.
    pub(crate) async fn open(&self, lease: &LeaseId, blob: &Descriptor) -> Result<Box<dyn Ingest>> {
        for _ in 0..200 {
            match self.ports.content.open_ingest(lease, blob).await? {
                OpenedIngest::Ready(ingest) => return Ok(ingest),
                OpenedIngest::Exists => bail!("blob `{}` is there already", blob.digest),
                OpenedIngest::Locked => tokio::time::sleep(Duration::from_millis(25)).await,
            }
        }
        bail!("the lock on `{}` does not become free", blob.digest)
    }

    /// Opens the ingest that a client has which takes the same blob for something else. `None` in a store that has
    /// one ingest for a blob, whatever it is taken for: there, that client waits.
    pub(crate) async fn open_as_other(
        &self,
        lease: &LeaseId,
        blob: &Descriptor,
    ) -> Result<Option<Box<dyn Ingest>>> {
        let other = Descriptor { media_type: MediaType::new("application/octet-stream"), ..blob.clone() };
        match self.ports.content.open_ingest(lease, &other).await? {
            OpenedIngest::Ready(ingest) => Ok(Some(ingest)),
            OpenedIngest::Locked => Ok(None),
            OpenedIngest::Exists => bail!("blob `{}` is there already", blob.digest),
        }
    }

    pub(crate) async fn ingest(&self, lease: &LeaseId, media_type: &str, bytes: &[u8]) -> Result<Descriptor> {
        self.ingest_with(lease, media_type, bytes, &NOTHING).await
    }

    pub(crate) async fn ingest_with(
        &self,
        lease: &LeaseId,
        media_type: &str,
        bytes: &[u8],
        facts: &BlobFacts,
    ) -> Result<Descriptor> {
        let blob = describe(media_type, bytes);
        let mut ingest = self.open(lease, &blob).await?;
        ingest.write(Bytes::copy_from_slice(bytes)).await?;
        assert_eq!(ingest.commit(facts).await?, Committed::New);
        Ok(blob)
    }

    pub(crate) async fn has(&self, blob: &Descriptor) -> Result<bool> {
        Ok(self.ports.content.info(&blob.digest).await?.is_some())
    }

    /// Collects, when the grace of what nothing keeps is over.
    pub(crate) async fn collect_after_grace(&self) -> Result<()> {
        self.ports.leases.collect().await?;
        let grace = self.ports.leases.grace();
        if !grace.is_zero() {
            tokio::time::sleep(grace).await;
            self.ports.leases.collect().await?;
        }
        Ok(())
    }

    /// Makes a layer that has no other below it: stores its blob, applies and commits it.
    pub(crate) async fn unpack(&self, lease: &LeaseId, gzip: &[u8], target: &Target) -> Result<Descriptor> {
        let blob = self.ingest(lease, LAYER, gzip).await?;
        let (snapshots, snapshotter) = (&self.ports.snapshots, &self.snapshotter);
        let key = snapshots.new_key(&target.chain_id);
        let mounts = self.prepare(lease, &key, target).await?;
        self.ports.applier.apply(lease, &blob, &mounts).await?;
        let committed = snapshots.commit(lease, snapshotter, &key, target).await?;
        assert_eq!(committed, Committed::New);
        Ok(blob)
    }

    /// Prepares the lowest layer of an image, which must not be there.
    pub(crate) async fn prepare(
        &self,
        lease: &LeaseId,
        key: &SnapshotKey,
        target: &Target,
    ) -> Result<Vec<dray::ports::Mount>> {
        let snapshots = &self.ports.snapshots;
        match snapshots.prepare(lease, &self.snapshotter, key, None, Some(target)).await? {
            Prepared::Active(mounts) => Ok(mounts),
            other => bail!("a new layer is {other:?}"),
        }
    }
}

pub(crate) fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    let digest = digest_of(Algorithm::Sha256, bytes);
    Descriptor::new(MediaType::new(media_type), digest, bytes.len() as u64)
}

/// Bytes that are the same in every run, different for every seed, and do not repeat at the size of a
/// message.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(step).flatten().take(length).collect()
}

/// A gzip layer with one file, and the digest of the tar inside.
pub(crate) fn layer(file: &str, text: &str) -> Result<(Vec<u8>, DiffId)> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, file, text.as_bytes())?;
    let tar = archive.into_inner()?;
    let diff_id = DiffId::from_uncompressed(digest_of(Algorithm::Sha256, &tar));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &tar)?;
    Ok((gzip.finish()?, diff_id))
}
