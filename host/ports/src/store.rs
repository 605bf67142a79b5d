use std::sync::Arc;

use super::{Applier, ContentStore, Daemon, Images, Leases, Snapshots};

/// A store with all its parts.
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
