//! Fetches one blob into the content store, verified.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::PullError;
use super::blob::Blob;
use super::stop::Stop;
use crate::stream::{Piece, VerifiedStream, read_document};
use dray_core::oci::{Descriptor, Digest, Reference};
use dray_core::verify::Mismatch;
use dray_ports::{
    BlobFacts, BlobInfo, Class, Committed, ContentStore, Ingest, LeaseId, OpenedIngest, Registry,
};

/// How a blob was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// The store had all bytes: as a blob, or in an ingest that only had to be committed, such as that of a blob of
    /// another namespace.
    Existed,
    /// It came from the registry, at least in part: the bytes of this pull. They count even if another client stored
    /// the same blob in the meantime.
    Downloaded(u64),
}

/// An event of a fetch.
pub(super) enum FetchEvent {
    /// Another client writes the same blob.
    WaitingForOther,
    /// Bytes in the store.
    Offset(u64),
}

/// One repository of a registry.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) registry: Arc<dyn Registry>,
    pub(super) reference: Reference,
}

/// Fetches blobs of one repository into the content store, under one lease.
#[derive(Clone)]
pub(super) struct BlobFetcher {
    pub(super) content: Arc<dyn ContentStore>,
    /// The repository of the blobs. Without it, only stored blobs are used.
    pub(super) source: Option<Source>,
    pub(super) lease: LeaseId,
    /// Whether a blob that turns out to be damaged in the store is fetched again. Otherwise it ends the pull.
    pub(super) repairs: bool,
    /// Stops every fetch, which releases its lock on the ingest.
    pub(super) stop: Stop,
}

/// How a stored blob is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is used.
    IsUsed,
    /// It is replaced.
    IsReplaced,
}

impl BlobFetcher {
    /// Brings a blob into the store, or waits for another client that does so.
    ///
    /// The blob is then [looked at](BlobFetcher::damage), also where this pull has sent it: a store that already has
    /// the bytes for another owner keeps those, whatever was sent.
    ///
    /// After a failure the ingest is not locked. What the source had sent until it broke off or refused the
    /// rest, or until the pull was cancelled, stays in it for a later try. What is known to be wrong does not.
    pub(super) async fn fetch(
        &self,
        blob: Blob<'_>,
        watch: impl Fn(FetchEvent) + Send + Sync,
    ) -> Result<Fetched, PullError> {
        let fetched = self.bring(blob, Existing::IsUsed, &watch).await?;
        let Some(damage) = self.damage(blob, fetched).await? else { return Ok(fetched) };
        self.may_repair(blob, damage).await?;
        let fetched = self.bring(blob, Existing::IsReplaced, &watch).await?;
        match self.damage(blob, fetched).await? {
            None => Ok(fetched),
            Some(damage) => Err(self.damaged(blob, damage).await),
        }
    }

    async fn bring(
        &self,
        blob: Blob<'_>,
        existing: Existing,
        watch: &(impl Fn(FetchEvent) + Send + Sync),
    ) -> Result<Fetched, PullError> {
        let fill = |ingest| self.fill(blob, ingest, watch);
        if let Some(fetched) = self.with_ingest(blob, existing, watch, fill).await? {
            return Ok(fetched);
        }
        self.note_existing(blob, BlobFacts::default()).await?;
        Ok(Fetched::Existed)
    }

    /// Opens the ingest of a blob and takes a step with it; `None` if the blob is in the store, and used.
    ///
    /// An ingest that another client left may hold wrong bytes, which shows only when it is committed. Then, and only
    /// then, all of this is done once more, with an empty ingest.
    pub(super) async fn with_ingest<T, F: Future<Output = Result<T, PullError>>>(
        &self,
        blob: Blob<'_>,
        existing: Existing,
        watch: &(impl Fn(FetchEvent) + Send + Sync),
        step: impl Fn(Box<dyn Ingest>) -> F,
    ) -> Result<Option<T>, PullError> {
        let mut second_chance = true;
        loop {
            let Some(ingest) = self.open(blob, existing, watch).await? else { return Ok(None) };
            let left_by_others = ingest.offset() > 0;
            match step(ingest).await {
                Err(error) if left_by_others && second_chance && had_wrong_bytes(&error) => {
                    tracing::warn!(digest = %blob.descriptor.digest, "an ingest left by another client has wrong bytes, fetching it again");
                    second_chance = false;
                }
                done => return done.map(Some),
            }
        }
    }

