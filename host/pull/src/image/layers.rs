use dray_core::oci::{ChainId, Descriptor, DiffId, ImageConfig, Manifest};

/// A layer of an image, with its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLayer<'a> {
    /// The blob.
    pub descriptor: &'a Descriptor,
    /// Digest of the uncompressed layer.
    pub diff_id: &'a DiffId,
    /// Name of the layer with all below it, in a snapshotter.
    pub chain_id: ChainId,
}

/// Manifest and config disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerCount {
    /// Layers in the manifest.
    pub layers: usize,
    /// Diff ids in the config.
    pub diff_ids: usize,
}

/// The layers of an image, bottom-up, without other blobs that a manifest lists among them.
///
/// # Errors
///
/// Fails if the config does not have one diff id per layer, so that they cannot be assigned.
pub fn layers<'a>(
    manifest: &'a Manifest,
    config: &'a ImageConfig,
) -> Result<Vec<ImageLayer<'a>>, LayerCount> {
    let descriptors: Vec<&Descriptor> = manifest.layers.iter().filter(|blob| blob.is_layer()).collect();
    let diff_ids = &config.diff_ids;
    if descriptors.len() != diff_ids.len() {
        return Err(LayerCount { layers: descriptors.len(), diff_ids: diff_ids.len() });
    }
    let named = descriptors.into_iter().zip(diff_ids).zip(ChainId::stack(diff_ids));
    Ok(named.map(|((descriptor, diff_id), chain_id)| ImageLayer { descriptor, diff_id, chain_id }).collect())
}
