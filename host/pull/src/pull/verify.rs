//! What is looked at once all layers are there: whether a container could read the image, and what the operator of the
//! snapshotter's daemon should set if not.

use std::collections::BTreeSet;

use tokio::time::timeout;

use super::PullError;
use super::leased::LeasedPull;
use dray_core::oci::ChainId;
use dray_ports::{Class, Plan, RegistryAccess, SnapshotterName, StoreError};

impl LeasedPull<'_> {
    /// Reads the root of the image as a container would.
    pub(super) async fn verify(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
        plan: &Plan,
    ) -> Result<(), PullError> {
        let snapshots = &self.job.world.store.snapshots;
        let read = timeout(plan.answer_within, snapshots.read_root(self.lease, snapshotter, chain_id));
        let read = self.stop.or_cancelled(async { Ok(read.await) }).await?;
        let source = match read {
            Ok(Ok(entries)) => {
                tracing::info!(entries, "the root of the image can be read");
                return Ok(());
            }
            Ok(Err(source)) => source,
            Err(_) => {
                let doing = format!("read its root within {} s", plan.answer_within.as_secs());
                StoreError::new(Class::Silent, doing)
            }
        };
        let (snapshotter, advice) = (snapshotter.to_string(), self.advice(plan).await);
        Err(PullError::NotReadable { snapshotter, advice, source })
    }

    /// What the plan advises where the daemon of the snapshotter could not do what this pull could: which of its settings
    /// is likely to be missing.
    pub(super) async fn advice(&self, plan: &Plan) -> Vec<String> {
        let took = match self.job.reference {
            Some(reference) => self.job.world.registry.access(reference).await,
            None => BTreeSet::new(),
        };
        let about = |applies: &dyn Fn(RegistryAccess) -> bool| -> Vec<String> {
            let applying = plan.advice.iter().filter(|advice| applies(advice.about));
            applying.map(|advice| advice.text.clone()).collect()
        };
        let advice = about(&|access| took.contains(&access));
        // Nothing special was needed to reach the registry.
        if advice.is_empty() { about(&|access| access == RegistryAccess::Unreachable) } else { advice }
    }
}
