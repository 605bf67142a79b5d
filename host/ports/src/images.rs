use std::time::SystemTime;

use async_trait::async_trait;

use super::{Labels, StoreError};
use dray_core::oci::Descriptor;

/// Name and target of an image.
#[derive(Clone, Debug)]
pub struct ImageRecord {
    /// The name, a reference in normal form.
    pub name: String,
    /// The index or manifest that the name refers to.
    pub target: Descriptor,
    /// Labels of the record.
    pub labels: Labels,
    /// When the record was made.
    pub created_at: SystemTime,
    /// When the record was changed last.
    pub updated_at: SystemTime,
}

/// Image records.
#[async_trait]
pub trait Images: Send + Sync {
    /// Reads a record; `None` if there is none of this name.
    async fn get(&self, name: &str) -> Result<Option<ImageRecord>, StoreError>;

    /// All records, by name. A record whose target has a digest of an algorithm that is not
    /// known here is left out: nothing could be done with it.
    async fn list(&self) -> Result<Vec<ImageRecord>, StoreError>;

    /// Creates a record, or points an existing one to `target`. Labels of an existing record stay, because they
    /// belong to other clients, for example to the kubelet.
    async fn put(&self, name: &str, target: &Descriptor) -> Result<(), StoreError>;

    /// Removes a record. What it alone kept is [collected](super::Leases::collect) later. A record that is
    /// gone is no error.
    async fn remove(&self, name: &str) -> Result<(), StoreError>;
}
