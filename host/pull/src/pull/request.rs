use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::image::Platforms;
use dray_ports::{Planners, PlatformMatcher, Progress, Registry, SnapshotterName, Store};

/// Which image is wanted, with everything resolved that flags, files and environment leave open.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The image as the user typed it: a reference; for what is in the store already, also a digest or the
    /// beginning of one.
    pub name: String,
    /// The wanted platforms, normalised.
    pub platforms: Platforms,
    /// Where to unpack the image; `None` means that it is only fetched. Unpacking needs [`Platforms::One`].
    pub unpack: Option<Unpack>,
    /// Blobs of layers that are downloaded at the same time.
    pub parallel_downloads: NonZeroUsize,
}

/// How to unpack an image.
#[derive(Clone)]
pub struct Unpack {
    /// The snapshotter to unpack into; `None` means the namespace's default, and `overlayfs` if it names
    /// none.
    pub snapshotter: Option<SnapshotterName>,
    /// Finds the planner, once the name of the snapshotter is known.
    pub planners: Arc<dyn Planners>,
}

impl fmt::Debug for Unpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpack").field("snapshotter", &self.snapshotter).finish_non_exhaustive()
    }
}

/// Everything a pull acts on or asks.
#[derive(Clone)]
pub struct World {
    /// Where the image goes.
    pub store: Store,
    /// Where it comes from.
    pub registry: Arc<dyn Registry>,
    /// Who chooses the platform. For [`Platforms::All`] it must be one that accepts every platform.
    pub matcher: Arc<dyn PlatformMatcher>,
    /// Who watches.
    pub progress: Arc<dyn Progress>,
}
