//! Plans pulls for overlaybd, whose layers are those of a block device.
//!
//! | layer | question, expectation |
//! |---|---|
//! | of a block device | with labels; provided, without a request to the registry |
//! | acceleration layer | with labels; mounts, so that the trace in it is fetched |
//! | TurboOCI | with labels; mounts, so that the index in it is fetched |
//! | any other | without; mounts |
//!
//! The layers of one block device stand on one another. An archive between them, below or above would be taken
//! for nothing: the snapshotter fails where a block layer stands on an archive, and mounts an archive on empty
//! directories where it stands on a block layer. Both are refused before the first layer.
//!
//! The snapshotter believes the labels until a container starts. Digest and size of a blob are therefore those of
//! the layer that the host verified, whatever the image's annotations say.
//!
//! The configuration, with its defaults: `{"download": false, "verify": false}`.

mod advice;
mod stack;

use dray_formats::{Family, Format, annotations};
use dray_plugin::oci::Annotations;
use dray_plugin::snapshotter::{Expectation, Image, ImagePlan, Layer, LayerPlan, Suitability, labels};
use dray_plugin::{Error, Plugin, SnapshotterPlugin};
use serde::Deserialize;

/// Asks the snapshotter to have the blob fetched in place of reading it from the registry.
const DOWNLOAD: (&str, &str) = ("containerd.io/snapshot/overlaybd/download-remote-blob", "download");

/// What else an image may say about its block device, as words.
const PASSED: [&str; 2] =
    ["containerd.io/snapshot/overlaybd/blob-fs-type", "containerd.io/snapshot/overlaybd/version"];

struct Overlaybd;

dray_plugin::export_snapshotter!(Overlaybd);

/// The configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    download: bool,
    verify: bool,
}

const CONFIG_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "download": {
      "description": "whether the pull fetches the blobs of block devices, so that containers start without the registry",
      "type": "boolean",
      "default": false
    },
    "verify": {
      "description": "whether the pull attaches the block device once; the kernel must have TCMU and overlaybd-tcmu must run",
      "type": "boolean",
      "default": false
    }
  },
  "additionalProperties": false
}"#;

impl Plugin for Overlaybd {
    const NAME: &str = "overlaybd";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &str =
        "layers of block devices are read from the registry, indexes of TurboOCI are fetched";
    const CONFIG_SCHEMA: &str = CONFIG_SCHEMA;
    type Config = Config;
}

impl SnapshotterPlugin for Overlaybd {
    fn plan(config: Config, image: Image) -> Result<ImagePlan, Error> {
        let formats = dray_formats::of_layers(&image);
        let foreign = dray_formats::refusal(&image, &formats, &[Family::Overlaybd, Family::TurboOci])
            .or_else(|| stack::refusal(&image, &formats));
        if let Some(foreign) = foreign {
            return Ok(foreign);
        }
        let layers: Vec<LayerPlan> = image
            .layers
            .iter()
            .zip(&formats)
            .enumerate()
            .map(|(at, (layer, format))| planned(config, &image, at, layer, format))
            .collect();
        if !formats.iter().any(is_block) {
            let reason = format!(
                "none of {} layers is in overlaybd format: snapshotter `{}` is used as a plain one, and each layer that \
                 it lacks is fetched",
                layers.len(),
                image.snapshotter
            );
            return Ok(ImagePlan::new(Suitability::Plain, "plain", reason, layers));
        }
        let fetched = layers.iter().filter(|layer| layer.expectation == Expectation::Mounts).count();
        let reason =
            format!("all {} layers are in overlaybd format, {fetched} of them are fetched", layers.len());
        let plan = ImagePlan::new(Suitability::Native, "native", reason, layers)
            .with_lazy_label(labels::REMOTE)
            .with_verification(config.verify);
        let plan = if config.verify { plan } else { untested(plan, image.registry()) };
        Ok(advice::add(plan, image.registry()))
    }
}

/// Whether a layer is one of a block device.
fn is_block(format: &Format<'_>) -> bool {
    matches!(format, Format::Overlaybd | Format::Turbo { .. })
}

fn planned(config: Config, image: &Image, at: usize, layer: &Layer, format: &Format<'_>) -> LayerPlan {
    let mut sent = block_labels(image, at, layer);
    let mut send = |key: &str, value: &str| sent.push((key.to_owned(), value.to_owned()));
    let expectation = match *format {
        Format::Overlaybd if config.download => {
            let (key, value) = DOWNLOAD;
            send(key, value);
            Expectation::Mounts
        }
        Format::Overlaybd => Expectation::Provided,
        Format::OverlaybdAcceleration => {
            send(annotations::OVERLAYBD_ACCELERATION, "yes");
            Expectation::Mounts
        }
        Format::Turbo { target, target_media_type, is_early } => {
            let (digest, media_type) = if is_early {
                (annotations::FAST_DIGEST, annotations::FAST_MEDIA_TYPE)
            } else {
                (annotations::TURBO_DIGEST, annotations::TURBO_MEDIA_TYPE)
            };
            send(digest, target);
            send(media_type, target_media_type);
            Expectation::Mounts
        }
        _ => return layer.ask(),
    };
    // The usual answers fit: a failure ends the pull, and a blob that is fetched works as well as one that is not.
    LayerPlan { expectation, ..layer.ask_with_labels(sent) }
}

/// The labels of every layer of a block device.
fn block_labels(image: &Image, at: usize, layer: &Layer) -> Annotations {
    let mut sent = image.remote_labels(layer, &image.layers[at..]);
    let mut send = |key: &str, value: String| sent.push((key.to_owned(), value));
    send(annotations::OVERLAYBD_DIGEST, layer.descriptor.digest.clone());
    send(annotations::OVERLAYBD_SIZE, layer.descriptor.size.to_string());
    for key in PASSED {
        if let Some(word) = layer.descriptor.annotation(key).filter(|value| is_word(value)) {
            send(key, word.to_owned());
        }
    }
    sent
}

/// Letters, digits, dots and hyphens, such as `ext4` and `0.1.0-turbo.ociv1`.
fn is_word(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    (1..=64).contains(&text.len()) && text.bytes().all(is_letter)
}

/// Says what the pull has not found out.
fn untested(plan: ImagePlan, registry: &str) -> ImagePlan {
    plan.with_hint(format!(
        "the pull attached no block device: the first container needs TCMU in the kernel, and overlaybd-tcmu with access \
         to `{registry}`; the plugin's configuration `{{\"verify\": true}}` has the pull try it"
    ))
}

#[cfg(test)]
mod tests;
