use std::sync::Arc;

use super::{Applier, ContentStore, Daemon, Images, Leases, Snapshots};

/// The ports of one store.
#[derive(Clone)]
pub struct Store {
    /// Blobs.
    pub content: Arc<dyn ContentStore>,
    /// Snapshots.
    pub snapshots: Arc<dyn Snapshots>,
    /// How a layer's files reach a snapshot.
    pub applier: Arc<dyn Applier>,
    /// Image records.
    pub images: Arc<dyn Images>,
    /// Leases.
    pub leases: Arc<dyn Leases>,
    /// The store about itself.
    pub daemon: Arc<dyn Daemon>,
}
