use async_trait::async_trait;

use super::{SnapshotterName, StoreError};

/// Version that a store reports.
#[derive(Clone, Debug)]
pub struct DaemonVersion {
    /// Version as reported, such as `1.6.20~ds1`.
    pub version: String,
    /// Revision as reported.
    pub revision: String,
}

/// A snapshotter that the store has.
#[derive(Clone, Debug)]
pub struct SnapshotterInfo {
    /// Its registered name.
    pub name: SnapshotterName,
    /// Why it did not start; absent if it did.
    pub error: Option<String>,
    /// Capabilities that it announces.
    pub capabilities: Vec<String>,
}

/// What can be asked of a store about itself.
#[async_trait]
pub trait Daemon: Send + Sync {
    /// The version.
    async fn version(&self) -> Result<DaemonVersion, StoreError>;

    /// All snapshotters that the store knows, with those that did not start.
    ///
    /// # Errors
    ///
    /// Fails with [`Class::Unimplemented`](super::Class::Unimplemented) if the store cannot tell. Any name is then
    /// taken to be one, and the first question to the snapshotter shows whether it is.
    async fn snapshotters(&self) -> Result<Vec<SnapshotterInfo>, StoreError>;

    /// The snapshotter that the namespace names as its default, if it does.
    async fn default_snapshotter(&self) -> Result<Option<SnapshotterName>, StoreError>;
}
