use std::fmt;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

use super::{Labels, LeaseId, StoreError};
use dray_core::oci::{Algorithm, Descriptor, Digest, MediaKind};

/// Name of an ingest. Clients that write the same blob use the same name on purpose: the store lets one of
/// them write, and the others wait for its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IngestRef(String);

impl IngestRef {
    /// The name that containerd's own clients give to the ingest of a blob.
    pub fn of(descriptor: &Descriptor) -> Self {
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

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IngestRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A blob in the store.
#[derive(Clone, Debug)]
pub struct BlobInfo {
    /// Size in bytes.
    pub size: u64,
    /// Labels of the blob.
    pub labels: Labels,
}

/// What opening an ingest found.
pub enum OpenedIngest {
    /// The blob is in the store; the lease protects it now.
    Exists,
    /// Another client is writing it. Try again after a pause.
    Locked,
    /// Ready to be written, from the ingest's current offset.
    Ready(Box<dyn Ingest>),
}

/// Bytes of a blob in the store, in the pieces in which they are read.
pub type StoredBytes = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// What a commit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// This call made it.
    New,
    /// It was there already, by somebody else. As good as new.
    Exists,
}

/// Blobs, addressed by digest.
#[async_trait]
pub trait ContentStore: Send + Sync {
    /// Whether the store can verify, and so keep, blobs whose digests are of this algorithm.
    async fn accepts(&self, algorithm: Algorithm) -> Result<bool, StoreError> {
        let _ = algorithm;
        Ok(true)
    }

    /// What the store knows of a blob; `None` if the blob is not there. Does not protect it.
    async fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, StoreError>;

    /// Reads a whole blob.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if it is not there, with
    /// [`Class::OutOfRange`](super::Class::OutOfRange) if it has more than `limit` bytes, and with
    /// [`Class::Damaged`](super::Class::Damaged) if the store has not all of the bytes that it ought to have.
    async fn read(&self, digest: &Digest, limit: u64) -> Result<Bytes, StoreError>;

    /// Reads a blob from an offset to its end. Nothing is checked: the stream may end too early where the store has
    /// lost bytes.
    ///
    /// # Errors
    ///
    /// This, or the first piece, fails with [`Class::NotFound`](super::Class::NotFound) if the blob is not there, with
    /// [`Class::OutOfRange`](super::Class::OutOfRange) if the blob ends before the offset, and with
    /// [`Class::Damaged`](super::Class::Damaged) if the store has a record of the blob and none of its bytes.
    async fn stream(&self, digest: &Digest, offset: u64) -> Result<StoredBytes, StoreError>;

    /// Opens the ingest of a blob, or finds the blob already there. The offset of an ingest that is
    /// [ready](OpenedIngest::Ready) is at most the size that the descriptor states: what is longer cannot become this
    /// blob, and the store throws it away.
    async fn open_ingest(
        &self,
        lease: &LeaseId,
        ingest: &IngestRef,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError>;

    /// Opens an ingest that takes the place of a blob whose bytes are damaged. The blob stays as it is until the
    /// commit. It then keeps its labels, and gets those of the commit as well; what it refers to is protected by the
    /// lease meanwhile.
    ///
    /// The commit succeeds also where the store keeps the damaged bytes, because
    /// [others have the blob](ContentStore::other_owners). To know, read the blob. The answer is never
    /// [`Exists`](OpenedIngest::Exists).
    async fn open_replacement(
        &self,
        lease: &LeaseId,
        ingest: &IngestRef,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError>;

    /// Who else has a blob: names of the namespaces that share its bytes with this one.
    async fn other_owners(&self, digest: &Digest) -> Result<Vec<String>, StoreError>;

    /// Sets labels of a blob; its other labels stay. Takes no lease: a label protects others, not the blob itself.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::NotFound`](super::Class::NotFound) if the blob is not there.
    async fn set_labels(&self, digest: &Digest, labels: &Labels) -> Result<(), StoreError>;
}

/// A write in progress. It holds the store's lock on its name until it is committed, aborted or dropped.
#[async_trait]
pub trait Ingest: Send {
    /// Where the next byte goes. A new ingest begins at 0; one that was interrupted goes on where it stopped.
    fn offset(&self) -> u64;

    /// Goes back to the beginning: the next write takes the place of all that was written.
    fn restart(&mut self);

    /// Appends bytes. May return before the store has confirmed them; an error then comes from a later
    /// call.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;

    /// Finishes the blob, with its first labels: the store checks size and digest of everything written. Nobody sees
    /// the blob without its labels.
    ///
    /// A blob that turns out to [exist](Committed::Exists) keeps the labels that it has, and gets none of these.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::FailedPrecondition`](super::Class::FailedPrecondition) if size or digest
    /// differ. The ingest is then thrown away: a later try would find the same bytes and fail in the same way.
    /// After another failure it may stay until the lease ends.
    async fn commit(self: Box<Self>, labels: &Labels) -> Result<Committed, StoreError>;

    /// Throws away what was written, and then gives up the lock.
    async fn abort(self: Box<Self>) -> Result<(), StoreError>;

    /// Keeps what was written for a later try, and gives up the lock. The store keeps it for about a day,
    /// whatever becomes of the lease; whoever opens the ingest in that time goes on from there.
    async fn suspend(self: Box<Self>) -> Result<(), StoreError>;
}
