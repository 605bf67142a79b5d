use std::sync::MutexGuard;

use async_trait::async_trait;
use bytes::Bytes;

use super::store::{Facts, FakeStore, State};
use dray_core::oci::{Descriptor, Digest, MediaKind};
use dray_core::verify::digest_of;
use dray_ports::{
    BlobFacts, BlobInfo, Class, Committed, ContentStore, Ingest, LeaseId, OpenedIngest, StoreError,
    StoredBytes,
};

/// Longest piece in which a blob is read.
const PIECE_BYTES: usize = 1024 * 1024;

/// Name of the ingest of a blob in [`State::ingests`].
pub fn ingest_name(descriptor: &Descriptor) -> String {
    let kind = match descriptor.media_type.kind() {
        MediaKind::Index => "index",
        MediaKind::Manifest => "manifest",
        MediaKind::ImageConfig => "config",
        MediaKind::Layer => "layer",
        MediaKind::Schema1 | MediaKind::Other => "other",
    };
    format!("{kind}-{}", descriptor.digest)
}

struct FakeIngest {
    store: FakeStore,
    lease: LeaseId,
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

/// The bytes of an ingest that is open.
fn written<'a>(state: &'a mut State, name: &str) -> &'a mut Vec<u8> {
    &mut state.ingests.get_mut(name).expect("an open ingest is there").0
}

#[async_trait]
impl Ingest for FakeIngest {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn restart(&mut self) {
        written(&mut self.store.state(), &self.name).clear();
        self.offset = 0;
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        tokio::task::yield_now().await;
        let mut state = self.store.call("write")?;
        written(&mut state, &self.name).extend_from_slice(&bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    async fn commit(self: Box<Self>, facts: &BlobFacts) -> Result<Committed, StoreError> {
        let (bytes, _) = self.store.state().ingests.remove(&self.name).expect("an open ingest is there");
        let mut state = self.store.leased("commit content", &self.lease)?;
        let digest = &self.descriptor.digest;
        if bytes.len() as u64 != self.descriptor.size || digest_of(digest.algorithm(), &bytes) != *digest {
            return Err(StoreError::new(Class::FailedPrecondition, "commit wrong bytes"));
        }
        if self.replaces && !state.others.contains_key(digest) {
            state.damaged.remove(digest);
        }
        state.lease(&self.lease).blobs.insert(digest.clone());
        if state.rival {
            state.blobs.entry(digest.clone()).or_insert_with(|| (bytes.into(), Facts::default()));
            return Ok(Committed::Exists);
        }
        if state.blobs.contains_key(digest) && !self.replaces {
            return Ok(Committed::Exists);
        }
        let blob = state.blobs.entry(digest.clone()).or_default();
        blob.0 = bytes.into();
        blob.1.add(facts);
        state.stored.push((digest.clone(), facts.clone()));
        drop(state);
        Ok(Committed::New)
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        self.store.state().ingests.remove(&self.name);
        Ok(())
    }

    async fn suspend(self: Box<Self>) -> Result<(), StoreError> {
        self.store.call("suspend")?.suspended.insert(self.name.clone());
        Ok(())
    }
}

impl FakeStore {
    fn open(
        &self,
        mut state: MutexGuard<'_, State>,
        lease: &LeaseId,
        descriptor: &Descriptor,
        replaces: bool,
    ) -> OpenedIngest {
        let name = ingest_name(descriptor);
        let (bytes, locked) = state.ingests.entry(name.clone()).or_default();
        if std::mem::replace(locked, true) {
            return OpenedIngest::Locked;
        }
        if bytes.len() as u64 > descriptor.size {
            bytes.clear();
        }
        let offset = bytes.len() as u64;
        state.suspended.remove(&name);
        state.lease(lease).ingests.insert(name.clone());
        drop(state);
        let (store, lease, descriptor) = (self.clone(), lease.clone(), descriptor.clone());
        OpenedIngest::Ready(Box::new(FakeIngest { store, lease, name, descriptor, offset, replaces }))
    }
}

#[async_trait]
impl ContentStore for FakeStore {
    async fn info(&self, digest: &Digest) -> Result<Option<BlobInfo>, StoreError> {
        let state = self.call("info")?;
        let info = |(bytes, facts): &(Bytes, Facts)| BlobInfo {
            size: bytes.len() as u64,
            diff_id: facts.diff_id.clone(),
        };
        Ok(state.blobs.get(digest).map(info))
    }

    async fn read(&self, digest: &Digest, limit: u64) -> Result<Bytes, StoreError> {
        let state = self.call("read")?;
        let Some((bytes, _)) = state.blobs.get(digest) else {
            return Err(StoreError::new(Class::NotFound, "read"));
        };
        if bytes.len() as u64 > limit {
            return Err(StoreError::new(Class::OutOfRange, "read"));
        }
        let left = state.damaged.get(digest).unwrap_or(bytes);
        if left.len() < bytes.len() { Err(StoreError::new(Class::Damaged, "read")) } else { Ok(left.clone()) }
    }

    async fn stream(&self, digest: &Digest, offset: u64) -> Result<StoredBytes, StoreError> {
        let mut state = self.call("stream")?;
        let Some((bytes, _)) = state.blobs.get(digest) else {
            return Err(StoreError::new(Class::NotFound, "stream"));
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if offset > bytes.len() {
            return Err(StoreError::new(Class::OutOfRange, "stream"));
        }
        let left = state.damaged.get(digest).unwrap_or(bytes);
        let mut rest = left.slice(offset.min(left.len())..);
        state.streamed.push((digest.clone(), rest.len()));
        // Several pieces also of a small blob.
        let piece = (rest.len() / 8).clamp(7, PIECE_BYTES);
        let pieces =
            std::iter::from_fn(move || (!rest.is_empty()).then(|| Ok(rest.split_to(piece.min(rest.len())))));
        Ok(Box::pin(futures_util::stream::iter(pieces)))
    }

    async fn open_ingest(
        &self,
        lease: &LeaseId,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let mut state = self.leased("open ingest", lease)?;
        if state.blobs.contains_key(&descriptor.digest) {
            state.lease(lease).blobs.insert(descriptor.digest.clone());
            return Ok(OpenedIngest::Exists);
        }
        Ok(self.open(state, lease, descriptor, false))
    }

    async fn open_replacement(
        &self,
        lease: &LeaseId,
        descriptor: &Descriptor,
    ) -> Result<OpenedIngest, StoreError> {
        let state = self.leased("open replacement", lease)?;
        Ok(self.open(state, lease, descriptor, true))
    }

    async fn other_owners(&self, digest: &Digest) -> Result<Vec<String>, StoreError> {
        Ok(self.call("other owners")?.others.get(digest).cloned().unwrap_or_default())
    }

    async fn add_facts(&self, digest: &Digest, facts: &BlobFacts) -> Result<(), StoreError> {
        let mut state = self.call("add facts")?;
        let blob =
            state.blobs.get_mut(digest).ok_or_else(|| StoreError::new(Class::NotFound, "add facts"))?;
        blob.1.add(facts);
        Ok(())
    }
}
