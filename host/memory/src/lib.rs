//! A store and a registry in memory, stricter than the real ones: a commit with wrong bytes, a missing
//! parent, an effect without lease are failures here, always.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use dray_core::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, Platform, Reference};
use dray_core::verify::digest_of;
use dray_ports::{
    Applied, Applier, BlobInfo, BlobStream, Class, Committed, ContentStore, Daemon, DaemonVersion,
    FetchFailure, FetchFault, ImageRecord, ImageToPlan, Images, Ingest, IngestRef, Labels, LeaseId, Leases,
    Mount, OpenedIngest, Plan, Planner, PlatformMatcher, PluginCallTimings, PluginFailure, PluginIdentity,
    Prepared, Registry, Resolved, SnapshotInfo, SnapshotKey, Snapshots, SnapshotterInfo, SnapshotterName,
    Store, StoreError, StoredBytes, Usage,
};

/// What the store has, and how it is to misbehave.
#[derive(Default)]
pub struct State {
    /// Blobs with their labels.
    pub blobs: BTreeMap<Digest, (Bytes, Labels)>,
    /// What was committed, in order, with its first labels.
    pub stored: Vec<(Digest, Labels)>,
    /// What blobs have become on the disk; absent where they are as they were stored.
    pub damaged: HashMap<Digest, Bytes>,
    /// What was read piece by piece, and how many bytes of it were left to read.
    pub streamed: Vec<(Digest, usize)>,
    /// Namespaces that share blobs with this one.
    pub others: HashMap<Digest, Vec<String>>,
    /// Bytes so far, and whether somebody writes.
    pub ingests: HashMap<String, (Vec<u8>, bool)>,
    /// Parent and labels of each committed snapshot.
    pub committed: BTreeMap<String, (Option<String>, Labels)>,
    /// Parent, and what was applied.
    pub active: BTreeMap<String, (Option<String>, Option<DiffId>)>,
    /// Image records.
    pub images: BTreeMap<String, Descriptor>,
    /// Leases that are held.
    pub leases: HashSet<String>,
    /// Chain ids that the snapshotter provides when asked.
    pub provides: HashSet<String>,
    /// Chain ids that the snapshotter claims and does not have.
    pub phantoms: HashSet<String>,
    /// Chain ids whose content is in place as soon as a snapshot for it is active.
    pub staged: HashSet<String>,
    /// Chain ids that the snapshotter fails on where it is asked for them.
    pub refuses: HashSet<String>,
    /// A chain id that the collector takes when the question after so many comes.
    pub collect_at: Option<(usize, String)>,
    /// Labels of each question, in order.
    pub questions: Vec<Labels>,
    /// Another client commits every blob a moment before us.
    pub rival: bool,
    /// Names of all calls.
    pub calls: Vec<&'static str>,
    /// The call that fails, counted from 1.
    pub fail_at: Option<usize>,
    /// The call that cancels a token, counted from 1.
    pub cancel_at: Option<(usize, CancellationToken)>,
}

/// A store in memory. Its clones share one state.
#[derive(Clone, Default)]
pub struct FakeStore(Arc<Mutex<State>>);

impl From<FakeStore> for Store {
    fn from(store: FakeStore) -> Self {
        let store = Arc::new(store);
        Self {
            content: store.clone(),
            snapshots: store.clone(),
            applier: store.clone(),
            images: store.clone(),
            leases: store.clone(),
            daemon: store,
        }
    }
}

/// The diff id that applying a blob gives here.
pub fn diff_id_of(blob: &[u8]) -> DiffId {
    let mut hasher = dray_core::verify::Hasher::new(Algorithm::Sha256);
    hasher.update(b"uncompressed ");
    hasher.update(blob);
    DiffId::from_uncompressed(hasher.finish())
}

impl FakeStore {
    /// The state, locked.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }

    fn call(&self, name: &'static str) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.state();
        state.calls.push(name);
        if let Some((at, token)) = &state.cancel_at
            && *at == state.calls.len()
        {
            token.cancel();
        }
        if state.fail_at == Some(state.calls.len()) {
            return Err(StoreError::new(Class::Unknown, format!("do call {}: {name}", state.calls.len())));
        }
        Ok(state)
    }

