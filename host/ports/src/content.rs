use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use super::{LeaseId, SnapshotterName, StoreError};
use dray_core::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, Reference};

/// A blob in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Size in bytes.
    pub size: u64,
    /// The [diff id](BlobFacts::diff_id), if a client has told it.
    pub diff_id: Option<DiffId>,
}

/// What a client knows of a blob. The store keeps it with the blob, in its own form, and adds new facts to old ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobFacts {
    /// What an index or manifest lists, in its order, also what is not in the store. The store keeps each of them, as
    /// soon as it is there, as long as this blob.
    pub children: Vec<Descriptor>,
    /// The repository that the blob comes from; tag and digest do not count. A blob may have several. A store that
    /// has no room for one more leaves it out.
    pub source: Option<Reference>,
    /// The digest of the uncompressed bytes, where the blob is a layer that was applied.
    pub diff_id: Option<DiffId>,
    /// Where the blob is an image config: the top layer of the image in a snapshotter. The store keeps that snapshot,
    /// and those below it, as long as this blob.
    pub snapshot: Option<(SnapshotterName, ChainId)>,
}

/// What opening an ingest found.
pub enum OpenedIngest {
    /// The blob is in the store. The lease protects it from now on.
    Exists,
    /// Another client writes it. Try again after a pause.
    Locked,
    /// The ingest can be written, from its current offset.
    Ready(Box<dyn Ingest>),
}

/// Bytes of a stored blob, in pieces.
pub type StoredBytes = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// This call made it.
    New,
    /// Another client made it before. It is as good as new.
    Exists,
}

/// Blobs, addressed by digest.
#[async_trait]
pub trait ContentStore: Send + Sync {
    /// Whether the store can verify and keep blobs with digests of this algorithm.
    async fn accepts(&self, algorithm: Algorithm) -> Result<bool, StoreError> {
        let _ = algorithm;
        Ok(true)
    }

    /// The facts about a blob. `None` if the store does not have it. Does not protect it from collection.
    async fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, StoreError>;

    /// Reads a whole blob.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if it is not there, with
    /// [`Class::OutOfRange`](super::Class::OutOfRange) if it has more than `limit` bytes, and with
    /// [`Class::Damaged`](super::Class::Damaged) if the store has not all of the bytes that it ought to have.
    async fn read(&self, digest: &Digest, limit: u64) -> Result<Bytes, StoreError>;

    /// Reads a blob from an offset to its end, in pieces of 4 MiB at most. The store reads ahead by a few pieces only,
    /// however large the blob is. Dropping the stream ends the reading.
    ///
    /// Nothing is checked: the stream may end too early where the store has lost bytes.
    ///
    /// # Errors
    ///
    /// This, or the first piece, fails with [`Class::NotFound`](super::Class::NotFound) if the blob is not there, with
    /// [`Class::OutOfRange`](super::Class::OutOfRange) if the blob ends before the offset, and with
    /// [`Class::Damaged`](super::Class::Damaged) if the store has a record of the blob and none of its bytes. Nothing
    /// comes after a failure.
    async fn stream(&self, digest: &Digest, offset: u64) -> Result<StoredBytes, StoreError>;

    /// Opens the ingest of a blob, or finds the blob already there. One client at a time writes an ingest, and the
    /// others wait for its result. Clients of the same descriptor share one ingest; those that know the blob as
    /// something else, say as a config and not as a layer, may have one each.
    ///
    /// The offset of an ingest that is [ready](OpenedIngest::Ready) is at most the size that the descriptor states:
    /// what is longer cannot become this blob, and the store throws it away.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if the lease is gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future may leave the ingest locked for a moment.
    async fn open_ingest(&self, lease: &LeaseId, descriptor: &Descriptor)
    -> Result<OpenedIngest, StoreError>;

    /// Opens an ingest that takes the place of a blob whose bytes are damaged. The blob stays as it is until the
    /// commit. Its facts outlast the commit, which adds to them. The lease protects meanwhile what the blob refers to.
    ///
    /// The commit also succeeds where the store keeps the damaged bytes because
    /// [others have the blob](ContentStore::other_owners). To find out, read the blob. The answer is never
    /// [`Exists`](OpenedIngest::Exists).
    async fn open_replacement(
        &self,
        lease: &LeaseId,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError>;

    /// Who else has a blob: the names of those who share its bytes, such as other namespaces of a containerd. Empty
    /// in a store that is not shared.
    async fn other_owners(&self, digest: &Digest) -> Result<Vec<String>, StoreError>;

    /// Adds to what the store knows of a blob. Takes no lease: a fact protects other blobs, and not this one.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if the blob is not there.
    async fn add_facts(&self, digest: &Digest, facts: &BlobFacts) -> Result<(), StoreError>;
}

/// A write in progress. It holds the store's lock on its name until it is committed, aborted or dropped.
#[async_trait]
pub trait Ingest: Send {
    /// The offset of the next byte. A new ingest starts at 0, an interrupted one where it stopped.
    fn offset(&self) -> u64;

    /// Returns to the beginning: the next write replaces all bytes before.
    fn restart(&mut self);

    /// Appends bytes. May return before the store has confirmed them; a later call then returns the error.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Finishes the blob: the store checks size and digest of everything that was written. No client sees the blob
    /// without these facts.
    ///
    /// A blob that turns out to [exist](Committed::Exists) keeps the facts that it has, and gets none of these.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::FailedPrecondition`](super::Class::FailedPrecondition) if size or digest differ. The
    /// ingest is then removed, because a later try would fail with the same bytes. After another failure it may stay
    /// until the lease ends.
    async fn commit(self: Box<Self>, facts: &BlobFacts) -> Result<Committed, StoreError>;

    /// Removes the written bytes, and then releases the lock.
    async fn abort(self: Box<Self>) -> Result<(), StoreError>;

    /// Keeps what was written for a later try, and gives up the lock. The store keeps it for about a day,
    /// whatever becomes of the lease. A client that opens the ingest in that time goes on from there.
    async fn suspend(self: Box<Self>) -> Result<(), StoreError>;
}
