//! The adapters of a pull behind their ports, with a script in between.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dray::oci::{Algorithm, ChainId, Descriptor, Digest, Platform, Reference};
use dray::ports::{
    Applied, Applier, BlobFacts, BlobInfo, BlobStream, Committed, ContentStore, FetchFailure, ImageRecord,
    ImageToPlan, Images, Ingest, LeaseId, Leases, Mount, OpenedIngest, Plan, Planner, Planners,
    PlatformMatcher, PluginCallTimings, PluginFailure, PluginIdentity, Prepared, Registry, Resolved,
    SnapshotInfo, SnapshotKey, Snapshots, SnapshotterInfo, SnapshotterName, Store, StoreError, StoreInfo,
    StoreVersion, StoredBytes, Target, Usage,
};
use dray::{PullRequest, Unpack, World};
use futures_util::{StreamExt as _, stream};

use crate::script::{
    ABORT_INGEST, ADD_FACTS, CREATE_LEASE, NEXT_BYTES, PROBE, PUT_IMAGE, Port, RELEASE_LEASE,
    REMOVE_SNAPSHOT, SUSPEND_INGEST, Script, WRITE,
};

/// The world behind the script. Ports that only observe have no faults.
pub(crate) fn world(world: &World, script: &Arc<Script>) -> World {
    let Store { content, snapshots, applier, images, leases, info } = world.store.clone();
    World {
        store: Store {
            content: faulty(content, script),
            snapshots: faulty(snapshots, script),
            applier: faulty(applier, script),
            images: faulty(images, script),
            leases: faulty(leases, script),
            info: faulty(info, script),
        },
        registry: faulty(world.registry.clone(), script),
        matcher: faulty(world.matcher.clone(), script),
        progress: world.progress.clone(),
    }
}

/// The request, with its planner behind the script.
pub(crate) fn request(request: &PullRequest, script: &Arc<Script>) -> PullRequest {
    let unpack = request
        .unpack
        .clone()
        .map(|unpack| Unpack { planners: faulty(unpack.planners.clone(), script), ..unpack });
    PullRequest { unpack, ..request.clone() }
}

/// An implementation of a port, behind the script.
struct Faulty<T: ?Sized> {
    inner: Arc<T>,
    script: Arc<Script>,
}

fn faulty<T: ?Sized>(inner: Arc<T>, script: &Arc<Script>) -> Arc<Faulty<T>> {
    Arc::new(Faulty { inner, script: Arc::clone(script) })
}

#[async_trait]
impl ContentStore for Faulty<dyn ContentStore> {
    async fn accepts(&self, algorithm: Algorithm) -> Result<bool, StoreError> {
        self.script.call(Port::Content, "accepts", self.inner.accepts(algorithm)).await
    }

    async fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, StoreError> {
        self.script.call(Port::Content, "info", self.inner.info(digest)).await
    }

    async fn read(&self, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        self.script.call(Port::Content, "read", self.inner.read(digest, limit)).await
    }

    async fn stream(&self, digest: &Digest, offset: u64) -> Result<StoredBytes, StoreError> {
        self.script.call(Port::Content, "stream", self.inner.stream(digest, offset)).await
    }

    async fn open_ingest(
        &self,
        lease: &LeaseId,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let open = self.inner.open_ingest(lease, descriptor);
        Ok(faulty_ingest(self.script.call(Port::Content, "open ingest", open).await?, &self.script))
    }

    async fn open_replacement(
        &self,
        lease: &LeaseId,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let open = self.inner.open_replacement(lease, descriptor);
        Ok(faulty_ingest(self.script.call(Port::Content, "open replacement", open).await?, &self.script))
    }

    async fn other_owners(&self, digest: &Digest) -> Result<Vec<String>, StoreError> {
        self.script.call(Port::Content, "other owners", self.inner.other_owners(digest)).await
    }