    fn open(
        &self,
        mut state: MutexGuard<'_, State>,
        ingest: &IngestRef,
        descriptor: &Descriptor,
        replaces: bool,
    ) -> OpenedIngest {
        let (bytes, locked) = state.ingests.entry(ingest.as_str().to_owned()).or_default();
        if std::mem::replace(locked, true) {
            return OpenedIngest::Locked;
        }
        let (offset, name) = (bytes.len() as u64, ingest.as_str().to_owned());
        drop(state);
        let (store, descriptor) = (self.clone(), descriptor.clone());
        OpenedIngest::Ready(Box::new(FakeIngest { store, name, descriptor, offset, replaces }))
    }

    /// The bytes of a blob as they are read.
    fn bytes(&self, name: &'static str, digest: &Digest) -> Result<Bytes, StoreError> {
        let state = self.call(name)?;
        let Some((bytes, _)) = state.blobs.get(digest) else {
            return Err(StoreError::new(Class::NotFound, name));
        };
        Ok(state.damaged.get(digest).unwrap_or(bytes).clone())
    }

    fn leased(&self, name: &'static str, lease: &LeaseId) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.call(name)?;
        if !state.leases.contains(lease.as_str()) {
            return Err(StoreError::new(Class::NotFound, "find the lease"));
        }
        Ok(state)
    }
}

struct FakeIngest {
    store: FakeStore,
    name: String,
    descriptor: Descriptor,
    offset: u64,
    replaces: bool,
}

impl Drop for FakeIngest {
    fn drop(&mut self) {
        if let Some(ingest) = self.store.state().ingests.get_mut(&self.name) {
            ingest.1 = false;
        }
    }
}

#[async_trait]
impl Ingest for FakeIngest {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn restart(&mut self) {
        self.store.state().ingests.get_mut(&self.name).expect("a test asks only for what it made").0.clear();
        self.offset = 0;
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        let mut state = self.store.call("write")?;
        state
            .ingests
            .get_mut(&self.name)
            .expect("a test asks only for what it made")
            .0
            .extend_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    async fn commit(self: Box<Self>, labels: &Labels) -> Result<Committed, StoreError> {
        let (bytes, _) =
            self.store.state().ingests.remove(&self.name).expect("a test asks only for what it made");
        let mut state = self.store.call("commit content")?;
        let digest = &self.descriptor.digest;
        if bytes.len() as u64 != self.descriptor.size || digest_of(digest.algorithm(), &bytes) != *digest {
            return Err(StoreError::new(Class::FailedPrecondition, "commit wrong bytes"));
        }
        if self.replaces && !state.others.contains_key(digest) {
            state.damaged.remove(digest);
        }
        let mut labels = labels.clone();
        if let Some((_, had)) = state.blobs.get(digest) {
            labels.extend(had.clone());
        }
        if state.rival {
            state.blobs.insert(digest.clone(), (bytes.into(), Labels::new()));
            return Ok(Committed::Exists);
        }
        state.blobs.insert(digest.clone(), (bytes.into(), labels.clone()));
        state.stored.push((digest.clone(), labels));
        drop(state);
        Ok(Committed::New)
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        self.store.state().ingests.remove(&self.name);
        Ok(())
    }

    async fn suspend(self: Box<Self>) -> Result<(), StoreError> {
        self.store.call("suspend").map(drop)
    }
}

#[async_trait]
impl ContentStore for FakeStore {
    async fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, StoreError> {
        let state = self.call("info")?;
        let blob = state.blobs.get(digest);
        Ok(blob.map(|(bytes, labels)| BlobInfo { size: bytes.len() as u64, labels: labels.clone() }))
    }

    async fn read(&self, digest: &Digest, _limit: u64) -> Result<Bytes, StoreError> {
        let bytes = self.bytes("read", digest)?;
        let due = self.state().blobs[digest].0.len();
        if bytes.len() < due { Err(StoreError::new(Class::Damaged, "read")) } else { Ok(bytes) }
    }

