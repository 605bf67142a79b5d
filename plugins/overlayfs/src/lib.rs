//! Plans pulls for the snapshotters that hold unpacked layers: overlayfs, native, btrfs, zfs, devmapper,
//! blockfile, fuse-overlayfs and any other that takes every image and fetches nothing itself.
//!
//! Each layer is asked for with the label of the protocol only, because such a snapshotter can still have the
//! layer from another image, and is fetched otherwise. Images in a format that needs its own snapshotter are
//! `foreign`: most of them would be pulled without a word and then not run.

use dray_plugin::snapshotter::{Image, ImagePlan, Layer, Suitability};
use dray_plugin::{Error, NoConfig, Plugin, SnapshotterPlugin};

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
        if let Some(foreign) = dray_formats::refusal(&image, &dray_formats::of_layers(&image), &[]) {
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

#[cfg(test)]
mod tests;