    async fn add_facts(&self, digest: &Digest, facts: &BlobFacts) -> Result<(), StoreError> {
        self.script.call(Port::Content, ADD_FACTS, self.inner.add_facts(digest, facts)).await
    }
}

fn faulty_ingest(opened: OpenedIngest, script: &Arc<Script>) -> OpenedIngest {
    match opened {
        OpenedIngest::Ready(inner) => {
            OpenedIngest::Ready(Box::new(FaultyIngest { inner, script: Arc::clone(script) }))
        }
        other => other,
    }
}

struct FaultyIngest {
    inner: Box<dyn Ingest>,
    script: Arc<Script>,
}

#[async_trait]
impl Ingest for FaultyIngest {
    fn offset(&self) -> u64 {
        self.inner.offset()
    }

    fn restart(&mut self) {
        self.inner.restart();
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.script.call(Port::Ingest, WRITE, self.inner.write(bytes)).await
    }

    async fn commit(self: Box<Self>, facts: &BlobFacts) -> Result<Committed, StoreError> {
        self.script.call(Port::Ingest, "commit ingest", self.inner.commit(facts)).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        self.script.call(Port::Ingest, ABORT_INGEST, self.inner.abort()).await
    }

    async fn suspend(self: Box<Self>) -> Result<(), StoreError> {
        self.script.call(Port::Ingest, SUSPEND_INGEST, self.inner.suspend()).await
    }
}

#[async_trait]
impl Snapshots for Faulty<dyn Snapshots> {
    async fn stat(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<SnapshotInfo>, StoreError> {
        self.script.call(Port::Snapshots, "stat", self.inner.stat(snapshotter, chain_id)).await
    }

    async fn usage(
        &self,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<Option<Usage>, StoreError> {
        self.script.call(Port::Snapshots, "usage", self.inner.usage(snapshotter, chain_id)).await
    }

    fn new_key(&self, chain_id: &ChainId) -> SnapshotKey {
        self.inner.new_key(chain_id)
    }

    async fn read_root(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        chain_id: &ChainId,
    ) -> Result<usize, StoreError> {
        let read = self.inner.read_root(lease, snapshotter, chain_id);
        self.script.call(Port::Snapshots, "read_root", read).await
    }

    async fn probe(&self, snapshotter: &SnapshotterName) -> Result<(), StoreError> {
        self.script.call(Port::Snapshots, PROBE, self.inner.probe(snapshotter)).await
    }

    async fn prepare(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        parent: Option<&ChainId>,
        target: Option<&Target>,
    ) -> Result<Prepared, StoreError> {
        let prepare = self.inner.prepare(lease, snapshotter, key, parent, target);
        self.script.call(Port::Snapshots, "prepare", prepare).await
    }

    async fn commit(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        target: &Target,
    ) -> Result<Committed, StoreError> {
        let commit = self.inner.commit(lease, snapshotter, key, target);
        self.script.call(Port::Snapshots, "commit snapshot", commit).await
    }

    async fn remove(&self, snapshotter: &SnapshotterName, key: &SnapshotKey) -> Result<(), StoreError> {
        self.script.call(Port::Snapshots, REMOVE_SNAPSHOT, self.inner.remove(snapshotter, key)).await
    }
}

#[async_trait]
impl Applier for Faulty<dyn Applier> {
    async fn apply(
        &self,
        lease: &LeaseId,
        layer: &Descriptor,
        mounts: &[Mount],
    ) -> Result<Applied, StoreError> {
        self.script.call(Port::Applier, "apply", self.inner.apply(lease, layer, mounts)).await
    }
}

#[async_trait]
impl Images for Faulty<dyn Images> {
    async fn get(&self, name: &str) -> Result<Option<ImageRecord>, StoreError> {
        self.script.call(Port::Images, "get image", self.inner.get(name)).await
    }

    async fn list(&self) -> Result<Vec<ImageRecord>, StoreError> {
        self.script.call(Port::Images, "list images", self.inner.list()).await
    }

    async fn put(&self, name: &str, target: &Descriptor) -> Result<(), StoreError> {
        self.script.call(Port::Images, PUT_IMAGE, self.inner.put(name, target)).await
    }

    async fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.script.call(Port::Images, "remove image", self.inner.remove(name)).await
    }
}

#[async_trait]
impl Leases for Faulty<dyn Leases> {
    async fn create(&self, expiry: Duration) -> Result<LeaseId, StoreError> {
        self.script.call(Port::Leases, CREATE_LEASE, self.inner.create(expiry)).await
    }

    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError> {
        self.script.call(Port::Leases, RELEASE_LEASE, self.inner.release(lease)).await
    }

