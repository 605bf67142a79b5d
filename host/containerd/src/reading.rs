//! Reads a blob with one `Content.Read` call.

use bytes::{Bytes, BytesMut};
use containerd_client::services::v1::{ReadContentRequest, ReadContentResponse};
use futures_util::stream;
use tonic::Streaming;

use super::answer::{answer, soon};
use super::failure::Cause;
use super::{Containerd, convert};
use dray_core::oci::Digest;
use dray_ports::{Class, StoredBytes};

/// A blob that is being read.
pub(super) struct Reading {
    store: Containerd,
    digest: Digest,
    answers: Streaming<ReadContentResponse>,
    /// Number of received bytes. containerd counts from the start of the reading.
    received: u64,
}

impl Reading {
    pub(super) async fn open(store: &Containerd, digest: &Digest, offset: u64) -> Result<Self, Cause> {
        let request = ReadContentRequest {
            digest: digest.to_string(),
            offset: convert::to_signed(offset),
            ..ReadContentRequest::default()
        };
        match answer(store.content().read(store.request(request))).await {
            Ok(answers) => Ok(Self { store: store.clone(), digest: digest.clone(), answers, received: 0 }),
            Err(cause) => Err(why(store, digest, cause).await),
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Cause> {
        let chunk = match soon(self.answers.message()).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(None),
            Err(cause) => return Err(why(&self.store, &self.digest, cause).await),
        };
        if chunk.offset != convert::to_signed(self.received) {
            let (offset, due) = (chunk.offset, self.received);
            return Err(Cause::Malformed(format!("byte {offset} of a blob came where {due} was due")));
        }
        self.received += chunk.data.len() as u64;
        Ok(Some(chunk.data.into()))
    }

    /// The whole blob of this size.
    pub(super) async fn whole(mut self, size: u64) -> Result<Bytes, Cause> {
        let mut blob = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if self.received > size {
                let end = self.received;
                return Err(Cause::Malformed(format!("{end} bytes came of a blob of {size} bytes")));
            }
            blob.extend_from_slice(&bytes);
        }
        if blob.len() as u64 != size {
            return Err(Cause::Damaged { found: blob.len() as u64, due: size });
        }
        Ok(blob.freeze())
    }

    /// The rest of the blob. `during` names the operation. The stream ends after a failure.
    pub(super) fn into_stream(self, during: String) -> StoredBytes {
        Box::pin(stream::try_unfold((self, during), |(mut reading, during)| async {
            match reading.next().await {
                Ok(Some(bytes)) => Ok(Some((bytes, (reading, during)))),
                Ok(None) => Ok(None),
                Err(cause) => Err(cause.during(during)),
            }
        }))
    }
}

/// Why a blob cannot be read. containerd also answers "not found" if it has a record of the blob but lost the file.
async fn why(store: &Containerd, digest: &Digest, cause: Cause) -> Cause {
    if cause.class() == Class::NotFound && store.blob_info(digest).await.is_ok() {
        return Cause::Lost;
    }
    cause
}