    /// Opens the ingest. `None` if the stored blob is used.
    pub(super) async fn open(
        &self,
        blob: Blob<'_>,
        existing: Existing,
        watch: &(impl Fn(FetchEvent) + Send + Sync),
    ) -> Result<Option<Box<dyn Ingest>>, PullError> {
        let Blob { what, descriptor } = blob;
        if descriptor.size == 0 {
            return Err(PullError::EmptyBlob { what, digest: descriptor.digest.clone() });
        }
        self.check_algorithm(what, &descriptor.digest).await?;
        let mut longest = 16;
        loop {
            let (content, lease) = (&self.content, &self.lease);
            let opened = match existing {
                Existing::IsUsed => content.open_ingest(lease, descriptor).await,
                Existing::IsReplaced => content.open_replacement(lease, descriptor).await,
            };
            match opened.map_err(|source| blob.storing(source))? {
                OpenedIngest::Exists => return Ok(None),
                OpenedIngest::Ready(ingest) => return Ok(Some(ingest)),
                OpenedIngest::Locked => watch(FetchEvent::WaitingForOther),
            }
            // The pauses of the Go client: random, so that waiting clients do not poll in step.
            let wait = Duration::from_millis(rand::random_range(1..=longest));
            longest = (longest * 2).min(2048);
            let pause = async {
                tokio::time::sleep(wait).await;
                Ok(())
            };
            self.stop.or_cancelled(pause).await?;
        }
    }

    /// Refuses a blob that the store cannot verify, because the store would fail only after the last byte.
    pub(super) async fn check_algorithm(&self, what: &'static str, digest: &Digest) -> Result<(), PullError> {
        let algorithm = digest.algorithm();
        let accepts = self.content.accepts(algorithm).await.map_err(|source| PullError::Store {
            doing: format!("asking whether it takes {} digests", algorithm.as_str()),
            source,
        })?;
        if accepts { Ok(()) } else { Err(PullError::Algorithm { what, digest: digest.clone() }) }
    }

    async fn fill(
        &self,
        blob: Blob<'_>,
        mut ingest: Box<dyn Ingest>,
        watch: &(impl Fn(FetchEvent) + Send + Sync),
    ) -> Result<Fetched, PullError> {
        let copied = self.stop.or_cancelled(self.copy(blob, ingest.as_mut(), watch)).await;
        match copied {
            Ok(bytes) => {
                self.commit(blob, ingest, BlobFacts::default()).await?;
                Ok(if bytes == 0 { Fetched::Existed } else { Fetched::Downloaded(bytes) })
            }
            Err(error) => {
                // Wrong bytes are fetched again from the beginning. Any other error ends the pull.
                if !had_wrong_bytes(&error) {
                    self.stop.begin_clean_up();
                }
                if ingest.offset() > 0 && is_interruption(&error) {
                    self.suspend(ingest, blob.descriptor).await;
                } else {
                    self.abandon(ingest, blob.descriptor).await;
                }
                Err(error)
            }
        }
    }

    /// Makes a blob of a full ingest. The store is told these facts, and where the blob comes from, also where another
    /// client was the first to make the blob.
    pub(super) async fn commit(
        &self,
        blob: Blob<'_>,
        ingest: Box<dyn Ingest>,
        facts: BlobFacts,
    ) -> Result<(), PullError> {
        let facts = self.with_source(facts);
        match ingest.commit(&facts).await.map_err(|source| blob.storing(source))? {
            Committed::New => Ok(()),
            Committed::Exists => self.note_existing(blob, facts).await,
        }
    }

