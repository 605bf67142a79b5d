//! Forwards calls to a real snapshotter.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use containerd_client::services::v1::snapshots as api;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{Request, Status};
use containerd_client::types::Mount;

use super::wire::Snapshots;

/// A snapshotter at a socket.
pub(super) struct Forward(PathBuf);

impl Forward {
    pub(super) fn new(daemon: &Path) -> Self {
        Self(daemon.to_owned())
    }

    /// Connects anew for each call: a kept connection backs off after a restart of the snapshotter.
    async fn client(&self) -> Result<SnapshotsClient<Channel>, Status> {
        let channel = containerd_client::connect(&self.0).await;
        channel.map(SnapshotsClient::new).map_err(|error| Status::unavailable(error.to_string()))
    }
}

#[async_trait]
impl Snapshots for Forward {
    async fn prepare(&self, request: Request<api::PrepareSnapshotRequest>) -> Result<Vec<Mount>, Status> {
        Ok(self.client().await?.prepare(request).await?.into_inner().mounts)
    }

    async fn view(&self, request: Request<api::ViewSnapshotRequest>) -> Result<Vec<Mount>, Status> {
        Ok(self.client().await?.view(request).await?.into_inner().mounts)
    }

    async fn mounts(&self, request: Request<api::MountsRequest>) -> Result<Vec<Mount>, Status> {
        Ok(self.client().await?.mounts(request).await?.into_inner().mounts)
    }

    async fn commit(&self, request: Request<api::CommitSnapshotRequest>) -> Result<(), Status> {
        self.client().await?.commit(request).await.map(drop)
    }

    async fn remove(&self, request: Request<api::RemoveSnapshotRequest>) -> Result<(), Status> {
        self.client().await?.remove(request).await.map(drop)
    }

    async fn stat(&self, request: Request<api::StatSnapshotRequest>) -> Result<api::Info, Status> {
        let answer = self.client().await?.stat(request).await?.into_inner();
        answer.info.ok_or_else(|| Status::internal("an answer without a snapshot"))
    }

    async fn update(&self, request: Request<api::UpdateSnapshotRequest>) -> Result<api::Info, Status> {
        let answer = self.client().await?.update(request).await?.into_inner();
        answer.info.ok_or_else(|| Status::internal("an answer without a snapshot"))
    }

    async fn list(&self, request: Request<api::ListSnapshotsRequest>) -> Result<Vec<api::Info>, Status> {
        let mut answers = self.client().await?.list(request).await?.into_inner();
        let mut all = Vec::new();
        while let Some(answer) = answers.message().await? {
            all.extend(answer.info);
        }
        Ok(all)
    }

    async fn usage(&self, request: Request<api::UsageRequest>) -> Result<api::UsageResponse, Status> {
        Ok(self.client().await?.usage(request).await?.into_inner())
    }

    async fn cleanup(&self, request: Request<api::CleanupRequest>) -> Result<(), Status> {
        self.client().await?.cleanup(request).await.map(drop)
    }
}
