//! Plans pulls for nydus, whose images are blobs of chunks under one layer that holds their index, the bootstrap.
//!
//! | layer | question, expectation |
//! |---|---|
//! | blob of chunks | with labels; provided, without a request to the registry |
//! | archive that the index refers to | with labels; either answer, since its files are never looked at |
//! | bootstrap | with labels; mounts, so that it is fetched, at once because nothing waits for an answer |
//! | any other | without; mounts |
//!
//! A container sees what the index lists, if the bootstrap is the top layer, and else only what is above it. So an
//! image with any other layer beside these is refused, as is one without a bootstrap.
//!
//! The snapshotter answers for a blob without looking at it. Credentials, address and the program that serves the
//! files are put to use by the first mount. The host therefore makes one after the pull.
//!
//! The configuration, with its defaults: `{"detect": false, "verify": true}`.

mod advice;
mod stack;

use dray_formats::{Family, Format, annotations};
use dray_plugin::snapshotter::{Expectation, Image, ImagePlan, Layer, LayerPlan, OnMounts, Suitability};
use dray_plugin::{Error, Plugin, SnapshotterPlugin};
use serde::Deserialize;

/// Version of the index.
const FS_VERSION: &str = "containerd.io/snapshot/nydus-fs-version";
/// Signature of the bootstrap, for daemons that ask for one.
const SIGNATURE: &str = "containerd.io/snapshot/nydus-signature";

struct Nydus;

dray_plugin::export_snapshotter!(Nydus);

/// The configuration.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    detect: bool,
    verify: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { detect: false, verify: true }
    }
}

const CONFIG_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "detect": {
      "description": "whether the daemon serves ordinary images, too: by an index or referrer in nydus format, or by tarfs",
      "type": "boolean",
      "default": false
    },
    "verify": {
      "description": "whether the pull mounts an image in nydus format once",
      "type": "boolean",
      "default": true
    }
  },
  "additionalProperties": false
}"#;

impl Plugin for Nydus {
    const NAME: &str = "nydus";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &str = "blobs of chunks are read from the registry, the bootstrap is fetched";
    const CONFIG_SCHEMA: &str = CONFIG_SCHEMA;
    type Config = Config;
}

impl SnapshotterPlugin for Nydus {
    fn plan(config: Config, image: Image) -> Result<ImagePlan, Error> {
        let formats = dray_formats::of_layers(&image);
        let foreign = dray_formats::refusal(&image, &formats, &[Family::Nydus])
            .or_else(|| stack::refusal(&image, &formats));
        if let Some(foreign) = foreign {
            return Ok(foreign);
        }
        let is_nydus = formats.iter().any(|format| format.family() == Some(Family::Nydus));
        let plan = if is_nydus { native(config, &image, &formats) } else { plain(config, &image) };
        Ok(advice::add(plan, image.registry()))
    }
}

fn native(config: Config, image: &Image, formats: &[Format<'_>]) -> ImagePlan {
    let layers: Vec<LayerPlan> = image
        .layers
        .iter()
        .zip(formats)
        .enumerate()
        .map(|(at, (layer, format))| planned(image, at, layer, format))
        .collect();
    let reason = format!(
        "the image is in nydus format: {} data layers and a bootstrap, which is fetched",
        layers.len().saturating_sub(1)
    );
    ImagePlan::new(Suitability::Native, "native", reason, layers)
        .with_lazy_label(annotations::NYDUS_BLOB)
        .with_verification(config.verify)
        .with_hint(format!(
            "nydus reads the image from `{}` by the credentials and addresses of its own configuration when a container \
             starts",
            image.registry()
        ))
}

fn planned(image: &Image, at: usize, layer: &Layer, format: &Format<'_>) -> LayerPlan {
    let mut sent = image.remote_labels(layer, &image.layers[at..]);
    let mut send = |key: &str, value: &str| sent.push((key.to_owned(), value.to_owned()));
    let (expectation, on_mounts) = match *format {
        Format::NydusBootstrap => {
            send(annotations::NYDUS_BOOTSTRAP, "true");
            let passed = |key| layer.descriptor.annotation(key);
            if let Some(version @ ("5" | "6")) = passed(FS_VERSION) {
                send(FS_VERSION, version);
            }
            if let Some(signature) = passed(SIGNATURE).filter(|text| is_base64(text)) {
                send(SIGNATURE, signature);
            }
            (Expectation::Mounts, OnMounts::Fetch)
        }
        Format::NydusReference { archive } => {
            send(annotations::NYDUS_REFERENCE, archive);
            if layer.descriptor.annotation(annotations::NYDUS_BLOB).is_some() {
                send(annotations::NYDUS_BLOB, "true");
            }
            (Expectation::Maybe, OnMounts::Fetch)
        }
        // A blob of chunks cannot be unpacked.
        _ => {
            send(annotations::NYDUS_BLOB, "true");
            (Expectation::Provided, OnMounts::Fail)
        }
    };
    LayerPlan { expectation, on_mounts, ..layer.ask_with_labels(sent) }
}

/// A signature is one line of base64, and no label is larger than this.
fn is_base64(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    (1..=2048).contains(&text.len()) && text.bytes().all(is_digit)
}

fn plain(config: Config, image: &Image) -> ImagePlan {
    let all = image.layers.len();
    if !config.detect {
        let layers = image.layers.iter().map(Layer::ask).collect();
        let reason = format!(
            "none of {all} layers is in nydus format: snapshotter `{}` is used as a plain one, and each layer that it \
             lacks is fetched",
            image.snapshotter
        );
        return ImagePlan::new(Suitability::Plain, "plain", reason, layers);
    }
    let layers = image.layers.iter().enumerate().map(|(at, layer)| {
        let sent = image.remote_labels(layer, &image.layers[at..]);
        LayerPlan { expectation: Expectation::Maybe, ..layer.ask_with_labels(sent) }
    });
    let reason = format!(
        "none of {all} layers is in nydus format, and snapshotter `{}` is asked whether it has another form of them",
        image.snapshotter
    );
    ImagePlan::new(Suitability::Plain, "detect", reason, layers.collect())
}

#[cfg(test)]
mod tests;
