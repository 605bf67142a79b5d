use dray_formats::Format;
use dray_plugin::snapshotter::{Image, ImagePlan};

use crate::is_block;

/// The verdict on an image whose layers cannot stand on one another. The layer that is named is the first that
/// cannot stand on the one below it.
pub(crate) fn refusal(image: &Image, formats: &[Format<'_>]) -> Option<ImagePlan> {
    let nothing_below = formats.first().filter(|format| **format == Format::OverlaybdAcceleration);
    if nothing_below.is_some() {
        return Some(foreign(
            image,
            0,
            "acceleration-misplaced",
            "is an acceleration layer without an overlaybd layer below it",
        ));
    }
    formats.windows(2).enumerate().find_map(|(below, pair)| {
        let (code, why) = fault(&pair[0], &pair[1])?;
        Some(foreign(image, below + 1, code, why))
    })
}

/// Why a layer cannot stand on another.
fn fault(below: &Format<'_>, layer: &Format<'_>) -> Option<(&'static str, &'static str)> {
    let is_acceleration = |format: &Format<'_>| *format == Format::OverlaybdAcceleration;
    let is_archive = |format: &Format<'_>| !is_block(format) && !is_acceleration(format);
    if is_acceleration(below) {
        Some(("acceleration-misplaced", "stands on an acceleration layer, which has to be the top one"))
    } else if is_archive(below) && is_acceleration(layer) {
        Some(("acceleration-misplaced", "is an acceleration layer without an overlaybd layer below it"))
    } else if is_archive(below) && is_block(layer) {
        Some((
            "overlaybd-on-plain",
            "is in overlaybd format and stands on a layer that is not, which the snapshotter refuses",
        ))
    } else if is_block(below) && is_archive(layer) {
        Some((
            "plain-on-overlaybd",
            "is an archive on overlaybd layers, of which a container would see nothing",
        ))
    } else {
        None
    }
}

fn foreign(image: &Image, at: usize, code: &str, why: &str) -> ImagePlan {
    let reason = format!(
        "layer {} of {} (`{}`) {why}; build the image on a base of the same format, or use another tag of it",
        at + 1,
        image.layers.len(),
        image.layers[at].descriptor.digest,
    );
    ImagePlan::foreign(code, reason)
}
