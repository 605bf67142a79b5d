//! One blob of a registry as a stream of verified bytes. It resumes where a source broke off, changes servers where
//! one sent wrong bytes, and checks size and digest to the last byte. What becomes of the bytes is for the one who
//! reads them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;

use dray_core::limits;
use dray_core::oci::{Descriptor, Reference};
use dray_core::verify::{Mismatch, ReadError, Verifier};
use dray_ports::{BlobStream, FetchFailure, FetchFault, Registry};

/// What a stream yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// All bytes so far are void. The next ones, if any come, are the first of the blob.
    Restart,
}

/// Where a stream goes on after its source broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resume {
    /// Where the source stopped.
    AtThePosition,
    /// At the beginning.
    AtTheBeginning,
}

/// The bytes of one blob. Only the `Ok(None)` of [`VerifiedStream::next`] says that they were the right ones.
pub(crate) struct VerifiedStream<'a> {
    registry: &'a dyn Registry,
    reference: &'a Reference,
    descriptor: &'a Descriptor,
    resume: Resume,
    verifier: Verifier,
    /// What the registry sends at the moment, from `opened_at` on.
    source: Option<BlobStream>,
    opened_at: u64,
    /// How often in a row a source brought nothing new.
    fruitless: u32,
    /// How the bytes before the last restart were wrong, until another server is found.
    wrong: Option<Mismatch>,
}

impl<'a> VerifiedStream<'a> {
    /// The bytes of a layer behind the first `offset` ones, which the reader has already. The digest of the whole can
    /// be checked only from offset 0.
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

    /// The bytes of a document. A document that breaks off begins anew: the distribution specification knows ranges of
    /// blobs, and none of manifests.
    pub(crate) fn of_document(
        registry: &'a dyn Registry,
        reference: &'a Reference,
        descriptor: &'a Descriptor,
    ) -> Self {
        let stream = Self::of_layer(registry, reference, descriptor, 0);
        Self { resume: Resume::AtTheBeginning, ..stream }
    }

    /// How many bytes of the blob came so far, with those that the reader had.
    pub(crate) fn position(&self) -> u64 {
        self.verifier.position()
    }

    /// The next piece, or `None` when all bytes came and were right.
    ///
    /// # Errors
    ///
    /// Fails if the registry does, and if no server sends the right bytes. After an interruption ([`Unavailable`], or
    /// [`Short`]) the bytes before are as good as any.
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
                    // Before the first byte the registry has made its own tries. Later, a registry that is away for a
                    // moment must not cost what came already.
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

    /// Whether no byte is missing. An empty blob has to be asked for all the same.
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

    /// Makes the stream go on after its source failed. Returns what the reader has to know.
    ///
    /// Wrong bytes are void at once, before another server is looked for: a reader that is dropped meanwhile must not
    /// take them for good ones.
    async fn recover(
        &mut self,
        broken: ReadError<FetchFailure>,
    ) -> Result<Option<Piece>, ReadError<FetchFailure>> {
        match broken {
            ReadError::Source(error) if !is_away(&error) => Err(ReadError::Source(error)),
            // What ended too early need not be wrong.
            ReadError::Source(_) | ReadError::Mismatch(Mismatch::Short { .. }) => self.retry(broken).await,
            ReadError::Mismatch(mismatch) => {
                self.wrong = Some(mismatch);
                Ok(Some(self.restart()))
            }
        }
    }

    /// Waits before the next try, unless there were enough that brought nothing new.
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
