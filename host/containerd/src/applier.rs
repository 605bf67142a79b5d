use async_trait::async_trait;
use containerd_client::services::v1::ApplyRequest;
use containerd_client::services::v1::diff_client::DiffClient;

use super::failure::Cause;
use super::{Containerd, client, convert, ocicrypt};
use dray_core::oci::{Descriptor, DiffId};
use dray_ports::{Applied, Applier, LeaseId, Mount, StoreError};

#[async_trait]
impl Applier for Containerd {
    async fn apply(
        &self,
        lease: &LeaseId,
        layer: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Applied, StoreError> {
        self.apply_diff(lease, layer, mounts)
            .await
            .map_err(|cause| cause.during(format!("apply layer `{}`", layer.digest)))
    }
}

impl Containerd {
    async fn apply_diff(
        &self,
        lease: &LeaseId,
        layer: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Applied, Cause> {
        let request = ApplyRequest {
            diff: Some(convert::to_descriptor(layer)),
            mounts: mounts.iter().map(convert::to_mount).collect(),
            payloads: ocicrypt::payloads(layer)?,
            ..ApplyRequest::default()
        };
        let request = self.leased_request(lease, request)?;
        let applied = self.long_answer(client!(self, DiffClient<_>).apply(request)).await?;
        let applied = convert::required(applied.applied, "descriptor of what was applied")?;
        Ok(Applied {
            diff_id: DiffId::from_uncompressed(convert::digest(&applied.digest)?),
            size: convert::from_signed(applied.size)?,
        })
    }
}
