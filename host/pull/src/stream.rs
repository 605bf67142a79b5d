//! One blob of a registry as a stream of verified bytes. It resumes after an interruption, changes servers after
//! wrong bytes, and checks size and digest to the last byte. The reader decides what to do with the bytes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;

use dray_core::limits;
use dray_core::oci::{Descriptor, Reference};
use dray_core::verify::{Mismatch, ReadError, Verifier};
use dray_ports::{BlobStream, FetchFailure, FetchFault, Registry};

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// All bytes so far are void. The next bytes, if any, are the first of the blob.
    Restart,
}

/// Where a stream resumes after its source broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resume {
    /// Where the source stopped.
    AtThePosition,
    /// At the beginning.
    AtTheBeginning,
}

/// The bytes of one blob. Only the `Ok(None)` of [`VerifiedStream::next`] confirms them.
pub(crate) struct VerifiedStream<'a> {
    registry: &'a dyn Registry,
    reference: &'a Reference,
    descriptor: &'a Descriptor,
    resume: Resume,
    verifier: Verifier,
    /// The current response of the registry, from `opened_at` on.
    source: Option<BlobStream>,
    opened_at: u64,
    /// Number of consecutive sources without new bytes.
    fruitless: u32,
    /// The fault of the bytes before the last restart, until another server is found.
    wrong: Option<Mismatch>,
}

impl<'a> VerifiedStream<'a> {
    /// The bytes of a layer from `offset` on. The reader has the bytes before. The digest of the whole can be checked
    /// only from offset 0.
    pub(crate) fn of_layer(
        registry: &'a dyn Registry,
        reference: &'a Reference,
        descriptor: &'a Descriptor,
        offset: u64,
    ) -> Self {
        Self {
            registry,
            reference,
            descriptor,
            resume: Resume::AtThePosition,
            verifier: Verifier::after(descriptor, offset),
            source: None,
            opened_at: offset,
            fruitless: 0,
            wrong: None,
        }
    }

    /// The bytes of a document. A document that breaks off restarts from its beginning: the distribution
    /// specification has ranges of blobs, but not of manifests.
    pub(crate) fn of_document(
        registry: &'a dyn Registry,
        reference: &'a Reference,
        descriptor: &'a Descriptor,
    ) -> Self {
        let stream = Self::of_layer(registry, reference, descriptor, 0);
        Self { resume: Resume::AtTheBeginning, ..stream }
    }

    /// The position in the blob, including the bytes that the reader had.
    pub(crate) fn position(&self) -> u64 {
        self.verifier.position()
    }

    /// The next piece, or `None` after the last byte if everything was right.
    ///
    /// # Errors
    ///
    /// Fails if the registry does, or if no server sends the right bytes. After an interruption ([`Unavailable`], or
    /// [`Short`]) the bytes before may be kept.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no bytes.
    ///
    /// [`Unavailable`]: FetchFault::Unavailable
    /// [`Short`]: Mismatch::Short
    pub(crate) async fn next(&mut self) -> Result<Option<Piece>, ReadError<FetchFailure>> {
        if let Some(mismatch) = &self.wrong {
            if !self.registry.distrust(self.reference, self.descriptor).await {
                return Err(ReadError::Mismatch(mismatch.clone()));
            }
            tracing::warn!(reason = %mismatch, "asking another server for the blob");
            (self.wrong, self.fruitless) = (None, 0);
        }
        loop {
            let has_all = self.has_all();
            let read = match &mut self.source {
                None if has_all => self.end(),
                None => match self.open().await {
                    Ok(()) => continue,
                    // Before the first byte, the registry client has retried itself. Later, a short outage must not
                    // waste the received bytes.
                    Err(error) if self.position() == 0 => return Err(ReadError::Source(error)),
                    Err(error) => Err(ReadError::Source(error)),
                },
                Some(source) => match source.next().await {
                    Some(Ok(bytes)) => {
                        let taken = self.verifier.take(&bytes).map_err(ReadError::Mismatch);
                        taken.map(|()| Some(Piece::Bytes(bytes)))
                    }
                    Some(Err(error)) if is_away(&error) && has_all => self.end(),
                    Some(Err(error)) => Err(ReadError::Source(error)),
                    None => self.end(),
                },
            };
            let broken = match read {
                Ok(piece) => return Ok(piece),
                Err(broken) => broken,
            };
            self.source = None;
            if let Some(piece) = self.recover(broken).await? {
                return Ok(Some(piece));
            }
        }
    }

    /// Whether no byte is missing. An empty blob is requested all the same.
    fn has_all(&self) -> bool {
        self.position() > 0 && self.position() == self.descriptor.size
    }

    fn end(&mut self) -> Result<Option<Piece>, ReadError<FetchFailure>> {
        self.source = None;
        self.verifier.end().map(|()| None).map_err(ReadError::Mismatch)
    }

    async fn open(&mut self) -> Result<(), FetchFailure> {
        self.opened_at = self.position();
        let source = self.registry.fetch_unverified(self.reference, self.descriptor, self.opened_at).await?;
        self.source = Some(source);
        Ok(())
    }

    /// Continues the stream after its source failed. Returns a restart for the reader, if needed.
    ///
    /// Wrong bytes are void at once, before another server is looked for, so that a reader that is dropped in between
    /// does not keep them.
    async fn recover(
        &mut self,
        broken: ReadError<FetchFailure>,
    ) -> Result<Option<Piece>, ReadError<FetchFailure>> {
        match broken {
            ReadError::Source(error) if !is_away(&error) => Err(ReadError::Source(error)),
            // Bytes that ended too early need not be wrong.
            ReadError::Source(_) | ReadError::Mismatch(Mismatch::Short { .. }) => self.retry(broken).await,
            ReadError::Mismatch(mismatch) => {
                self.wrong = Some(mismatch);
                Ok(Some(self.restart()))
            }
        }
    }

    /// Waits before the next try, unless too many brought no new bytes.
    async fn retry(
        &mut self,
        broken: ReadError<FetchFailure>,
    ) -> Result<Option<Piece>, ReadError<FetchFailure>> {
        let (position, resumes) = (self.position(), self.resume == Resume::AtThePosition);
        let is_fruitful = resumes && position > self.opened_at;
        self.fruitless = if is_fruitful { 0 } else { self.fruitless + 1 };
        if self.fruitless >= limits::FRUITLESS_RESUMES {
            return Err(broken);
        }
        tracing::debug!(digest = %self.descriptor.digest, position, "the source broke off, going on");
        let wait = Duration::from_millis(rand::random_range(20..=50) << (2 * self.fruitless));
        tokio::time::sleep(wait).await;
        Ok(if resumes { None } else { Some(self.restart()) })
    }

    fn restart(&mut self) -> Piece {
        self.verifier = Verifier::new(self.descriptor);
        Piece::Restart
    }
}

/// Reads a whole document into memory.
///
/// # Errors
///
/// Fails as [`VerifiedStream::next`].
pub(crate) async fn read_document(
    registry: &dyn Registry,
    reference: &Reference,
    descriptor: &Descriptor,
) -> Result<Bytes, ReadError<FetchFailure>> {
    let mut stream = VerifiedStream::of_document(registry, reference, descriptor);
    let mut document = Vec::new();
    while let Some(piece) = stream.next().await? {
        match piece {
            Piece::Bytes(bytes) => document.extend_from_slice(&bytes),
            Piece::Restart => document.clear(),
        }
    }
    Ok(document.into())
}

fn is_away(error: &FetchFailure) -> bool {
    error.fault == FetchFault::Unavailable
}

#[cfg(test)]
mod tests;
