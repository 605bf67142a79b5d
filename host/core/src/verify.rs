//! The only place that checks size and digest, to the last byte.
//!
//! Every byte from a registry passes through a [`Verifier`] before anything acts on it.

use std::cmp::Ordering;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::Digest as _;

use crate::oci::{Algorithm, Descriptor, Digest};

/// How bytes differ from their descriptor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The source ended too early.
    #[error("blob {digest} ended after {found} of {expected} bytes")]
    Short {
        /// The blob.
        digest: Digest,
        /// Size in the descriptor.
        expected: u64,
        /// Bytes received.
        found: u64,
    },
    /// The source has more bytes than the descriptor states.
    #[error("blob {digest} has more than the {expected} bytes that its descriptor states")]
    Long {
        /// The blob.
        digest: Digest,
        /// Size in the descriptor.
        expected: u64,
    },
    /// The digest differs.
    #[error("blob {expected} does not match its digest: its bytes hash to {found}")]
    Digest {
        /// Digest in the descriptor.
        expected: Digest,
        /// Digest of the received bytes.
        found: Digest,
    },
}

/// A hash function chosen at run time.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// Starts a hash.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => State::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha256(hasher) => hasher.update(bytes),
            State::Sha384(hasher) => hasher.update(bytes),
            State::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Finishes the hash.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha256(hasher) => Digest::from_hash(Algorithm::Sha256, &hasher.finalize()),
            State::Sha384(hasher) => Digest::from_hash(Algorithm::Sha384, &hasher.finalize()),
            State::Sha512(hasher) => Digest::from_hash(Algorithm::Sha512, &hasher.finalize()),
        }
    }
}

/// Digest of bytes in memory.
pub fn digest_of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Checks bytes in memory against a descriptor.
///
/// # Errors
///
/// Says how they differ.
pub fn check(descriptor: &Descriptor, bytes: &[u8]) -> Result<(), Mismatch> {
    let (digest, expected, found) = (&descriptor.digest, descriptor.size, bytes.len() as u64);
    match found.cmp(&expected) {
        Ordering::Less => return Err(Mismatch::Short { digest: digest.clone(), expected, found }),
        Ordering::Greater => return Err(Mismatch::Long { digest: digest.clone(), expected }),
        Ordering::Equal => {}
    }
    let found = digest_of(digest.algorithm(), bytes);
    if found == *digest { Ok(()) } else { Err(Mismatch::Digest { expected: digest.clone(), found }) }
}

/// Why a verified read failed.
#[derive(Debug)]
pub enum ReadError<E> {
    /// The source failed. The bytes before may still be good.
    Source(E),
    /// The bytes are not those of the descriptor.
    Mismatch(Mismatch),
}

/// Checks the bytes of one blob as they arrive, from any number of sources.
///
/// A byte too many is an error at once. Only [`Verifier::end`] confirms the bytes before.
pub struct Verifier {
    expected: Digest,
    size: u64,
    position: u64,
    /// Absent if the first bytes were not hashed, so that the digest of the whole is unknown.
    hasher: Option<Hasher>,
}

impl Verifier {
    /// Starts at the beginning of a blob.
    pub fn new(descriptor: &Descriptor) -> Self {
        Self::after(descriptor, 0)
    }

    /// Starts in the middle of a blob whose first bytes are in the store already. The verifier then checks only the
    /// size. The store checks the digest when the blob is committed.
    pub fn after(descriptor: &Descriptor, position: u64) -> Self {
        Self {
            expected: descriptor.digest.clone(),
            size: descriptor.size,
            position,
            hasher: (position == 0).then(|| Hasher::new(descriptor.digest.algorithm())),
        }
    }

