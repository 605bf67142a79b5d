use async_trait::async_trait;

use super::{Labels, StoreError};
use crate::oci::Descriptor;

/// Name of an image and what it stands for.
#[derive(Clone, Debug)]
pub struct ImageRecord {
    /// The name, a reference in normal form.
    pub name: String,
    /// The index or manifest that the name stands for.
    pub target: Descriptor,
    /// Labels of the record.
    pub labels: Labels,
}

/// Image records.
#[async_trait]
pub trait Images: Send + Sync {
    /// Reads a record; `None` if there is none of this name.
    async fn get(&self, name: &str) -> Result<Option<ImageRecord>, StoreError>;

    /// Makes a record, or points an existing one to `target`. Labels of an existing record stay: they
    /// belong to others, for example to the kubelet.
    async fn put(&self, name: &str, target: &Descriptor) -> Result<(), StoreError>;
}
