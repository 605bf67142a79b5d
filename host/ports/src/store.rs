use std::sync::Arc;

use super::{Applier, ContentStore, Images, Leases, Snapshots, StoreInfo};

/// A store with all its parts.
#[derive(Clone)]
pub struct Store {
    /// Blobs.
    pub content: Arc<dyn ContentStore>,
    /// Snapshots.
    pub snapshots: Arc<dyn Snapshots>,
    /// The applier of layers.
    pub applier: Arc<dyn Applier>,
    /// Image records.
    pub images: Arc<dyn Images>,
    /// What is kept.
    pub leases: Arc<dyn Leases>,
    /// What the store says of itself.
    pub info: Arc<dyn StoreInfo>,
}
