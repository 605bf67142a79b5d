//! Layers whose annotations point a daemon to another layer.

use super::{Image, Layer};
use crate::puller;

/// Annotates `listed` with the labels of another layer: number `layer` of the image `bait`, which is at `reference`. A daemon
/// that receives these annotations as labels serves the other layer.
#[must_use]
pub fn baited(listed: Layer, bait: &Image, layer: usize, reference: &str) -> Layer {
    let mut labels = puller::labels(bait, reference, layer);
    // containerd's client library always sets this one.
    labels.remove(puller::REF);
    labels.into_iter().fold(listed, |layer, (key, value)| layer.annotation(&key, value))
}
