use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// Name of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseId(String);

impl LeaseId {
    /// Takes the name that a store gave.
    pub fn from_store(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is kept in the store, and when the rest is collected.
///
/// An image record keeps its target. A blob keeps its [children](super::BlobFacts::children) and its
/// [snapshot](super::BlobFacts::snapshot), a snapshot those below it. A lease keeps what was made or found under it.
/// What nothing keeps is collected after the store's [grace](Leases::grace).
#[async_trait]
pub trait Leases: Send + Sync {
    /// Creates a lease that expires after `expiry`, in case its owner dies. Until then it holds, also after its owner
    /// is dead.
    ///
    /// # Cancellation
    ///
    /// Dropping the future may leave a lease whose name is lost, until it expires.
    async fn create(&self, expiry: Duration) -> Result<LeaseId, StoreError>;

    /// Ends a lease, and [collects](Leases::collect). A lease that is gone is no error.
    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError>;

    /// Removes what nothing keeps, but for what is within its grace, and returns when that is gone.
    async fn collect(&self) -> Result<(), StoreError>;

    /// How long a blob stays after the last thing that kept it. Zero if the next collection takes it.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }
}
