use async_trait::async_trait;

use super::{SnapshotterName, StoreError};

/// The program behind a store.
#[derive(Clone, Debug)]
pub struct StoreVersion {
    /// What it is, such as `containerd`.
    pub program: String,
    /// Its version as it reports it, such as `1.6.20~ds1`.
    pub version: String,
}

/// A snapshotter that the store has.
#[derive(Clone, Debug)]
pub struct SnapshotterInfo {
    /// Its name in the store.
    pub name: SnapshotterName,
    /// Why it did not start; absent if it did.
    pub error: Option<String>,
    /// Capabilities that it announces.
    pub capabilities: Vec<String>,
    /// Where another process serves it; absent if the store serves it itself.
    pub address: Option<String>,
}

impl SnapshotterInfo {
    /// A snapshotter of which only the name is known.
    pub fn named(name: SnapshotterName) -> Self {
        Self { name, error: None, capabilities: Vec::new(), address: None }
    }
}

/// What a store says of itself.
#[async_trait]
pub trait StoreInfo: Send + Sync {
    /// Which program keeps the store.
    async fn version(&self) -> Result<StoreVersion, StoreError>;

    /// All snapshotters of the store, including those that did not start.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::Unimplemented`](super::Class::Unimplemented) if the store cannot tell. Then any name is
    /// accepted, and the first call to the snapshotter shows whether it exists.
    async fn snapshotters(&self) -> Result<Vec<SnapshotterInfo>, StoreError>;

    /// The snapshotter that the store is configured to use, if there is one.
    async fn default_snapshotter(&self) -> Result<Option<SnapshotterName>, StoreError>;
}
