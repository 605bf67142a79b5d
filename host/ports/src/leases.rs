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

/// Temporary roots of garbage collection.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Makes a lease that the store ends by itself after `expiry`, in case its owner dies.
    async fn create(&self, expiry: Duration) -> Result<LeaseId, StoreError>;

    /// Ends a lease. What nothing else refers to is then collected. A lease that is gone is no error.
    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError>;
}
