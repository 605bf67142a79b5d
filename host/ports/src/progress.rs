use std::time::Duration;

use dray_core::oci::{Digest, DocumentKind, Platform};

/// What is happening to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentState {
    /// It is on the way, or in the store.
    Reading,
    /// Another client downloads the same document.
    WaitingForOther,
}

/// What is happening to a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// Nothing yet.
    Waiting,
    /// Its blob is on the way: bytes so far.
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
    /// The snapshotter has been asked and has not answered yet.
    Asking,
    /// Done: fetched and applied.
    Done,
    /// It was there before.
    Exists,
    /// The snapshotter provides it.
    Provided,
}

/// What is happening in a pull.
#[derive(Clone, Debug)]
pub enum Event {
    /// The reference stands for this digest.
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
    /// The platforms and with them the layers are known.
    Planned {
        /// The chosen platforms.
        platforms: Vec<Platform>,
        /// Digest and size of each layer, bottom-up, image by image. A layer of several images is there once.
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
    /// Something that the user should see and that does not end the pull.
    Warning {
        /// One sentence.
        message: String,
    },
}

/// Watches a pull. Called from inside the pull: must return at once and must not fail.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event);
}

/// Shows nothing.
impl Progress for () {
    fn event(&self, _event: Event) {}
}
