use async_trait::async_trait;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, Info, Kind, PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest,
    UsageRequest,
};
use tonic::transport::Channel;

use super::answer::answer;
use super::failure::Cause;
use super::view::ViewError;
use super::{Containerd, client, convert, labels, names};
use dray_core::oci::ChainId;
use dray_ports::{
    Class, Committed, LeaseId, Mount, Prepared, SnapshotInfo, SnapshotKey, Snapshots, SnapshotterName,
    StoreError, Target, Usage,
};

#[async_trait]
impl Snapshots for Containerd {
    async fn stat(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<SnapshotInfo>, StoreError> {
        match self.snapshot_info(snapshotter, chain_id).await {
            // Names and keys share one namespace, so an active snapshot may have a layer's name. It is not a layer.
            Ok(info) => Ok((info.kind() == Kind::Committed).then(|| SnapshotInfo {
                parent: (!info.parent.is_empty()).then_some(info.parent),
                labels: convert::from_map(info.labels),
            })),
            Err(cause) if cause.class() == Class::NotFound => Ok(None),
            Err(cause) => Err(cause.during(format!("look for snapshot `{chain_id}` in `{snapshotter}`"))),
        }
    }

    async fn usage(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<Usage>, StoreError> {
        match self.snapshot_usage(snapshotter, chain_id).await {
            Ok(usage) => Ok(Some(usage)),
            Err(cause) if cause.class() == Class::NotFound => Ok(None),
            Err(cause) => Err(cause.during(format!("measure snapshot `{chain_id}` in `{snapshotter}`"))),
        }
    }

    async fn probe(&self, snapshotter: &SnapshotterName) -> Result<(), StoreError> {
        let key = names::probe_key();
        let request = PrepareSnapshotRequest {
            snapshotter: snapshotter.to_string(),
            key: key.to_string(),
            ..PrepareSnapshotRequest::default()
        };
        // Without a lease: an active snapshot that stays is collected.
        let prepared = answer(self.snapshots().prepare(self.request(request))).await;
        prepared
            .map_err(|cause| cause.during(format!("ask snapshotter `{snapshotter}` whether it is there")))?;
        self.remove(snapshotter, &key).await
    }

    fn new_key(&self, chain_id: &ChainId) -> SnapshotKey {
        names::extraction_key(chain_id)
    }

    async fn prepare(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        parent: Option<&ChainId>,
        target: Option<&Target>,
    ) -> Result<Prepared, StoreError> {
        match self.prepare_snapshot(lease, snapshotter, key, parent, target).await {
            Ok(mounts) if is_filled(&mounts) => Ok(Prepared::Filled),
            Ok(mounts) => Ok(Prepared::Active(mounts)),
            Err(cause) if cause.class() == Class::AlreadyExists => Ok(Prepared::Exists),
            Err(cause) => Err(cause.during(format!("prepare snapshot `{key}` in `{snapshotter}`"))),
        }
    }

    async fn commit(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        target: &Target,
    ) -> Result<Committed, StoreError> {
        match self.commit_snapshot(lease, snapshotter, key, target).await {
            Ok(()) => Ok(Committed::New),
            Err(cause) if cause.class() == Class::AlreadyExists => Ok(Committed::Exists),
            Err(cause) => {
                let chain_id = &target.chain_id;
                Err(cause.during(format!("commit snapshot `{chain_id}` in `{snapshotter}`")))
            }
        }
    }

    async fn read_root(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<usize, StoreError> {
        let key = names::view_key(chain_id);
        let read = self.read_view(lease, snapshotter, &key, chain_id).await;
        let removed = self.remove(snapshotter, &key).await;
        let entries = read.map_err(|error| {
            let class = if let ViewError::NoView(cause) = &error { cause.class() } else { Class::Unknown };
            StoreError::new(class, format!("read snapshot `{chain_id}` in `{snapshotter}`"))
                .with_source(error)
        })?;
        removed?;
        Ok(entries)
    }

    async fn remove(&self, snapshotter: &SnapshotterName, key: &SnapshotKey) -> Result<(), StoreError> {
        let request = RemoveSnapshotRequest { snapshotter: snapshotter.to_string(), key: key.to_string() };
        match self.long_answer(self.snapshots().remove(self.request(request))).await {
            Err(cause) if cause.class() != Class::NotFound => {
                Err(cause.during(format!("remove snapshot `{key}` from `{snapshotter}`")))
            }
            _ => Ok(()),
        }
    }
}

impl Containerd {
    pub(super) fn snapshots(&self) -> SnapshotsClient<Channel> {
        client!(self, SnapshotsClient<_>)
    }

    async fn snapshot_info(&self, snapshotter: &SnapshotterName, chain_id: &ChainId) -> Result<Info, Cause> {
        let request = StatSnapshotRequest { snapshotter: snapshotter.to_string(), key: chain_id.to_string() };
        let found = answer(self.snapshots().stat(self.request(request))).await?;
        convert::required(found.info, "snapshot")
    }

    async fn snapshot_usage(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Usage, Cause> {
        let request = UsageRequest { snapshotter: snapshotter.to_string(), key: chain_id.to_string() };
        let usage = answer(self.snapshots().usage(self.request(request))).await?;
        Ok(Usage { bytes: convert::from_signed(usage.size)?, inodes: convert::from_signed(usage.inodes)? })
    }

    async fn prepare_snapshot(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        parent: Option<&ChainId>,
        target: Option<&Target>,
    ) -> Result<Vec<Mount>, Cause> {
        let request = PrepareSnapshotRequest {
            snapshotter: snapshotter.to_string(),
            key: key.to_string(),
            parent: parent.map(ToString::to_string).unwrap_or_default(),
            labels: target.map(|target| convert::to_map(&labels::of_target(target))).unwrap_or_default(),
        };
        let request = self.leased_request(lease, request)?;
        let prepared = self.long_answer(self.snapshots().prepare(request)).await?;
        Ok(prepared.mounts.into_iter().map(convert::from_mount).collect())
    }

    async fn commit_snapshot(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        target: &Target,
    ) -> Result<(), Cause> {
        let request = CommitSnapshotRequest {
            snapshotter: snapshotter.to_string(),
            name: target.chain_id.to_string(),
            key: key.to_string(),
            // The snapshotter does not carry them over.
            labels: convert::to_map(&labels::of_target(target)),
        };
        let request = self.leased_request(lease, request)?;
        self.long_answer(self.snapshots().commit(request)).await
    }
}

/// Whether an active snapshot has its content already. Snapshotters say so with a read-only mount.
fn is_filled(mounts: &[Mount]) -> bool {
    mounts.last().is_some_and(|mount| mount.options.iter().any(|option| option == "ro"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_only_mount_is_filled() {
        let mount = |options: &[&str]| Mount {
            kind: "bind".to_owned(),
            source: "/x".to_owned(),
            target: String::new(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        };
        assert!(!is_filled(&[]));
        assert!(!is_filled(&[mount(&["rbind", "rw"])]));
        assert!(is_filled(&[mount(&["rbind", "ro"])]));
        assert!(!is_filled(&[mount(&["ro"]), mount(&["rw"])]), "the last one counts");
    }
}
