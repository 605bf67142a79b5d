//! The scripted answers and the record of calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use containerd_client::services::v1::snapshots as api;
use containerd_client::tonic::{Code, Request, Status};
use containerd_client::types::Mount;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::directories::Directories;
use super::wire::Snapshots;
use crate::puller::REF;
use crate::state::Labels;

/// The question whether the snapshotter provides a layer: a `Prepare` with the label [`REF`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Number of the layer in the order of first questions, counted from 1.
    pub number: usize,
    /// The chain id.
    pub chain: String,
    /// The key, as the snapshotter gets it.
    pub key: String,
    /// The parent, as the snapshotter gets it; empty at the bottom.
    pub parent: String,
    /// All labels.
    pub labels: Labels,
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug)]
pub enum Reply {
    /// Commits the layer and answers `AlreadyExists`.
    Provide,
    /// Prepares a snapshot and answers its mounts.
    Mounts,
    /// Prepares a snapshot with the content of the layer and answers read-only mounts, as containerd 2.4 does for layers that
    /// only need a commit.
    Staged,
    /// Answers `AlreadyExists` without a snapshot.
    Claim,
    /// Does not answer until [`SnapshotService::release`](super::SnapshotService::release).
    Hang,
    /// Stops the server: closes all connections and its socket.
    Die,
    /// Answers this error.
    Error(Code, &'static str),
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `Prepare`, `Commit` and so on.
    pub method: &'static str,
    /// The key of the snapshot. For `Commit`, the new name.
    pub key: String,
    /// The status of its answer; `None` before that.
    pub ended: Option<Code>,
}

pub(super) type Script = Box<dyn FnMut(&Ask) -> Reply + Send>;

/// State that the server and its owner share.
pub(super) struct Shared {
    script: Mutex<Script>,
    record: Mutex<Record>,
    released: watch::Sender<bool>,
    life: Mutex<CancellationToken>,
}

#[derive(Default)]
struct Record {
    asked: Vec<Ask>,
    calls: Vec<Call>,
    numbers: HashMap<String, usize>,
}

impl Shared {
    pub(super) fn new(script: Script) -> Self {
        Self {
            script: Mutex::new(script),
            record: Mutex::default(),
            released: watch::Sender::new(false),
            life: Mutex::default(),
        }
    }

    pub(super) fn asked(&self) -> Vec<Ask> {
        lock(&self.record).asked.clone()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        lock(&self.record).calls.clone()
    }

    pub(super) fn release(&self) {
        self.released.send_replace(true);
    }

    /// A token that ends a new server.
    pub(super) fn life(&self) -> CancellationToken {
        let life = CancellationToken::new();
        lock(&self.life).clone_from(&life);
        life
    }

    fn ask(&self, chain: &str, request: &api::PrepareSnapshotRequest) -> Ask {
        let mut record = lock(&self.record);
        let next = record.numbers.len() + 1;
        let number = *record.numbers.entry(chain.to_owned()).or_insert(next);
        let ask = Ask {
            number,
            chain: chain.to_owned(),
            key: request.key.clone(),
            parent: request.parent.clone(),
            labels: request.labels.clone().into_iter().collect(),
        };
        record.asked.push(ask.clone());
        ask
    }

    /// Records a call and its status.
    async fn recorded<T>(
        &self,
        method: &'static str,
        key: &str,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let index = {
            let calls = &mut lock(&self.record).calls;
            calls.push(Call { method, key: key.to_owned(), ended: None });
            calls.len() - 1
        };
        let answer = call.await;
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        lock(&self.record).calls[index].ended = Some(code);
        answer
    }
}

/// The script in front of other snapshots.
pub(super) struct Scripted {
    behind: Arc<dyn Snapshots>,
    layers: Option<Arc<Directories>>,
    shared: Arc<Shared>,
}

impl Scripted {
    pub(super) fn new(
        behind: Arc<dyn Snapshots>,
        layers: Option<Arc<Directories>>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { behind, layers, shared }
    }

    fn layers(&self) -> &Directories {
        self.layers.as_deref().expect("only directories can provide layers")
    }

    async fn answer(&self, request: Request<api::PrepareSnapshotRequest>) -> Result<Vec<Mount>, Status> {
        let Some(chain) = request.get_ref().labels.get(REF).cloned() else {
            return self.behind.prepare(request).await;
        };
        let ask = self.shared.ask(&chain, request.get_ref());
        let reply = lock(&self.shared.script)(&ask);
        match reply {
            Reply::Mounts => self.behind.prepare(request).await,
            Reply::Provide => Err(self.layers().provide(&chain, request.get_ref())),
            Reply::Staged => self.layers().stage(request.get_ref()),
            Reply::Claim => Err(Status::already_exists(format!("{chain}: already exists"))),
            Reply::Error(code, message) => Err(Status::new(code, message)),
            Reply::Die => {
                lock(&self.shared.life).cancel();
                std::future::pending().await
            }
            Reply::Hang => {
                let mut released = self.shared.released.subscribe();
                released
                    .wait_for(|released| *released)
                    .await
                    .map_err(|_| Status::aborted("the service ends"))?;
                self.behind.prepare(request).await
            }
        }
    }
}

#[async_trait]
impl Snapshots for Scripted {
    async fn prepare(&self, request: Request<api::PrepareSnapshotRequest>) -> Result<Vec<Mount>, Status> {
        let key = request.get_ref().key.clone();
        self.shared.recorded("Prepare", &key, self.answer(request)).await
    }

    async fn view(&self, request: Request<api::ViewSnapshotRequest>) -> Result<Vec<Mount>, Status> {
        let key = request.get_ref().key.clone();
        self.shared.recorded("View", &key, self.behind.view(request)).await
    }

    async fn mounts(&self, request: Request<api::MountsRequest>) -> Result<Vec<Mount>, Status> {
        let key = request.get_ref().key.clone();
        self.shared.recorded("Mounts", &key, self.behind.mounts(request)).await
    }

    async fn commit(&self, request: Request<api::CommitSnapshotRequest>) -> Result<(), Status> {
        let key = request.get_ref().name.clone();
        self.shared.recorded("Commit", &key, self.behind.commit(request)).await
    }

    async fn remove(&self, request: Request<api::RemoveSnapshotRequest>) -> Result<(), Status> {
        let key = request.get_ref().key.clone();
        self.shared.recorded("Remove", &key, self.behind.remove(request)).await
    }

    async fn stat(&self, request: Request<api::StatSnapshotRequest>) -> Result<api::Info, Status> {
        let key = request.get_ref().key.clone();
        self.shared.recorded("Stat", &key, self.behind.stat(request)).await
    }

    async fn update(&self, request: Request<api::UpdateSnapshotRequest>) -> Result<api::Info, Status> {
        let key = request.get_ref().info.as_ref().map(|info| info.name.clone()).unwrap_or_default();
        self.shared.recorded("Update", &key, self.behind.update(request)).await
    }

    async fn list(&self, request: Request<api::ListSnapshotsRequest>) -> Result<Vec<api::Info>, Status> {
        self.shared.recorded("List", "", self.behind.list(request)).await
    }

    async fn usage(&self, request: Request<api::UsageRequest>) -> Result<api::UsageResponse, Status> {
        let key = request.get_ref().key.clone();
        self.shared.recorded("Usage", &key, self.behind.usage(request)).await
    }

    async fn cleanup(&self, request: Request<api::CleanupRequest>) -> Result<(), Status> {
        self.shared.recorded("Cleanup", "", self.behind.cleanup(request)).await
    }
}

/// Ignores poisoning: a panic of the script has its own message.
fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
