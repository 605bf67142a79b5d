use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::image::Platforms;
use dray_ports::{Planners, PlatformMatcher, Progress, Registry, SnapshotterName, Store};

/// The request for an image, with all defaults resolved.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The image as typed by the user: a reference; for a stored image, also a digest or its beginning.
    pub name: String,
    /// The wanted platforms, normalised.
    pub platforms: Platforms,
    /// How to unpack the image; `None` means that it is only fetched. Unpacking needs [`Platforms::One`].
    pub unpack: Option<Unpack>,
    /// Maximum number of parallel downloads of layers.
    pub parallel_downloads: NonZeroUsize,
}

/// Which snapshotter an image is unpacked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SnapshotterChoice {
    /// The default of the namespace; `overlayfs` if it names none.
    #[default]
    Default,
    /// This one.
    Named(SnapshotterName),
    /// The one that suits the image best, among those that answer and have a planner of their own: the first that the
    /// image is native to, else the one that provides the most bytes, else the default.
    Auto {
        /// The snapshotters that come first. The others follow by name, the default last.
        order: Vec<SnapshotterName>,
    },
}

impl From<Option<SnapshotterName>> for SnapshotterChoice {
    fn from(name: Option<SnapshotterName>) -> Self {
        name.map_or(Self::Default, Self::Named)
    }
}

/// How to unpack an image.
#[derive(Clone)]
pub struct Unpack {
    /// The snapshotter to unpack into.
    pub snapshotter: SnapshotterChoice,
    /// Finds the planner, once the name of the snapshotter is known.
    pub planners: Arc<dyn Planners>,
    /// Whether the blobs of layers are fetched that the snapshotter provides, so that the image can be pushed and saved.
    pub keep_blobs: bool,
    /// Whether the root of the image is read at the end, also where the plan does not ask for it.
    pub verify: bool,
}

impl Unpack {
    /// Unpacks into the default snapshotter.
    pub fn new(planners: Arc<dyn Planners>) -> Self {
        Self { snapshotter: SnapshotterChoice::Default, planners, keep_blobs: false, verify: false }
    }
}

impl fmt::Debug for Unpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpack").field("snapshotter", &self.snapshotter).finish_non_exhaustive()
    }
}

/// The ports of a pull.
#[derive(Clone)]
pub struct World {
    /// The store for the image.
    pub store: Store,
    /// The registry of the image.
    pub registry: Arc<dyn Registry>,
    /// Chooses the platform. For [`Platforms::All`] it must accept every platform.
    pub matcher: Arc<dyn PlatformMatcher>,
    /// Receives the events.
    pub progress: Arc<dyn Progress>,
}