    async fn collect(&self) -> Result<(), StoreError> {
        self.script.call(Port::Leases, "collect", self.inner.collect()).await
    }

    fn grace(&self) -> Duration {
        self.inner.grace()
    }
}

#[async_trait]
impl StoreInfo for Faulty<dyn StoreInfo> {
    async fn version(&self) -> Result<StoreVersion, StoreError> {
        self.script.call(Port::Info, "version", self.inner.version()).await
    }

    async fn snapshotters(&self) -> Result<Vec<SnapshotterInfo>, StoreError> {
        self.script.call(Port::Info, "snapshotters", self.inner.snapshotters()).await
    }

    async fn default_snapshotter(&self) -> Result<Option<SnapshotterName>, StoreError> {
        self.script.call(Port::Info, "default snapshotter", self.inner.default_snapshotter()).await
    }
}

#[async_trait]
impl Registry for Faulty<dyn Registry> {
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        self.script.call(Port::Registry, "resolve", self.inner.resolve(reference)).await
    }

    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        let fetch = self.inner.fetch_unverified(reference, descriptor, offset);
        let blob = self.script.call(Port::Registry, "fetch", fetch).await?;
        Ok(faulty_stream(blob, Arc::clone(&self.script)))
    }
}

/// Every piece is a call, and so is the end. After a failure the stream ends.
fn faulty_stream(blob: BlobStream, script: Arc<Script>) -> BlobStream {
    Box::pin(stream::unfold(Some((blob, script)), |open| async {
        let (mut blob, script) = open?;
        let next = async { blob.next().await.transpose() };
        let piece = script.call(Port::BlobStream, NEXT_BYTES, next).await.transpose()?;
        let open = piece.is_ok().then_some((blob, script));
        Some((piece, open))
    }))
}

#[async_trait]
impl PlatformMatcher for Faulty<dyn PlatformMatcher> {
    fn identity(&self) -> PluginIdentity {
        self.inner.identity()
    }

    async fn rank(&self, wanted: &[Platform], offered: &[Platform]) -> Result<Vec<usize>, PluginFailure> {
        self.script.call(Port::Matcher, "rank", self.inner.rank(wanted, offered)).await
    }

    fn timings(&self) -> PluginCallTimings {
        self.inner.timings()
    }
}

#[async_trait]
impl Planners for Faulty<dyn Planners> {
    async fn planner_for(&self, snapshotter: &SnapshotterName) -> Result<Arc<dyn Planner>, PluginFailure> {
        let planner = self.inner.planner_for(snapshotter);
        let planner = self.script.call(Port::Planner, "planner_for", planner).await?;
        Ok(faulty(planner, &self.script))
    }

    fn has_own(&self, snapshotter: &SnapshotterName) -> bool {
        self.inner.has_own(snapshotter)
    }
}

#[async_trait]
impl Planner for Faulty<dyn Planner> {
    fn identity(&self) -> PluginIdentity {
        self.inner.identity()
    }

    fn config(&self) -> &str {
        self.inner.config()
    }

    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PluginFailure> {
        self.script.call(Port::Planner, "plan", self.inner.plan(image)).await
    }

    fn timings(&self) -> PluginCallTimings {
        self.inner.timings()
    }
}
