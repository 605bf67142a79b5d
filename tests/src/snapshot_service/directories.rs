//! Snapshots in plain directories, mounted with overlayfs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use containerd_client::services::v1::snapshots as api;
use containerd_client::services::v1::snapshots::Kind;
use containerd_client::tonic::{Request, Status};
use containerd_client::types::Mount;
use flate2::read::MultiGzDecoder;

use super::wire::Snapshots;
use crate::puller::Labels;

/// Snapshots, and the contents of layers that can be provided.
pub(super) struct Directories {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    snapshots: BTreeMap<String, Snapshot>,
    made: usize,
    /// Archives by layer digest.
    layers: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone)]
struct Snapshot {
    directory: PathBuf,
    kind: Kind,
    parent: String,
    labels: Labels,
}

impl Snapshot {
    fn files(&self) -> PathBuf {
        self.directory.join("fs")
    }

    fn info(&self, name: &str) -> api::Info {
        api::Info {
            name: name.to_owned(),
            parent: self.parent.clone(),
            kind: self.kind.into(),
            labels: self.labels.clone(),
            ..api::Info::default()
        }
    }
}

impl State {
    fn find(&self, name: &str) -> Result<&Snapshot, Status> {
        self.snapshots.get(name).ok_or_else(|| Status::not_found(format!("snapshot {name}: not found")))
    }

    /// The directories of a snapshot and its ancestors, from the top.
    fn below(&self, name: &str) -> Result<Vec<PathBuf>, Status> {
        let mut directories = Vec::new();
        let mut name = name;
        while !name.is_empty() {
            let snapshot = self.find(name)?;
            directories.push(snapshot.files());
            name = &snapshot.parent;
        }
        Ok(directories)
    }

    fn mounts(&self, key: &str) -> Result<Vec<Mount>, Status> {
        let snapshot = self.find(key)?;
        let below = self.below(&snapshot.parent)?;
        Ok(vec![match (snapshot.kind, below.as_slice()) {
            (Kind::Active, []) => bind(&snapshot.files(), "rw"),
            (Kind::Active, _) => overlay(Some(&snapshot.directory), &below),
            (_, []) => bind(&snapshot.files(), "ro"),
            (_, [one]) => bind(one, "ro"),
            _ => overlay(None, &below),
        }])
    }
}

fn bind(source: &Path, access: &str) -> Mount {
    Mount {
        r#type: "bind".to_owned(),
        source: source.display().to_string(),
        options: vec![access.to_owned(), "rbind".to_owned()],
        ..Mount::default()
    }
}

