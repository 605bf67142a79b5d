use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::Instant;

use super::snapshots::SNAPSHOTTERS;
use super::store::{FakeStore, Lease};
use dray_core::oci::Descriptor;
use dray_ports::{
    Class, ImageRecord, Images, Labels, LeaseId, Leases, SnapshotterInfo, SnapshotterName, StoreError,
    StoreInfo, StoreVersion,
};

#[async_trait]
impl Images for FakeStore {
    async fn get(&self, name: &str) -> Result<Option<ImageRecord>, StoreError> {
        Ok(self.call("get image")?.images.get(name).cloned())
    }

    async fn list(&self) -> Result<Vec<ImageRecord>, StoreError> {
        Ok(self.call("list images")?.images.values().cloned().collect())
    }

    async fn put(&self, name: &str, target: &Descriptor) -> Result<(), StoreError> {
        let mut state = self.call("put image")?;
        let now = SystemTime::now();
        let record = state.images.entry(name.to_owned()).or_insert_with(|| ImageRecord {
            name: name.to_owned(),
            target: target.clone(),
            labels: Labels::new(),
            created_at: now,
            updated_at: now,
        });
        record.target = target.clone();
        record.updated_at = now;
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.call("remove image")?.images.remove(name);
        Ok(())
    }
}

#[async_trait]
impl Leases for FakeStore {
    async fn create(&self, expiry: Duration) -> Result<LeaseId, StoreError> {
        let mut state = self.call("create lease")?;
        let id = format!("lease-{}", state.calls.len());
        let ends = Instant::now()
            .checked_add(expiry)
            .ok_or_else(|| StoreError::new(Class::InvalidArgument, "create a lease"))?;
        let lease = Lease { ends, blobs: HashSet::new(), ingests: HashSet::new(), snapshots: HashSet::new() };
        state.leases.insert(id.clone(), lease);
        Ok(LeaseId::from_store(id))
    }

    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError> {
        let mut state = self.call("release lease")?;
        state.leases.remove(lease.as_str());
        state.collect(Instant::now());
        Ok(())
    }

    async fn collect(&self) -> Result<(), StoreError> {
        self.call("collect")?.collect(Instant::now());
        Ok(())
    }

    fn grace(&self) -> Duration {
        self.state().grace.unwrap_or(Duration::MAX)
    }
}

#[async_trait]
impl StoreInfo for FakeStore {
    async fn version(&self) -> Result<StoreVersion, StoreError> {
        Ok(StoreVersion { program: "memory".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
    }

    async fn snapshotters(&self) -> Result<Vec<SnapshotterInfo>, StoreError> {
        let remote = self.call("snapshotters")?.remote.clone();
        let info = |(name, error): (&str, Option<&str>)| SnapshotterInfo {
            error: error.map(str::to_owned),
            ..SnapshotterInfo::named(SnapshotterName::new(name))
        };
        let remote = remote.into_iter().map(|name| SnapshotterInfo {
            address: Some(format!("/run/{name}.sock")),
            ..SnapshotterInfo::named(SnapshotterName::new(name))
        });
        Ok(SNAPSHOTTERS.map(info).into_iter().chain(remote).collect())
    }

    async fn default_snapshotter(&self) -> Result<Option<SnapshotterName>, StoreError> {
        drop(self.call("default snapshotter")?);
        Ok(None)
    }
}