    async fn stream(&self, digest: &Digest, offset: u64) -> Result<StoredBytes, StoreError> {
        let bytes = self.bytes("stream", digest)?;
        let rest = bytes
            .slice(usize::try_from(offset).expect("a test asks only for what it made").min(bytes.len())..);
        self.state().streamed.push((digest.clone(), rest.len()));
        let pieces: Vec<_> = rest.chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(Box::pin(futures_util::stream::iter(pieces)))
    }

    async fn other_owners(&self, digest: &Digest) -> Result<Vec<String>, StoreError> {
        Ok(self.call("other owners")?.others.get(digest).cloned().unwrap_or_default())
    }

    async fn open_ingest(
        &self,
        lease: &LeaseId,
        ingest: &IngestRef,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let state = self.leased("open ingest", lease)?;
        if state.blobs.contains_key(&descriptor.digest) {
            return Ok(OpenedIngest::Exists);
        }
        Ok(self.open(state, ingest, descriptor, false))
    }

    async fn open_replacement(
        &self,
        lease: &LeaseId,
        ingest: &IngestRef,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let state = self.leased("open replacement", lease)?;
        Ok(self.open(state, ingest, descriptor, true))
    }

    async fn set_labels(&self, digest: &Digest, labels: &Labels) -> Result<(), StoreError> {
        let mut state = self.call("set labels")?;
        let blob = state.blobs.get_mut(digest).ok_or_else(|| StoreError::new(Class::NotFound, "label"))?;
        blob.1.extend(labels.clone());
        Ok(())
    }
}

#[async_trait]
impl Snapshots for FakeStore {
    async fn stat(&self, _: &SnapshotterName, chain: &ChainId) -> Result<Option<SnapshotInfo>, StoreError> {
        let state = self.call("stat")?;
        let snapshot = state.committed.get(chain.as_str());
        Ok(snapshot.map(|(parent, labels)| SnapshotInfo { parent: parent.clone(), labels: labels.clone() }))
    }

    async fn usage(&self, _: &SnapshotterName, chain: &ChainId) -> Result<Option<Usage>, StoreError> {
        let state = self.call("usage")?;
        Ok(state.committed.contains_key(chain.as_str()).then_some(Usage { bytes: 100, inodes: 3 }))
    }

    async fn prepare(
        &self,
        lease: &LeaseId,
        _: &SnapshotterName,
        key: &SnapshotKey,
        parent: Option<&ChainId>,
        labels: &Labels,
    ) -> Result<Prepared, StoreError> {
        let mut state = self.leased("prepare", lease)?;
        state.questions.push(labels.clone());
        let (mut applied, mut access) = (None, "rw");
        if let Some((at, chain)) = state.collect_at.clone()
            && at == state.questions.len()
        {
            state.committed.remove(&chain);
        }
        let parent = parent.map(ToString::to_string);
        if parent.as_ref().is_some_and(|parent| !state.committed.contains_key(parent)) {
            return Err(StoreError::new(Class::NotFound, "find the parent"));
        }
        if let Some(target) = labels.get("containerd.io/snapshot.ref") {
            if state.committed.contains_key(target) || state.phantoms.contains(target) {
                return Ok(Prepared::Exists);
            }
            if state.refuses.contains(target) {
                // As one does that dies over it.
                state.active.insert(key.to_string(), (parent, None));
                return Err(StoreError::new(Class::Unknown, "mount from afar").with_source("no route"));
            }
            if state.provides.contains(target) {
                state.committed.insert(target.clone(), (parent, labels.clone()));
                return Ok(Prepared::Exists);
            }
            if state.staged.contains(target) {
                (applied, access) = (Some(diff_id_of(b"staged")), "ro");
            }
        }
        state.active.insert(key.to_string(), (parent, applied));
        let mount = Mount {
            kind: "fake".into(),
            source: key.to_string(),
            target: String::new(),
            options: vec![access.into()],
        };
        Ok(Prepared::Active(vec![mount]))
    }

