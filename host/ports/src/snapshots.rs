use std::fmt;

use async_trait::async_trait;

use super::{Committed, Labels, LeaseId, StoreError};
use dray_core::oci::{ChainId, Descriptor, DiffId};

/// Name of a snapshotter, as it is registered in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotterName(String);

impl SnapshotterName {
    /// Takes a name as given, without checking that the snapshotter exists.
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
    /// Takes the name that a store gave.
    pub fn from_store(key: impl Into<String>) -> Self {
        Self(key.into())
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

/// A mount, exactly as the snapshotter returned it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Type of the file system, such as `overlay` or `bind`.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// The target below the root, usually empty.
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

/// Disk usage in a snapshotter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on the disk.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// A layer that a snapshot is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The layer, with all below it.
    pub chain_id: ChainId,
    /// What the plan tells the snapshotter of it. The snapshot keeps them.
    pub labels: Labels,
}

/// What came of preparing a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// There is an active snapshot now. The layer is to be applied to these mounts.
    Active(Vec<Mount>),
    /// There is an active snapshot now, which has the content of the layer already. It is to be committed as it is.
    Filled,
    /// The target exists. If the snapshotter can provide layers by itself, it may have made it for this call.
    Exists,
}

/// Snapshots of one or more snapshotters.
#[async_trait]
pub trait Snapshots: Send + Sync {
    /// The facts about a committed layer. `None` if it does not exist. Does not protect it from collection.
    async fn stat(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<SnapshotInfo>, StoreError>;

    /// The disk usage of a committed layer, without those below it. `None` if it does not exist.
    async fn usage(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<Usage>, StoreError>;

    /// Finds out whether a snapshotter answers, by a question without a lasting effect. What an abandoned call leaves is
    /// protected by nothing, and the store collects it.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::Unavailable`](super::Class::Unavailable) if the snapshotter cannot be reached.
    async fn probe(&self, snapshotter: &SnapshotterName) -> Result<(), StoreError>;

    /// A new name for an active snapshot of a layer, which no other snapshot has. It is made before
    /// [`prepare`](Snapshots::prepare) is called, so that the snapshot can be removed also where the answer is lost.
    fn new_key(&self, chain_id: &ChainId) -> SnapshotKey;

    /// Makes an active snapshot on `parent`. With a target, the snapshotter is also asked whether it has that layer,
    /// or can provide it. Without one, the answer is an active snapshot.
    ///
    /// Does not wait for other active snapshots of the same target: each client gets its own, and the first to
    /// [commit](Snapshots::commit) makes the layer. To save work, a store may let the later ones wait in
    /// [`Applier::apply`].
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if the parent does not exist; a pull then restarts at
    /// the bottom. Fails with [`Class::InvalidArgument`](super::Class::InvalidArgument) if there is no such
    /// snapshotter.
    ///
    /// # Cancellation
    ///
    /// Dropping the future may leave the active snapshot: [remove](Snapshots::remove) it.
    async fn prepare(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        parent: Option<&ChainId>,
        target: Option<&Target>,
    ) -> Result<Prepared, StoreError>;

    /// Makes an active snapshot immutable as its target. The snapshot gets the target's labels, whatever it was
    /// prepared with. Where the answer is [`Exists`](Committed::Exists), the active snapshot is still there.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if the active snapshot or its parent is not there.
    async fn commit(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        target: &Target,
    ) -> Result<Committed, StoreError>;

    /// Reads the root of a committed layer as a container would, through a view that is removed again. Says how many
    /// entries there are.
    ///
    /// For snapshotters that answer without having seen the layer: whether its files can be read shows here.
    ///
    /// # Errors
    ///
    /// Fails if the snapshotter gives no view or its files cannot be read. The view may be left after a failure to remove
    /// it, under the lease.
    async fn read_root(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<usize, StoreError>;

    /// Removes an active snapshot. A missing one is not an error. Takes no lease, because it adds nothing.
    async fn remove(&self, snapshotter: &SnapshotterName, key: &SnapshotKey) -> Result<(), StoreError>;
}

/// The result of applying a layer.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Digest of the uncompressed bytes that were applied.
    pub diff_id: DiffId,
    /// Number of uncompressed bytes.
    pub size: u64,
}

/// Applies layers to the mounts of active snapshots.
#[async_trait]
pub trait Applier: Send + Sync {
    /// Applies a layer whose blob is in the store. The caller compares the diff id.
    ///
    /// May wait for another client that applies the same layer, and then use what that one has made.
    ///
    /// # Errors
    ///
    /// Fails if the blob is not there or is not a layer. What the snapshot holds then is undefined: remove it.
    ///
    /// # Cancellation
    ///
    /// After the future was dropped, the store may go on for a while. Removing the snapshot ends that.
    async fn apply(
        &self,
        lease: &LeaseId,
        layer: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Applied, StoreError>;
}
