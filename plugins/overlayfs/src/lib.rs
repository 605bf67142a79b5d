//! Plans pulls for the snapshotters that hold unpacked layers: overlayfs, native, btrfs, zfs, devmapper,
//! blockfile, fuse-overlayfs and any other that takes every image and fetches nothing itself.
//!
//! Each layer is asked for with the label of the protocol only, because such a snapshotter can still have the
//! layer from another image, and is fetched otherwise. Images in a format that needs its own snapshotter are
//! `foreign`: most of them would be pulled without a word and then not run.

mod format;

use dray_plugin::snapshotter::{Image, ImagePlan, Layer, Suitability};
use dray_plugin::{Error, NoConfig, Plugin, SnapshotterPlugin};

use format::Format;

struct Overlayfs;

dray_plugin::export_snapshotter!(Overlayfs);

impl Plugin for Overlayfs {
    const NAME: &str = "overlayfs";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &str = "every layer is fetched and unpacked, for overlayfs and other plain snapshotters";
    type Config = NoConfig;
}

impl SnapshotterPlugin for Overlayfs {
    fn plan(_: NoConfig, image: Image) -> Result<ImagePlan, Error> {
        if let Some(foreign) = foreign(&image) {
            return Ok(foreign);
        }
        Ok(ImagePlan::new(
            Suitability::Plain,
            "plain",
            format!(
                "snapshotter `{}` is used as a plain one: each layer that it lacks is fetched and unpacked",
                image.snapshotter
            ),
            image.layers.iter().map(Layer::ask).collect(),
        ))
    }
}

/// The verdict on an image with a layer that is not an archive of files.
fn foreign(image: &Image) -> Option<ImagePlan> {
    let mut marked =
        image.layers.iter().enumerate().filter_map(|(index, layer)| {
            Format::of(&layer.descriptor).map(|format| (index + 1, layer, format))
        });
    let (number, layer, format) = marked.next()?;
    let count = 1 + marked.count();
    let reason = format!(
        "{count} of {} layers are in a format that snapshotter `{}` would not unpack to files, the first is \
         layer {number} (`{}`) in {format} format; {}, or another tag of the image",
        image.layers.len(),
        image.snapshotter,
        layer.descriptor.digest,
        format.remedy(),
    );
    Some(ImagePlan::foreign(format.code(), reason))
}

#[cfg(test)]
mod tests;
