use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::{AbortRequest, Info, InfoRequest, ReadContentRequest, UpdateRequest};
use tonic::transport::Channel;

use super::answer::{answer, soon};
use super::failure::Cause;
use super::ingest::Upload;
use super::{Containerd, client, convert};
use crate::oci::{Algorithm, Descriptor, Digest};
use crate::ports::{
    BlobInfo, Class, ContentStore, Daemon as _, IngestRef, Labels, LeaseId, OpenedIngest, StoreError,
};

#[async_trait]
impl ContentStore for Containerd {
    async fn accepts(&self, algorithm: Algorithm) -> Result<bool, StoreError> {
        Ok(algorithm == Algorithm::Sha256 || follows_the_algorithm(&self.version().await?.version))
    }

    async fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, StoreError> {
        match self.blob_info(digest).await {
            Ok(info) => Ok(Some(info)),
            Err(cause) if cause.class() == Class::NotFound => Ok(None),
            Err(cause) => Err(cause.during(format!("look for blob `{digest}`"))),
        }
    }

    async fn read(&self, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        let during = || format!("read blob `{digest}`");
        let size = self.blob_info(digest).await.map_err(|cause| cause.during(during()))?.size;
        if size > limit {
            let why = format!("it has {size} bytes, the limit is {limit}");
            return Err(StoreError::new(Class::OutOfRange, during()).with_source(why));
        }
        self.read_blob(digest, size).await.map_err(|cause| cause.during(during()))
    }

    async fn open_ingest(
        &self,
        lease: &LeaseId,
        ingest: &IngestRef,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        Upload::open(self, lease, ingest, descriptor).await
    }

    async fn set_labels(&self, digest: &Digest, labels: &Labels) -> Result<(), StoreError> {
        let during = || format!("set labels of blob `{digest}`");
        if labels.is_empty() {
            // An update with an empty mask would remove all labels.
            return self.blob_info(digest).await.map(drop).map_err(|cause| cause.during(during()));
        }
        let info = Info { digest: digest.to_string(), labels: convert::to_map(labels), ..Info::default() };
        let update = UpdateRequest { info: Some(info), update_mask: Some(convert::label_mask(labels)) };
        let updated = answer(self.content().update(self.request(update))).await;
        updated.map(drop).map_err(|cause| cause.during(during()))
    }
}

impl Containerd {
    pub(super) fn content(&self) -> ContentClient<Channel> {
        client!(self, ContentClient<_>)
    }

    /// Throws away an ingest, whoever writes it. One that is gone is no error.
    pub(super) async fn abort_ingest(&self, ingest: &IngestRef) -> Result<(), Cause> {
        let abort = AbortRequest { r#ref: ingest.to_string() };
        match answer(self.content().abort(self.request(abort))).await {
            Err(cause) if cause.class() != Class::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    async fn blob_info(&self, digest: &Digest) -> Result<BlobInfo, Cause> {
        let request = InfoRequest { digest: digest.to_string() };
        let found = answer(self.content().info(self.request(request))).await?;
        let info = convert::required(found.info, "blob")?;
        Ok(BlobInfo { size: convert::from_signed(info.size)?, labels: convert::from_map(info.labels) })
    }

    async fn read_blob(&self, digest: &Digest, size: u64) -> Result<Bytes, Cause> {
        let request = ReadContentRequest { digest: digest.to_string(), ..ReadContentRequest::default() };
        let mut stream = answer(self.content().read(self.request(request))).await?;
        let mut blob = BytesMut::new();
        while let Some(chunk) = soon(stream.message()).await? {
            let offset = blob.len() as u64;
            let end = offset + chunk.data.len() as u64;
            if chunk.offset != convert::to_signed(offset) || end > size {
                return Err(Cause::Malformed(format!(
                    "bytes {} to {end} of a blob of {size} bytes came after byte {offset}",
                    chunk.offset
                )));
            }
            blob.extend_from_slice(&chunk.data);
        }
        if blob.len() as u64 != size {
            return Err(Cause::Damaged { found: blob.len() as u64, due: size });
        }
        Ok(blob.freeze())
    }
}

/// Whether a containerd of this version hashes what it is given by the algorithm of the expected digest. Before 2.3
/// it was always sha256, and the commit of anything else failed. A version that cannot be read is a new one.
fn follows_the_algorithm(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    number().zip(number()).is_none_or(|version| version >= (2, 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_follow_the_algorithm() {
        for (version, follows) in [
            ("1.6.20~ds1", false),
            ("v1.7.35", false),
            ("v2.2.9", false),
            ("2.3.0-rc.1", true),
            ("v2.10.0", true),
            ("3.0", true),
            ("unknown", true),
        ] {
            assert_eq!(follows_the_algorithm(version), follows, "{version}");
        }
    }
}
