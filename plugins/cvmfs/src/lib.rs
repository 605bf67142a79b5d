//! Plans pulls for cvmfs, whose daemon serves the layers that a CVMFS repository holds unpacked.
//!
//! A layer is found by the digest of its blob, in a directory of the machine that the daemon runs on. The image
//! shows no sign of it, so every layer is asked for, and either answer is as good: no registry is asked, and a
//! layer that the repository lacks costs nothing but its download.

use dray_formats::Format;
use dray_plugin::snapshotter::{Expectation, Image, ImagePlan, LayerPlan, OnError, Suitability, labels};
use dray_plugin::{Error, NoConfig, Plugin, SnapshotterPlugin};

struct Cvmfs;

dray_plugin::export_snapshotter!(Cvmfs);

impl Plugin for Cvmfs {
    const NAME: &str = "cvmfs";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &str = "layers that a CVMFS repository holds unpacked are served, all others are fetched";
    type Config = NoConfig;
}

impl SnapshotterPlugin for Cvmfs {
    fn plan(_: NoConfig, image: Image) -> Result<ImagePlan, Error> {
        let formats = dray_formats::of_layers(&image);
        if let Some(foreign) = dray_formats::refusal(&image, &formats, &[]) {
            return Ok(foreign);
        }
        let layers =
            image.layers.iter().zip(&formats).enumerate().map(|(at, (layer, format))| match format {
                // The repository holds files, so it cannot hold a layer that nobody but its readers can unpack.
                Format::Encrypted => layer.ask(),
                _ => LayerPlan {
                    expectation: Expectation::Maybe,
                    on_error: OnError::Fetch,
                    ..layer.ask_with_labels(image.remote_labels(layer, &image.layers[at..]))
                },
            });
        let reason = format!(
            "which of {} layers the CVMFS repository holds is known when snapshotter `{}` is asked for them",
            image.layers.len(),
            image.snapshotter
        );
        Ok(ImagePlan::new(Suitability::Plain, "repository-unknown", reason, layers.collect())
            .with_lazy_label(labels::REMOTE))
    }
}

#[cfg(test)]
mod tests;
