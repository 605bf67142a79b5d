use std::fmt;

use async_trait::async_trait;

use super::{Committed, Labels, LeaseId, StoreError};
use dray_core::oci::{ChainId, Descriptor, DiffId};

/// Name of a snapshotter, as it is registered in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotterName(String);

impl SnapshotterName {
    /// Takes a name as given. Whether it exists is for the store to say.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of an active snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotKey(String);

impl SnapshotKey {
    /// A name for the extraction of one layer: unique, in the form that containerd's clients use.
    pub fn for_extraction(unique: &str, chain_id: &ChainId) -> Self {
        Self(format!("extract-{unique} {chain_id}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One mount, exactly as the snapshotter gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Type of the file system, such as `overlay` or `bind`.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Where below the root, mostly empty.
    pub target: String,
    /// Options.
    pub options: Vec<String>,
}

/// A committed snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotInfo {
    /// The committed snapshot below; absent at the bottom.
    pub parent: Option<String>,
    /// Labels of the snapshot.
    pub labels: Labels,
}

/// What something takes in a snapshotter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// Answer to the question for a layer.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// An active snapshot was made; the layer is to be applied to these mounts.
    Active(Vec<Mount>),
    /// The store says that the snapshot, or the layer asked for, exists.
    Exists,
}

/// Snapshots of one or more snapshotters.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// What the store knows of a committed layer; `None` if it is not there. Does not protect it.
    async fn stat(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<SnapshotInfo>, StoreError>;

    /// What a committed layer takes, without those below it; `None` if it is not there.
    async fn usage(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<Usage>, StoreError>;

    /// Makes an active snapshot on `parent`. Labels that name a target ask the snapshotter whether it has
    /// that layer already.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if the parent is not there; a pull then starts again
    /// from the bottom.
    async fn prepare(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        parent: Option<&ChainId>,
        labels: &Labels,
    ) -> Result<Prepared, StoreError>;

    /// Makes an active snapshot immutable under a layer's name. The labels must be those of
    /// [`Snapshots::prepare`]; the store does not carry them over.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if the active snapshot or its parent is not there.
    async fn commit(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
        key: &SnapshotKey,
        labels: &Labels,
    ) -> Result<Committed, StoreError>;

    /// Removes an active snapshot. One that is gone is no error. Takes no lease: it ends what the lease protected.
    async fn remove(&self, snapshotter: &SnapshotterName, key: &SnapshotKey) -> Result<(), StoreError>;
}

/// What applying a layer gave.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Digest of the uncompressed bytes that were applied.
    pub diff_id: DiffId,
    /// Number of uncompressed bytes.
    pub size: u64,
}

/// Brings a layer's files onto the mounts of an active snapshot.
#[async_trait]
pub trait Applier: Send + Sync {
    /// Applies a layer whose blob is in the store. Comparing the diff id is for the caller.
    async fn apply(
        &self,
        lease: &LeaseId,
        layer: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Applied, StoreError>;
}
