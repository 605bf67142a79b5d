//! Blobs that are damaged in the store: detected, fetched again where that is wanted, and an error where it is not.

use bytes::Bytes;

use super::PullError;
use super::blob::Blob;
use super::fetch::{BlobFetcher, Existing, Fetched};
use crate::image::{Damage, damage_anywhere, damage_at_end, read_undamaged};
use dray_ports::{BlobFacts, Ingest, StoreError};

impl BlobFetcher {
    /// How a blob in the store is damaged, as far as its last byte tells. A pull that repairs reads all bytes of a
    /// blob that was there already.
    pub(super) async fn damage(&self, blob: Blob<'_>, fetched: Fetched) -> Result<Option<Damage>, PullError> {
        if self.repairs && fetched == Fetched::Existed {
            return self.damage_anywhere(blob).await;
        }
        self.look(blob, damage_at_end(self.content.as_ref(), blob.descriptor)).await
    }

    /// Why a layer cannot be unpacked: damage in the store, or else `error`.
    pub(super) async fn or_damage(&self, blob: Blob<'_>, error: PullError) -> PullError {
        tracing::debug!(digest = %blob.descriptor.digest, "computing the digest of a layer that cannot be unpacked");
        match damage_anywhere(self.content.as_ref(), blob.descriptor).await {
            Ok(Some(damage)) => self.damaged(blob, damage).await,
            Ok(None) => error,
            Err(failure) => {
                tracing::debug!(
                    error = &failure as &dyn std::error::Error,
                    "the layer cannot be read either"
                );
                error
            }
        }
    }

    /// Reads a whole document from the store into memory. Its size is checked where it is parsed.
    pub(super) async fn stored(&self, blob: Blob<'_>) -> Result<Result<Bytes, Damage>, PullError> {
        let read = read_undamaged(self.content.as_ref(), blob.descriptor).await;
        read.map_err(|source| blob.reading(source))
    }

    /// Fails unless a damaged blob is to be fetched again.
    pub(super) async fn may_repair(&self, blob: Blob<'_>, damage: Damage) -> Result<(), PullError> {
        if !self.repairs {
            return Err(self.damaged(blob, damage).await);
        }
        let digest = &blob.descriptor.digest;
        tracing::warn!(%digest, damage = &damage as &dyn std::error::Error, "fetching a damaged {} again", blob.what);
        Ok(())
    }

    /// Makes a blob of the ingest of a document, and reads it again: a store that already has the bytes for another
    /// owner keeps those, whatever was sent.
    pub(super) async fn put(
        &self,
        blob: Blob<'_>,
        ingest: Box<dyn Ingest>,
        bytes: Bytes,
        facts: BlobFacts,
    ) -> Result<(), PullError> {
        self.commit(blob, ingest, facts.clone()).await?;
        let Some(damage) = self.damage_anywhere(blob).await? else { return Ok(()) };
        self.may_repair(blob, damage).await?;
        let Some(mut ingest) = self.open(blob, Existing::IsReplaced, &|_| {}).await? else { return Ok(()) };
        ingest.restart();
        if let Err(source) = ingest.write(bytes).await {
            self.stop.begin_clean_up();
            self.abandon(ingest, blob.descriptor).await;
            return Err(blob.storing(source));
        }
        self.commit(blob, ingest, facts).await?;
        match self.damage_anywhere(blob).await? {
            None => Ok(()),
            Some(damage) => Err(self.damaged(blob, damage).await),
        }
    }

    async fn damage_anywhere(&self, blob: Blob<'_>) -> Result<Option<Damage>, PullError> {
        self.look(blob, damage_anywhere(self.content.as_ref(), blob.descriptor)).await
    }

    /// Checks a blob, which may take long for a large one, unless everything stops.
    async fn look<T>(
        &self,
        blob: Blob<'_>,
        look: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, PullError> {
        self.stop.or_cancelled(async { look.await.map_err(|source| blob.reading(source)) }).await
    }

    /// The error for a blob that is damaged.
    pub(super) async fn damaged(&self, blob: Blob<'_>, source: Damage) -> PullError {
        let digest = blob.descriptor.digest.clone();
        // The others are only needed for the hint. A failure to find them must not hide the damage.
        let others = self.content.other_owners(&digest).await.unwrap_or_else(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot tell who else has the blob");
            Vec::new()
        });
        PullError::Damaged { what: blob.what, digest, others, source }
    }
}