    async fn commit(
        &self,
        lease: &LeaseId,
        _: &SnapshotterName,
        chain: &ChainId,
        key: &SnapshotKey,
        labels: &Labels,
    ) -> Result<Committed, StoreError> {
        let mut state = self.leased("commit snapshot", lease)?;
        if state.committed.contains_key(chain.as_str()) {
            return Ok(Committed::Exists);
        }
        let Some((parent, Some(_))) = state.active.remove(key.as_str()) else {
            return Err(StoreError::new(Class::FailedPrecondition, "commit an empty snapshot"));
        };
        state.committed.insert(chain.to_string(), (parent, labels.clone()));
        Ok(Committed::New)
    }

    async fn remove(&self, _: &SnapshotterName, key: &SnapshotKey) -> Result<(), StoreError> {
        self.state().active.remove(key.as_str());
        Ok(())
    }
}

#[async_trait]
impl Applier for FakeStore {
    async fn apply(
        &self,
        lease: &LeaseId,
        layer: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Applied, StoreError> {
        tokio::task::yield_now().await;
        let mut state = self.leased("apply", lease)?;
        let Some((bytes, _)) = state.blobs.get(&layer.digest).cloned() else {
            return Err(StoreError::new(Class::NotFound, "read the layer"));
        };
        let bytes = state.damaged.get(&layer.digest).cloned().unwrap_or(bytes);
        let diff_id = diff_id_of(&bytes);
        let snapshot = state.active.get_mut(&mounts[0].source);
        snapshot.ok_or_else(|| StoreError::new(Class::NotFound, "mount"))?.1 = Some(diff_id.clone());
        Ok(Applied { diff_id, size: bytes.len() as u64 + 13 })
    }
}

fn record((name, target): (&String, &Descriptor)) -> ImageRecord {
    ImageRecord {
        name: name.clone(),
        target: target.clone(),
        labels: Labels::new(),
        created_at: SystemTime::UNIX_EPOCH,
        updated_at: SystemTime::UNIX_EPOCH,
    }
}

#[async_trait]
impl Images for FakeStore {
    async fn get(&self, name: &str) -> Result<Option<ImageRecord>, StoreError> {
        Ok(self.call("get image")?.images.get_key_value(name).map(record))
    }

    async fn list(&self) -> Result<Vec<ImageRecord>, StoreError> {
        Ok(self.call("list images")?.images.iter().map(record).collect())
    }

    async fn put(&self, name: &str, target: &Descriptor) -> Result<(), StoreError> {
        self.call("put image")?.images.insert(name.to_owned(), target.clone());
        Ok(())
    }
}

#[async_trait]
impl Leases for FakeStore {
    async fn create(&self, _: Duration) -> Result<LeaseId, StoreError> {
        let mut state = self.call("create lease")?;
        let id = format!("lease-{}", state.calls.len());
        state.leases.insert(id.clone());
        Ok(LeaseId::from_store(id))
    }

    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError> {
        self.call("release lease")?.leases.remove(lease.as_str());
        Ok(())
    }
}

#[async_trait]
impl Daemon for FakeStore {
    async fn version(&self) -> Result<DaemonVersion, StoreError> {
        Ok(DaemonVersion { version: "0".into(), revision: String::new() })
    }

    async fn snapshotters(&self) -> Result<Vec<SnapshotterInfo>, StoreError> {
        drop(self.call("snapshotters")?);
        let info = |name: &str, error: Option<&str>| SnapshotterInfo {
            name: SnapshotterName::new(name),
            error: error.map(str::to_owned),
            capabilities: Vec::new(),
        };
        Ok(vec![info("overlayfs", None), info("broken", Some("no such device"))])
    }

