use std::sync::Arc;

use crate::oci::{Platform, Reference};
use crate::ports::{
    Applier, ContentStore, Daemon, Images, Leases, Planner, PlatformMatcher, Progress, Registry, Snapshots,
    SnapshotterName,
};

/// What to pull, with everything resolved that flags, files and environment leave open.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The reference as the user typed it, for plugins and messages.
    pub typed: String,
    /// The reference.
    pub reference: Reference,
    /// The wanted platform, normalised.
    pub platform: Platform,
    /// The snapshotter to unpack into; `None` means the namespace's default, and `overlayfs` if it names
    /// none.
    pub snapshotter: Option<SnapshotterName>,
}

/// The store that the image goes to.
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

/// Everything a pull acts on or asks.
#[derive(Clone)]
pub struct World {
    /// Where the image goes.
    pub store: Store,
    /// Where it comes from.
    pub registry: Arc<dyn Registry>,
    /// Who chooses the platform.
    pub matcher: Arc<dyn PlatformMatcher>,
    /// Who plans for the snapshotter.
    pub planner: Arc<dyn Planner>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}
