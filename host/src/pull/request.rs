use std::sync::Arc;

use crate::oci::{Platform, Reference};
use crate::ports::{Planner, PlatformMatcher, Progress, Registry, SnapshotterName, Store};

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