    async fn default_snapshotter(&self) -> Result<Option<SnapshotterName>, StoreError> {
        drop(self.call("default snapshotter")?);
        Ok(None)
    }
}

/// What a fake registry does to a blob.
#[derive(Clone, Copy)]
pub enum Lie {
    /// Breaks off after so many bytes of every answer.
    BreaksAfter(usize),
    /// Ends too early, as if all had been sent.
    EndsAfter(usize),
    /// Breaks off after so many bytes, and sends nothing after that.
    DiesAfter(usize),
    /// Breaks off after so many bytes, and does not know the blob after that.
    GoneAfter(usize),
    /// Sends other bytes.
    Twists,
}

/// A registry in memory, that can lie.
#[derive(Default)]
pub struct FakeRegistry {
    /// What it serves.
    pub blobs: Mutex<HashMap<Digest, Bytes>>,
    /// What every reference resolves to.
    pub target: Mutex<Option<Descriptor>>,
    /// What it does to a blob.
    pub lies: Mutex<HashMap<Digest, Lie>>,
    /// Digest, offset, and bytes sent.
    pub served: Mutex<Vec<(Digest, u64, usize)>>,
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn resolve(&self, _: &Reference) -> Result<Resolved, FetchFailure> {
        Ok(Resolved {
            descriptor: self
                .target
                .lock()
                .expect("no holder of the lock panics")
                .clone()
                .expect("a test asks only for what it made"),
            document: None,
        })
    }

    async fn fetch_unverified(
        &self,
        _: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        let failure = |fault| FetchFailure::new(fault, "the fake registry failed");
        let blob = self.blobs.lock().expect("no holder of the lock panics").get(&descriptor.digest).cloned();
        let blob = blob.ok_or_else(|| failure(FetchFault::NotFound))?;
        let rest = blob.slice(usize::try_from(offset).expect("a test asks only for what it made")..);
        let lie = self.lies.lock().expect("no holder of the lock panics").get(&descriptor.digest).copied();
        let (bytes, broken) = match lie {
            Some(Lie::BreaksAfter(count)) if count < rest.len() => (rest.slice(..count), true),
            Some(Lie::EndsAfter(count)) if count < rest.len() => (rest.slice(..count), false),
            Some(Lie::GoneAfter(count))
                if usize::try_from(offset).expect("a test asks only for what it made") >= count =>
            {
                return Err(failure(FetchFault::NotFound));
            }
            Some(Lie::DiesAfter(count) | Lie::GoneAfter(count)) => {
                let left =
                    count.saturating_sub(usize::try_from(offset).expect("a test asks only for what it made"));
                (rest.slice(..left.min(rest.len())), true)
            }
            Some(Lie::Twists) => (rest.iter().map(|byte| byte ^ 1).collect(), false),
            _ => (rest, false),
        };
        self.served.lock().expect("no holder of the lock panics").push((
            descriptor.digest.clone(),
            offset,
            bytes.len(),
        ));
        let mut items: Vec<Result<Bytes, FetchFailure>> =
            bytes.chunks(7).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        if broken {
            items.push(Err(failure(FetchFault::Unavailable)));
        }
        Ok(Box::pin(futures_util::stream::iter(items)))
    }
}

/// A planner and matcher that do as told.
pub struct FakePlugins(pub Box<dyn Fn(&ImageToPlan) -> Plan + Send + Sync>);

fn identity() -> PluginIdentity {
    PluginIdentity {
        name: "fake".into(),
        version: "1.0.0".into(),
        digest: digest_of(Algorithm::Sha256, b"fake"),
        origin: "embedded:fake".into(),
    }
}

#[async_trait]
impl Planner for FakePlugins {
    fn identity(&self) -> PluginIdentity {
        identity()
    }

    fn config(&self) -> &'static str {
        "{}"
    }

    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PluginFailure> {
        Ok((self.0)(image))
    }

    fn timings(&self) -> PluginCallTimings {
        PluginCallTimings::default()
    }
}

#[async_trait]
impl PlatformMatcher for FakePlugins {
    fn identity(&self) -> PluginIdentity {
        identity()
    }

    async fn rank(&self, wanted: &[Platform], offered: &[Platform]) -> Result<Vec<usize>, PluginFailure> {
        let mut ranked: Vec<usize> =
            (0..offered.len()).filter(|&index| wanted.contains(&offered[index])).collect();
        ranked.sort_by_key(|&index| wanted.iter().position(|platform| *platform == offered[index]));
        Ok(ranked)
    }

    fn timings(&self) -> PluginCallTimings {
        PluginCallTimings::default()
    }
}
