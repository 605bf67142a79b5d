use std::io;

use async_trait::async_trait;
use bytes::Bytes;

use super::store::{FakeStore, State};
use dray_core::oci::{Algorithm, ChainId, Descriptor, DiffId};
use dray_core::verify::{Hasher, digest_of};
use dray_ports::{
    Applied, Applier, Class, Committed, LeaseId, Mount, Prepared, SnapshotInfo, SnapshotKey, Snapshots,
    SnapshotterName, StoreError, Target, Usage,
};

/// The snapshotters of the store, with the reason why one of them did not start.
pub(crate) const SNAPSHOTTERS: [(&str, Option<&str>); 2] =
    [("overlayfs", None), ("broken", Some("no such device"))];

/// The diff id that applying a blob gives here, if the blob is not gzip: another digest than that of the blob, so that
/// a test notices where one is taken for the other.
pub fn diff_id_of(blob: &[u8]) -> DiffId {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(b"uncompressed ");
    hasher.update(blob);
    DiffId::from_uncompressed(hasher.finish())
}

/// What applying a layer gives: its real diff id and size, where it is gzip.
fn applied(layer: &Bytes) -> io::Result<Applied> {
    if !layer.starts_with(&[0x1f, 0x8b]) {
        return Ok(Applied { diff_id: diff_id_of(layer), size: layer.len() as u64 + 13 });
    }
    let mut tar = Vec::new();
    io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&layer[..]), &mut tar)?;
    let diff_id = DiffId::from_uncompressed(digest_of(Algorithm::Sha256, &tar));
    Ok(Applied { diff_id, size: tar.len() as u64 })
}

fn check(state: &State, snapshotter: &SnapshotterName) -> Result<(), StoreError> {
    let name = snapshotter.as_str();
    if SNAPSHOTTERS.iter().any(|(known, _)| *known == name) || state.remote.iter().any(|known| known == name)
    {
        return Ok(());
    }
    Err(StoreError::new(Class::InvalidArgument, "find the snapshotter"))
}

#[async_trait]
impl Snapshots for FakeStore {
    async fn stat(
        &self,
        snapshotter: &SnapshotterName,
        chain: &ChainId,
    ) -> Result<Option<SnapshotInfo>, StoreError> {
        let state = self.call("stat")?;
        check(&state, snapshotter)?;
        let snapshot = state.committed.get(chain.as_str());
        Ok(snapshot.map(|(parent, labels)| SnapshotInfo { parent: parent.clone(), labels: labels.clone() }))
    }

    async fn usage(
        &self,
        snapshotter: &SnapshotterName,
        chain: &ChainId,
    ) -> Result<Option<Usage>, StoreError> {
        let state = self.call("usage")?;
        check(&state, snapshotter)?;
        let bytes = state.sizes.get(chain.as_str()).copied().unwrap_or(100);
        Ok(state.committed.contains_key(chain.as_str()).then_some(Usage { bytes, inodes: 3 }))
    }

    fn new_key(&self, chain_id: &ChainId) -> SnapshotKey {
        let mut state = self.state();
        state.keys += 1;
        SnapshotKey::from_store(format!("{} {chain_id}", state.keys))
    }

    async fn probe(&self, snapshotter: &SnapshotterName) -> Result<(), StoreError> {
        let state = self.call("probe")?;
        check(&state, snapshotter)?;
        if state.unreachable.contains(snapshotter.as_str()) {
            return Err(StoreError::new(Class::Unavailable, "ask the snapshotter"));
        }
        Ok(())
    }

    async fn read_root(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        chain: &ChainId,
    ) -> Result<usize, StoreError> {
        let state = self.leased("read root", lease)?;
        check(&state, snapshotter)?;
        let is_there = state.committed.contains_key(chain.as_str());
        is_there.then_some(3).ok_or_else(|| StoreError::new(Class::NotFound, "read the root"))
    }

    async fn prepare(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        parent: Option<&ChainId>,
        target: Option<&Target>,
    ) -> Result<Prepared, StoreError> {
        let mut state = self.leased("prepare", lease)?;
        check(&state, snapshotter)?;
        state.questions.push(target.cloned());
        if let Some((at, chain)) = state.collect_at.clone()
            && at == state.questions.len()
        {
            state.committed.remove(&chain);
        }
        let parent = parent.map(ToString::to_string);
        if parent.as_ref().is_some_and(|parent| !state.committed.contains_key(parent)) {
            return Err(StoreError::new(Class::NotFound, "find the parent"));
        }
        let mut staged = false;
        if let Some(Target { chain_id, labels }) = target {
            let chain = chain_id.as_str();
            if state.committed.contains_key(chain) || state.phantoms.contains(chain) {
                state.lease(lease).snapshots.insert(chain.to_owned());
                return Ok(Prepared::Exists);
            }
            if state.refuses.contains(chain) {
                // As one does that dies over it.
                state.active.insert(key.to_string(), (parent, None));
                state.lease(lease).snapshots.insert(key.to_string());
                return Err(StoreError::new(Class::Unknown, "mount from afar").with_source("no route"));
            }
            if state.provides.contains(chain) {
                state.committed.insert(chain.to_owned(), (parent, labels.clone()));
                state.lease(lease).snapshots.insert(chain.to_owned());
                return Ok(Prepared::Exists);
            }
            staged = state.staged.contains(chain);
        }
        let content = staged.then(|| Applied { diff_id: diff_id_of(b"staged"), size: 6 });
        state.active.insert(key.to_string(), (parent, content));
        state.lease(lease).snapshots.insert(key.to_string());
        drop(state);
        if staged {
            return Ok(Prepared::Filled);
        }
        let (kind, source) = ("fake".to_owned(), key.to_string());
        Ok(Prepared::Active(vec![Mount { kind, source, target: String::new(), options: Vec::new() }]))
    }

    async fn commit(
        &self,
        lease: &LeaseId,
        snapshotter: &SnapshotterName,
        key: &SnapshotKey,
        Target { chain_id, labels }: &Target,
    ) -> Result<Committed, StoreError> {
        let mut state = self.leased("commit snapshot", lease)?;
        check(&state, snapshotter)?;
        state.lease(lease).snapshots.insert(chain_id.to_string());
        if state.committed.contains_key(chain_id.as_str()) {
            return Ok(Committed::Exists);
        }
        let active = state.active.get(key.as_str()).cloned();
        let Some((parent, content)) = active else {
            return Err(StoreError::new(Class::NotFound, "find the active snapshot"));
        };
        if parent.as_ref().is_some_and(|parent| !state.committed.contains_key(parent)) {
            return Err(StoreError::new(Class::NotFound, "find the parent"));
        }
        let Some(Applied { size, .. }) = content else {
            return Err(StoreError::new(Class::FailedPrecondition, "commit an empty snapshot"));
        };
        state.active.remove(key.as_str());
        state.sizes.insert(chain_id.to_string(), size);
        state.committed.insert(chain_id.to_string(), (parent, labels.clone()));
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
        let applied = applied(&bytes)
            .map_err(|error| StoreError::new(Class::Unknown, "decompress the layer").with_source(error))?;
        let snapshot = state.active.get_mut(&mounts[0].source);
        let snapshot = snapshot.ok_or_else(|| StoreError::new(Class::NotFound, "mount"))?;
        snapshot.1 = Some(applied.clone());
        Ok(applied)
    }
}