fn overlay(upper: Option<&Path>, below: &[PathBuf]) -> Mount {
    let mut options = vec!["index=off".to_owned()];
    if let Some(directory) = upper {
        options.push(format!("workdir={}", directory.join("work").display()));
        options.push(format!("upperdir={}", directory.join("fs").display()));
    }
    let below: Vec<_> = below.iter().map(|path| path.display().to_string()).collect();
    options.push(format!("lowerdir={}", below.join(":")));
    let overlay = "overlay".to_owned();
    Mount { r#type: overlay.clone(), source: overlay, options, ..Mount::default() }
}

impl Directories {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), state: Mutex::default() }
    }

    pub(super) fn add_layer(&self, digest: &str, archive: Vec<u8>) {
        self.lock().layers.insert(digest.to_owned(), archive);
    }

    /// Commits a layer, unless that was done, and returns the status `AlreadyExists`.
    pub(super) fn provide(&self, chain: &str, request: &api::PrepareSnapshotRequest) -> Status {
        let mut state = self.lock();
        if !state.snapshots.contains_key(chain) {
            let labels = request.labels.clone();
            if let Err(status) = self.make(&mut state, chain, Kind::Committed, &request.parent, labels) {
                return status;
            }
            fill(&state, chain, &request.labels);
        }
        Status::already_exists(format!("target snapshot {chain}: already exists"))
    }

    /// Prepares a snapshot with the content of its layer, and returns read-only mounts.
    pub(super) fn stage(&self, request: &api::PrepareSnapshotRequest) -> Result<Vec<Mount>, Status> {
        let mut state = self.lock();
        self.make(&mut state, &request.key, Kind::Active, &request.parent, request.labels.clone())?;
        fill(&state, &request.key, &request.labels);
        Ok(vec![bind(&state.find(&request.key)?.files(), "ro")])
    }

    fn make(
        &self,
        state: &mut State,
        name: &str,
        kind: Kind,
        parent: &str,
        labels: Labels,
    ) -> Result<(), Status> {
        if state.snapshots.contains_key(name) {
            return Err(Status::already_exists(format!("snapshot {name}: already exists")));
        }
        if !parent.is_empty() && state.find(parent)?.kind != Kind::Committed {
            return Err(Status::invalid_argument(format!("parent {parent} is not committed")));
        }
        state.made += 1;
        let directory = self.root.join(state.made.to_string());
        for part in ["fs", "work"] {
            fs::create_dir_all(directory.join(part))?;
        }
        let snapshot = Snapshot { directory, kind, parent: parent.to_owned(), labels };
        state.snapshots.insert(name.to_owned(), snapshot);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unpacks the layer whose digest is in the labels, if its content is known.
fn fill(state: &State, name: &str, labels: &Labels) {
    let digest = labels.get("containerd.io/snapshot/cri.layer-digest");
    let Some(archive) = digest.and_then(|digest| state.layers.get(digest)) else { return };
    let files = state.snapshots[name].files();
    let unpacked = if archive.starts_with(&[0x1f, 0x8b]) {
        tar::Archive::new(MultiGzDecoder::new(archive.as_slice())).unpack(files)
    } else {
        tar::Archive::new(archive.as_slice()).unpack(files)
    };
    unpacked.expect("a layer of a test can be unpacked");
}

#[async_trait]
impl Snapshots for Directories {
    async fn prepare(&self, request: Request<api::PrepareSnapshotRequest>) -> Result<Vec<Mount>, Status> {
        let request = request.into_inner();
        let mut state = self.lock();
        self.make(&mut state, &request.key, Kind::Active, &request.parent, request.labels)?;
        state.mounts(&request.key)
    }

    async fn view(&self, request: Request<api::ViewSnapshotRequest>) -> Result<Vec<Mount>, Status> {
        let request = request.into_inner();
        let mut state = self.lock();
        self.make(&mut state, &request.key, Kind::View, &request.parent, request.labels)?;
        state.mounts(&request.key)
    }

    async fn mounts(&self, request: Request<api::MountsRequest>) -> Result<Vec<Mount>, Status> {
        self.lock().mounts(&request.into_inner().key)
    }

    async fn commit(&self, request: Request<api::CommitSnapshotRequest>) -> Result<(), Status> {
        let request = request.into_inner();
        let mut state = self.lock();
        if state.snapshots.contains_key(&request.name) {
            return Err(Status::already_exists(format!("snapshot {}: already exists", request.name)));
        }
        let mut snapshot = state.find(&request.key)?.clone();
        if snapshot.kind != Kind::Active {
            return Err(Status::failed_precondition(format!("snapshot {} is not active", request.key)));
        }
        snapshot.kind = Kind::Committed;
        snapshot.labels.extend(request.labels);
        state.snapshots.remove(&request.key);
        state.snapshots.insert(request.name, snapshot);
        Ok(())
    }

    async fn remove(&self, request: Request<api::RemoveSnapshotRequest>) -> Result<(), Status> {
        let key = request.into_inner().key;
        let mut state = self.lock();
        let directory = state.find(&key)?.directory.clone();
        if state.snapshots.values().any(|snapshot| snapshot.parent == key) {
            return Err(Status::failed_precondition(format!("snapshot {key} has children")));
        }
        state.snapshots.remove(&key);
        Ok(fs::remove_dir_all(directory)?)
    }

    async fn stat(&self, request: Request<api::StatSnapshotRequest>) -> Result<api::Info, Status> {
        let key = request.into_inner().key;
        self.lock().find(&key).map(|snapshot| snapshot.info(&key))
    }

    async fn update(&self, request: Request<api::UpdateSnapshotRequest>) -> Result<api::Info, Status> {
        let request = request.into_inner();
        let info = request.info.unwrap_or_default();
        let mask = request.update_mask.unwrap_or_default().paths;
        let mut state = self.lock();
        let mut snapshot = state.find(&info.name)?.clone();
        if mask.is_empty() || mask.iter().any(|path| path == "labels") {
            snapshot.labels.clone_from(&info.labels);
        }
        for key in mask.iter().filter_map(|path| path.strip_prefix("labels.")) {
            match info.labels.get(key) {
                Some(value) => snapshot.labels.insert(key.to_owned(), value.clone()),
                None => snapshot.labels.remove(key),
            };
        }
        let updated = snapshot.info(&info.name);
        state.snapshots.insert(info.name, snapshot);
        Ok(updated)
    }

    /// Ignores filters: containerd checks the results.
    async fn list(&self, _: Request<api::ListSnapshotsRequest>) -> Result<Vec<api::Info>, Status> {
        Ok(self.lock().snapshots.iter().map(|(name, snapshot)| snapshot.info(name)).collect())
    }

    async fn usage(&self, request: Request<api::UsageRequest>) -> Result<api::UsageResponse, Status> {
        self.lock().find(&request.into_inner().key)?;
        Ok(api::UsageResponse::default())
    }

    async fn cleanup(&self, _: Request<api::CleanupRequest>) -> Result<(), Status> {
        Ok(())
    }
}
