use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use dray_core::oci::{ChainId, Descriptor, DiffId, Digest};
use dray_ports::{Applied, BlobFacts, Class, ImageRecord, Labels, LeaseId, Store, StoreError, Target};

/// What the store has, and how it is to misbehave.
#[derive(Default)]
pub struct State {
    /// Blobs with what is known of them.
    pub blobs: BTreeMap<Digest, (Bytes, Facts)>,
    /// What was committed, in order, with its first facts.
    pub stored: Vec<(Digest, BlobFacts)>,
    /// What blobs have become on the disk; absent where they are as they were stored.
    pub damaged: HashMap<Digest, Bytes>,
    /// What was read piece by piece, and how many bytes of it were left to read.
    pub streamed: Vec<(Digest, usize)>,
    /// Namespaces that share blobs with this one.
    pub others: HashMap<Digest, Vec<String>>,
    /// Bytes so far, and whether a client writes.
    pub ingests: HashMap<String, (Vec<u8>, bool)>,
    /// Ingests that outlive their leases.
    pub suspended: HashSet<String>,
    /// Parent and labels of each committed snapshot.
    pub committed: BTreeMap<String, (Option<String>, Labels)>,
    /// Bytes of committed snapshots; absent where a test has put them here.
    pub sizes: HashMap<String, u64>,
    /// Parent, and what was applied.
    pub active: BTreeMap<String, (Option<String>, Option<Applied>)>,
    /// How many keys of snapshots were given.
    pub keys: usize,
    /// Image records.
    pub images: BTreeMap<String, ImageRecord>,
    /// Leases that are held.
    pub leases: BTreeMap<String, Lease>,
    /// How long a blob stays after the last thing that kept it. `None` if nothing is ever collected.
    pub grace: Option<Duration>,
    /// Since when a collection has found nothing that keeps a blob.
    pub unkept: HashMap<Digest, Instant>,
    /// Snapshotters that are other processes.
    pub remote: Vec<String>,
    /// Those of them that cannot be reached.
    pub unreachable: HashSet<String>,
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
    /// Target of each question, in order.
    pub questions: Vec<Option<Target>>,
    /// Another client commits every blob a moment before us.
    pub rival: bool,
    /// Names of all calls.
    pub calls: Vec<&'static str>,
    /// The call that fails, counted from 1.
    pub fail_at: Option<usize>,
    /// The call that cancels a token, counted from 1.
    pub cancel_at: Option<(usize, CancellationToken)>,
}

/// What the store knows of a blob: all [`BlobFacts`] that it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// What it lists.
    pub children: Vec<Descriptor>,
    /// Repositories, with their registries.
    pub sources: BTreeSet<String>,
    /// The digest of its uncompressed bytes.
    pub diff_id: Option<DiffId>,
    /// Top layers, by the name of the snapshotter.
    pub snapshots: BTreeMap<String, ChainId>,
}

impl Facts {
    /// Adds to what is known.
    pub fn add(&mut self, facts: &BlobFacts) {
        let BlobFacts { children, source, diff_id, snapshot } = facts;
        for child in children {
            if !self.children.contains(child) {
                self.children.push(child.clone());
            }
        }
        self.sources.extend(source.iter().map(|source| format!("{}/{}", source.domain(), source.path())));
        self.diff_id = diff_id.clone().or(self.diff_id.take());
        self.snapshots.extend(snapshot.iter().map(|(name, top)| (name.to_string(), top.clone())));
    }
}

/// What a lease keeps, and until when.
#[derive(Debug)]
pub struct Lease {
    /// Its end.
    pub ends: Instant,
    /// Blobs.
    pub blobs: HashSet<Digest>,
    /// Names of ingests.
    pub ingests: HashSet<String>,
    /// Chain ids and keys of snapshots.
    pub snapshots: HashSet<String>,
}

/// A store in memory. Its clones share one state.
///
/// By default it collects nothing, so that a test finds everything that was ever stored.
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
            info: store,
        }
    }
}

impl FakeStore {
    /// A store that collects what nothing keeps, when that has been so for `grace`.
    pub fn with_grace(grace: Duration) -> Self {
        let store = Self::default();
        store.state().grace = Some(grace);
        store
    }

    /// The state, locked.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of the lock panics")
    }

    /// Counts a call, which may be the one that fails.
    pub(crate) fn call(&self, name: &'static str) -> Result<MutexGuard<'_, State>, StoreError> {
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

    /// The same for a call that names a lease.
    pub(crate) fn leased(
        &self,
        name: &'static str,
        lease: &LeaseId,
    ) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.call(name)?;
        if !state.leases.contains_key(lease.as_str()) {
            return Err(StoreError::new(Class::NotFound, "find the lease"));
        }
        Ok(state)
    }
}

impl State {
    /// A lease that [`FakeStore::leased`] has found.
    pub(crate) fn lease(&mut self, lease: &LeaseId) -> &mut Lease {
        self.leases.get_mut(lease.as_str()).expect("the lease was found under the same lock")
    }
}
