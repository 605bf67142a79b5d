use super::ImageError;
use dray_core::oci::{ChainId, DiffId};
use dray_ports::{Snapshots, SnapshotterName, Usage};

/// The disk usage of an image's layers in a snapshotter. `None` if the image is not unpacked there. Shared layers
/// count for each image.
///
/// # Errors
///
/// Fails if the store does.
pub async fn unpacked_image_size(
    snapshots: &dyn Snapshots,
    snapshotter: &SnapshotterName,
    diff_ids: &[DiffId],
) -> Result<Option<Usage>, ImageError> {
    let mut sum = Usage::default();
    // The top layer shows whether the image is unpacked.
    for chain_id in ChainId::stack(diff_ids).iter().rev() {
        let usage = snapshots.usage(snapshotter, chain_id).await;
        let doing = format!("measuring layer {chain_id} in snapshotter `{snapshotter}`");
        match usage.map_err(ImageError::store(doing))? {
            None => return Ok(None),
            Some(usage) => {
                sum.bytes = sum.bytes.saturating_add(usage.bytes);
                sum.inodes = sum.inodes.saturating_add(usage.inodes);
            }
        }
    }
    Ok(Some(sum))
}