    /// Downloads the missing bytes into the ingest. Returns their number.
    async fn copy(
        &self,
        blob: Blob<'_>,
        ingest: &mut dyn Ingest,
        watch: &(impl Fn(FetchEvent) + Send + Sync),
    ) -> Result<u64, PullError> {
        let descriptor = blob.descriptor;
        let mut start = ingest.offset();
        if start >= descriptor.size {
            return Ok(0);
        }
        let Source { registry, reference } = self.source(blob)?;
        let mut stream = VerifiedStream::of_layer(registry.as_ref(), reference, descriptor, start);
        while let Some(piece) = stream.next().await.map_err(|error| blob.fetching(error))? {
            match piece {
                Piece::Bytes(bytes) => {
                    ingest.write(bytes).await.map_err(|source| blob.storing(source))?;
                    watch(FetchEvent::Offset(stream.position()));
                }
                Piece::Restart => {
                    ingest.restart();
                    start = 0;
                }
            }
        }
        Ok(descriptor.size.saturating_sub(start))
    }

    /// Reads a whole document from the registry into memory, verified.
    pub(super) async fn read(&self, blob: Blob<'_>) -> Result<Bytes, PullError> {
        let Source { registry, reference } = self.source(blob)?;
        let read = read_document(registry.as_ref(), reference, blob.descriptor).await;
        read.map_err(|error| blob.fetching(error))
    }

    fn source(&self, blob: Blob<'_>) -> Result<&Source, PullError> {
        let absent = || PullError::Absent { what: blob.what, digest: blob.descriptor.digest.clone() };
        self.source.as_ref().ok_or_else(absent)
    }

    /// Tells the store what is known of a blob that another client has brought, and where it comes from.
    ///
    /// Fails if it has another size than its descriptor says, which has not been checked in this pull.
    pub(super) async fn note_existing(&self, blob: Blob<'_>, facts: BlobFacts) -> Result<(), PullError> {
        let Blob { what, descriptor: Descriptor { digest, size: stated, .. } } = blob;
        let info = self.content.info(digest).await.map_err(|source| blob.storing(source))?;
        if let Some(BlobInfo { size, .. }) = info
            && size != *stated
        {
            return Err(PullError::WrongSize { what, digest: digest.clone(), stated: *stated, size });
        }
        self.note(blob, &self.with_source(facts)).await
    }

    /// Tells the store what is known of a blob.
    pub(super) async fn note(&self, blob: Blob<'_>, facts: &BlobFacts) -> Result<(), PullError> {
        let noted = self.content.add_facts(&blob.descriptor.digest, facts).await;
        noted.map_err(|source| blob.storing(source))
    }

    fn with_source(&self, facts: BlobFacts) -> BlobFacts {
        BlobFacts { source: self.source.as_ref().map(|source| source.reference.clone()), ..facts }
    }

    /// Aborts an ingest. A failure only costs disk space until the lease ends.
    pub(super) async fn abandon(&self, ingest: Box<dyn Ingest>, descriptor: &Descriptor) {
        match self.stop.clean_up(ingest.abort()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::debug!(digest = %descriptor.digest, %error, "the ingest stays behind");
            }
            None => tracing::debug!(digest = %descriptor.digest, "the ingest stays behind: no answer"),
        }
    }

    /// Keeps an ingest for a later try. If that fails, the next try starts from the beginning.
    async fn suspend(&self, ingest: Box<dyn Ingest>, descriptor: &Descriptor) {
        match self.stop.clean_up(ingest.suspend()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::debug!(digest = %descriptor.digest, %error, "what was downloaded is lost");
            }
            None => tracing::debug!(digest = %descriptor.digest, "what was downloaded is lost: no answer"),
        }
    }
}

/// Whether a commit failed because of wrong bytes. The ingest was then removed.
pub(super) fn had_wrong_bytes(error: &PullError) -> bool {
    matches!(error, PullError::Store { source, .. } if source.class() == Class::FailedPrecondition)
}

/// Whether the bytes before an error may be kept.
fn is_interruption(error: &PullError) -> bool {
    matches!(
        error,
        PullError::Cancelled
            | PullError::Fetch { .. }
            | PullError::Mismatch { source: Mismatch::Short { .. }, .. }
    )
}
