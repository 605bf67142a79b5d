//! Checks whether a store's bytes of a blob are undamaged. A record of the blob is no proof: a power failure, a bad
//! disk or another namespace may have damaged the file.

use bytes::Bytes;
use futures_util::StreamExt;

use dray_core::limits;
use dray_core::oci::Descriptor;
use dray_core::verify::{self, Mismatch, ReadError, VerifyingReader};
use dray_ports::{Class, ContentStore, StoreError};

/// How a blob in a store is damaged.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The store has lost some or all bytes.
    #[error(transparent)]
    Lost(StoreError),
    /// The bytes have changed.
    #[error(transparent)]
    Changed(Mismatch),
}

impl Damage {
    /// The store has a blob of this size, but the descriptor states another.
    pub(super) fn of_size(stated: &Descriptor, size: u64) -> Self {
        let (digest, expected) = (stated.digest.clone(), stated.size);
        Self::Changed(if size < expected {
            Mismatch::Short { digest, expected, found: size }
        } else {
            Mismatch::Long { digest, expected }
        })
    }
}

/// Reads the last byte of a blob with one short call. If it exists, the file was written completely and was not
/// truncated. `None` if no damage was found.
///
/// # Errors
///
/// Fails if the blob is not in the store, and if the store fails.
pub(crate) async fn damage_at_end(
    content: &dyn ContentStore,
    descriptor: &Descriptor,
) -> Result<Option<Damage>, StoreError> {
    let Descriptor { digest, size, .. } = descriptor;
    // No blob of an image is empty, and an empty one cannot lose bytes.
    let Some(last) = size.checked_sub(1) else { return Ok(None) };
    let end = async { content.stream(digest, last).await?.next().await.transpose() };
    match end.await {
        Ok(Some(_)) => Ok(None),
        Ok(None) => {
            let lost = StoreError::new(
                Class::Damaged,
                format!("read the last of the {size} bytes of blob `{digest}`"),
            );
            Ok(Some(Damage::Lost(lost.with_source("the store has fewer bytes of it"))))
        }
        Err(error) if error.class() == Class::Damaged => Ok(Some(Damage::Lost(error))),
        Err(error) => Err(error),
    }
}

/// Reads all bytes of a blob and computes their digest. `None` if they are those of the blob.
///
/// # Errors
///
/// Fails if the blob is not in the store, and if the store fails.
pub(crate) async fn damage_anywhere(
    content: &dyn ContentStore,
    descriptor: &Descriptor,
) -> Result<Option<Damage>, StoreError> {
    let stream = match content.stream(&descriptor.digest, 0).await {
        Ok(stream) => stream,
        Err(error) if error.class() == Class::Damaged => return Ok(Some(Damage::Lost(error))),
        Err(error) => return Err(error),
    };
    let mut reader = VerifyingReader::new(stream, descriptor);
    loop {
        match reader.chunk().await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(ReadError::Mismatch(mismatch)) => return Ok(Some(Damage::Changed(mismatch))),
            Err(ReadError::Source(error)) if error.class() == Class::Damaged => {
                return Ok(Some(Damage::Lost(error)));
            }
            Err(ReadError::Source(error)) => return Err(error),
        }
    }
}

/// Reads a whole document. Its size is checked where it is parsed.
///
/// # Errors
///
/// Fails if the blob is not in the store or larger than a document, and if the store fails.
pub(crate) async fn read_undamaged(
    content: &dyn ContentStore,
    descriptor: &Descriptor,
) -> Result<Result<Bytes, Damage>, StoreError> {
    let bytes = match content.read(&descriptor.digest, limits::DOCUMENT_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) if error.class() == Class::Damaged => return Ok(Err(Damage::Lost(error))),
        Err(error) => return Err(error),
    };
    match verify::check(descriptor, &bytes) {
        // The store checked the digest when it received the bytes, so they have changed since.
        Err(mismatch @ Mismatch::Digest { .. }) => Ok(Err(Damage::Changed(mismatch))),
        // The store knows the size of its blobs, so the descriptor is wrong.
        Ok(()) | Err(Mismatch::Short { .. } | Mismatch::Long { .. }) => Ok(Ok(bytes)),
    }
}
