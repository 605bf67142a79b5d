//! The gRPC server in front of the trait [`Snapshots`]. containerd's client crate has the messages, but no server.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use containerd_client::services::v1::snapshots as api;
use containerd_client::tonic::body::Body;
use containerd_client::tonic::codegen::{BoxStream, Service, http};
use containerd_client::tonic::server::{Grpc, NamedService};
use containerd_client::tonic::{Request, Response, Status};
use containerd_client::types::Mount;
use tonic_prost::ProstCodec;
use tower::service_fn;

/// The calls of a snapshotter. The metadata of a request has the namespace.
#[async_trait]
pub(super) trait Snapshots: Send + Sync + 'static {
    async fn prepare(&self, request: Request<api::PrepareSnapshotRequest>) -> Result<Vec<Mount>, Status>;
    async fn view(&self, request: Request<api::ViewSnapshotRequest>) -> Result<Vec<Mount>, Status>;
    async fn mounts(&self, request: Request<api::MountsRequest>) -> Result<Vec<Mount>, Status>;
    async fn commit(&self, request: Request<api::CommitSnapshotRequest>) -> Result<(), Status>;
    async fn remove(&self, request: Request<api::RemoveSnapshotRequest>) -> Result<(), Status>;
    async fn stat(&self, request: Request<api::StatSnapshotRequest>) -> Result<api::Info, Status>;
    async fn update(&self, request: Request<api::UpdateSnapshotRequest>) -> Result<api::Info, Status>;
    async fn list(&self, request: Request<api::ListSnapshotsRequest>) -> Result<Vec<api::Info>, Status>;
    async fn usage(&self, request: Request<api::UsageRequest>) -> Result<api::UsageResponse, Status>;
    async fn cleanup(&self, request: Request<api::CleanupRequest>) -> Result<(), Status>;
}

/// The service for tonic's server.
#[derive(Clone)]
pub(super) struct Wire(Arc<dyn Snapshots>);

impl Wire {
    pub(super) fn new(snapshots: Arc<dyn Snapshots>) -> Self {
        Self(snapshots)
    }

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        // Calls a method of the trait and makes the message of the answer.
        macro_rules! unary {
            ($method:ident, $answer:expr) => {{
                let call = service_fn(move |request| {
                    let snapshots = Arc::clone(&self.0);
                    async move { snapshots.$method(request).await.map($answer).map(Response::new) }
                });
                Grpc::new(ProstCodec::default()).unary(call, request).await
            }};
        }
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        match method.as_str() {
            "Prepare" => unary!(prepare, |mounts| api::PrepareSnapshotResponse { mounts }),
            "View" => unary!(view, |mounts| api::ViewSnapshotResponse { mounts }),
            "Mounts" => unary!(mounts, |mounts| api::MountsResponse { mounts }),
            "Commit" => unary!(commit, |()| ()),
            "Remove" => unary!(remove, |()| ()),
            "Stat" => unary!(stat, |info| api::StatSnapshotResponse { info: Some(info) }),
            "Update" => unary!(update, |info| api::UpdateSnapshotResponse { info: Some(info) }),
            "Usage" => unary!(usage, |usage| usage),
            "Cleanup" => unary!(cleanup, |()| ()),
            "List" => {
                let call = service_fn(move |request| {
                    let snapshots = Arc::clone(&self.0);
                    async move {
                        let info = snapshots.list(request).await?;
                        let answer = Ok(api::ListSnapshotsResponse { info });
                        let answers: BoxStream<_> = Box::pin(futures_util::stream::iter([answer]));
                        Ok::<_, Status>(Response::new(answers))
                    }
                });
                Grpc::new(ProstCodec::default()).server_streaming(call, request).await
            }
            other => Status::unimplemented(format!("no method {other}")).into_http(),
        }
    }
}

impl Service<http::Request<Body>> for Wire {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

impl NamedService for Wire {
    const NAME: &'static str = "containerd.services.snapshots.v1.Snapshots";
}
