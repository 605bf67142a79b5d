use std::time::Duration;

use dray_core::oci::{Digest, DocumentKind, Platform};

/// The state of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentState {
    /// It is being fetched or read.
    Reading,
    /// Another client downloads the same document.
    WaitingForOther,
}

/// The state of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// Nothing yet.
    Waiting,
    /// Its blob is being downloaded.
    Downloading {
        /// Bytes in the store.
        offset: u64,
    },
    /// Another client downloads the same blob.
    WaitingForOther,
    /// Its blob is in the store.
    Downloaded,
    /// It is being applied.
    Extracting,
    /// The snapshotter was asked and has not answered.
    Asking,
    /// Done: fetched and applied.
    Done,
    /// It existed before.
    Exists,
    /// The snapshotter provides it.
    Provided,
}

/// An event of a pull.
#[derive(Clone, Debug)]
pub enum Event {
    /// The reference was resolved to this digest.
    Resolved {
        /// Digest of the index or manifest.
        digest: Digest,
    },
    /// The state of an index, manifest or image config changed. They come before [`Event::Planned`].
    Document {
        /// Which document.
        kind: DocumentKind,
        /// Its digest.
        digest: Digest,
        /// What it is now.
        state: DocumentState,
    },
    /// The platforms and the layers are known.
    Planned {
        /// The chosen platforms.
        platforms: Vec<Platform>,
        /// Digest and size of each layer, bottom-up, image by image. A layer that several images share occurs once.
        layers: Vec<(Digest, u64)>,
    },
    /// The state of a layer changed.
    Layer {
        /// Position among the layers of [`Event::Planned`]. One beyond them is that of a blob that a manifest
        /// lists beside its layers, which need not be shown.
        index: usize,
        /// What it is now.
        state: LayerState,
    },
    /// The snapshotter has been asked for a layer and takes long.
    WaitingForSnapshotter {
        /// Its registered name.
        snapshotter: String,
        /// Position of the layer among those of [`Event::Planned`].
        index: usize,
        /// How long it has taken so far.
        elapsed: Duration,
    },
    /// A warning for the user. It does not end the pull.
    Warning {
        /// One sentence.
        message: String,
    },
}

/// Receives the events of a pull. Called from inside the pull, so it must return at once and must not fail.
pub trait Progress: Send + Sync {
    /// Handles an event.
    fn event(&self, event: Event);
}

/// Shows nothing.
impl Progress for () {
    fn event(&self, _event: Event) {}
}