    /// Adds the next bytes.
    ///
    /// # Errors
    ///
    /// Fails if the blob has more bytes than the descriptor states.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Mismatch> {
        self.position += bytes.len() as u64;
        if self.position > self.size {
            return Err(Mismatch::Long { digest: self.expected.clone(), expected: self.size });
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Checks that the blob is complete and has the right digest.
    ///
    /// # Errors
    ///
    /// Fails if bytes are missing, or if the digest differs.
    pub fn end(&self) -> Result<(), Mismatch> {
        if self.position < self.size {
            return Err(Mismatch::Short {
                digest: self.expected.clone(),
                expected: self.size,
                found: self.position,
            });
        }
        let Some(hasher) = self.hasher.clone() else { return Ok(()) };
        let found = hasher.finish();
        if found == self.expected {
            return Ok(());
        }
        Err(Mismatch::Digest { expected: self.expected.clone(), found })
    }

    /// Number of bytes of the blob so far.
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// Passes on the bytes of one source and checks them against a descriptor.
///
/// Only the `Ok(None)` of [`VerifyingReader::chunk`] confirms the bytes before.
pub struct VerifyingReader<S> {
    source: S,
    verifier: Verifier,
}

impl<S, E> VerifyingReader<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    /// Reads a whole blob.
    pub fn new(source: S, descriptor: &Descriptor) -> Self {
        Self { source, verifier: Verifier::new(descriptor) }
    }

    /// The next bytes, or `None` after the last byte if everything was right.
    ///
    /// # Errors
    ///
    /// Fails if the source fails, if bytes are missing or too many, or if the digest differs.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no bytes.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ReadError<E>> {
        match self.source.next().await {
            Some(Err(error)) => Err(ReadError::Source(error)),
            Some(Ok(bytes)) => {
                self.verifier.take(&bytes).map_err(ReadError::Mismatch)?;
                Ok(Some(bytes))
            }
            None => self.verifier.end().map(|()| None).map_err(ReadError::Mismatch),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    fn descriptor(bytes: &[u8], size: u64) -> Descriptor {
        Descriptor::new(MediaType::new("x"), digest_of(Algorithm::Sha256, bytes), size)
    }

    async fn read(chunks: &[&'static [u8]], descriptor: &Descriptor) -> Result<u64, Mismatch> {
        let chunks: Vec<Result<Bytes, ()>> = chunks.iter().map(|c| Ok(Bytes::from_static(c))).collect();
        let mut reader = VerifyingReader::new(futures_util::stream::iter(chunks), descriptor);
        let mut read = 0;
        loop {
            match reader.chunk().await {
                Ok(Some(bytes)) => read += bytes.len() as u64,
                Ok(None) => return Ok(read),
                Err(ReadError::Mismatch(mismatch)) => return Err(mismatch),
                Err(ReadError::Source(())) => unreachable!(),
            }
        }
    }

    #[tokio::test]
    async fn only_the_exact_bytes_pass() {
        let good = descriptor(b"hello", 5);
        assert_eq!(read(&[b"he", b"", b"llo"], &good).await, Ok(5));
        assert!(matches!(read(&[b"hell"], &good).await, Err(Mismatch::Short { found: 4, .. })));
        assert!(matches!(read(&[b"hello", b"!"], &good).await, Err(Mismatch::Long { .. })));
        assert!(matches!(read(&[b"hullo"], &good).await, Err(Mismatch::Digest { .. })));
        assert!(matches!(read(&[], &descriptor(b"", 0)).await, Ok(0)));
    }

    #[test]
    fn bytes_in_memory_are_checked() {
        let good = descriptor(b"hello", 5);
        assert_eq!(check(&good, b"hello"), Ok(()));
        assert!(matches!(check(&good, b"hell"), Err(Mismatch::Short { found: 4, .. })));
        assert!(matches!(check(&good, b"hello!"), Err(Mismatch::Long { .. })));
        assert!(matches!(check(&good, b"hullo"), Err(Mismatch::Digest { .. })));
    }

    #[test]
    fn the_digest_covers_the_bytes_of_all_sources() {
        let whole = descriptor(b"hello", 5);
        let end = |pieces: [&[u8]; 2]| {
            let mut verifier = Verifier::new(&whole);
            pieces.iter().try_for_each(|piece| verifier.take(piece))?;
            verifier.end()
        };
        assert_eq!(end([b"hel", b"lo"]), Ok(()));
        assert!(matches!(end([b"hel", b"l"]), Err(Mismatch::Short { found: 4, .. })));
        assert!(matches!(end([b"hel", b"log"]), Err(Mismatch::Long { .. })));
        assert!(matches!(end([b"hal", b"lo"]), Err(Mismatch::Digest { .. })));
    }

    #[test]
    fn after_unseen_bytes_only_the_size_is_checked() {
        let whole = descriptor(b"hello", 5);
        let mut verifier = Verifier::after(&whole, 3);
        verifier.take(b"l").unwrap();
        assert!(matches!(verifier.end(), Err(Mismatch::Short { found: 4, .. })));
        verifier.take(b"x").unwrap();
        assert_eq!((verifier.end(), verifier.position()), (Ok(()), 5));
        assert!(matches!(verifier.take(b"!"), Err(Mismatch::Long { .. })));
    }
}
