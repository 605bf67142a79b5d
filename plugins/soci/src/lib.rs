//! Plans pulls for SOCI, whose daemon serves ordinary layers from the registry by an index that lies beside the
//! image.
//!
//! Every layer is asked for with labels. With an index the daemon provides all of them: those that the index
//! covers lazily, the others by fetching and unpacking them itself, within the answer and without a sign of
//! progress. So a layer may take long.
//!
//! Whether there is an index is known if the configuration names it, or if the manifest does, as of the second
//! version of the format. The first version leaves no sign on the image: the daemon has to look, once for an
//! image, if it is configured to.
//!
//! The configuration: `{"indexDigest": "sha256:…"}`; without the digest the daemon looks for an index itself.

mod advice;

use dray_formats::Format;
use dray_plugin::snapshotter::{
    Expectation, Image, ImagePlan, Layer, LayerPlan, OnError, OnMounts, Suitability, labels,
};
use dray_plugin::{Error, Plugin, SnapshotterPlugin};
use serde::Deserialize;

/// Digest of the index.
const INDEX: &str = "containerd.io/snapshot/remote/soci.index.digest";
/// Size of the layer. The daemon unpacks small ones itself, if it is configured to.
const SIZE: &str = "containerd.io/snapshot/remote/soci.size";
/// Sizes of the layers that `cri.image-layers` lists. The daemon fails if they are not as many.
const SIZES: &str = "containerd.io/snapshot/remote/image.layers.size";

/// The daemon may fetch and unpack a whole layer before it answers, and the whole image before the first answer.
const ANSWER_WITHIN_S: u32 = 1800;

struct Soci;

dray_plugin::export_snapshotter!(Soci);

/// The configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    index_digest: Option<String>,
}

const CONFIG_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "indexDigest": {
      "description": "digest of the index to use; without it, the daemon looks for one",
      "type": "string",
      "pattern": "^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$"
    }
  },
  "additionalProperties": false
}"#;

impl Plugin for Soci {
    const NAME: &str = "soci";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &str = "layers that an index covers are served by the daemon, which may fetch the others";
    const CONFIG_SCHEMA: &str = CONFIG_SCHEMA;
    type Config = Config;

    fn check_config(config: &Config) -> Result<(), Error> {
        match &config.index_digest {
            Some(digest) if !dray_formats::is_digest(digest) => Err(Error::invalid_config(
                "not-a-digest",
                format!("`indexDigest` is `{digest}`, which is not a digest"),
            )),
            _ => Ok(()),
        }
    }
}

/// How it is known that there is an index.
#[derive(Clone, Copy)]
enum Index<'a> {
    /// The configuration names it.
    Configured(&'a str),
    /// The manifest names it, and the daemon finds it there.
    Annotated(&'a str),
    /// It is not known.
    Unknown,
}

impl SnapshotterPlugin for Soci {
    fn plan(config: Config, image: Image) -> Result<ImagePlan, Error> {
        let formats = dray_formats::of_layers(&image);
        if let Some(foreign) = dray_formats::refusal(&image, &formats, &[]) {
            return Ok(foreign);
        }
        let index = match (&config.index_digest, dray_formats::soci_index(&image)) {
            (Some(digest), _) => Index::Configured(digest),
            (None, Some(digest)) => Index::Annotated(digest),
            (None, None) => Index::Unknown,
        };
        let layers: Vec<LayerPlan> = image
            .layers
            .iter()
            .zip(&formats)
            .enumerate()
            .map(
                |(at, (layer, format))| {
                    if is_served(format) { served(&image, at, layer, index) } else { layer.ask() }
                },
            )
            .collect();
        let plan = verdict(&image, index, formats.iter().filter(|format| is_served(format)).count(), layers);
        let plan = plan.with_lazy_label(labels::REMOTE).answering_within(ANSWER_WITHIN_S);
        Ok(advice::add(plan, image.registry()))
    }
}

/// Whether the daemon can do anything with a layer of this format. It cannot look into encrypted ones.
fn is_served(format: &Format<'_>) -> bool {
    !matches!(format, Format::Encrypted | Format::Unknown)
}

fn served(image: &Image, at: usize, layer: &Layer, index: Index<'_>) -> LayerPlan {
    let from_here = &image.layers[at..];
    let mut sent = image.remote_labels(layer, from_here);
    let mut send = |key: &str, value: String| sent.push((key.to_owned(), value));
    if let Index::Configured(digest) = index {
        send(INDEX, digest.to_owned());
    }
    let digests = from_here.iter().map(|layer| &layer.descriptor.digest);
    let (_, listed) = labels::list(labels::IMAGE_LAYERS, digests);
    let sizes = from_here.iter().take(listed).map(|layer| layer.descriptor.size.to_string());
    send(SIZE, layer.descriptor.size.to_string());
    send(SIZES, labels::list(SIZES, sizes).0);
    let planned = LayerPlan { on_error: OnError::FetchAndStopAsking, ..layer.ask_with_labels(sent) };
    match index {
        Index::Unknown => LayerPlan { expectation: Expectation::Maybe, ..planned },
        // The daemon has given up on the index, after a time in which nothing could be seen.
        _ => LayerPlan { on_mounts: OnMounts::FetchAndStopAsking, ..planned },
    }
}

fn verdict(image: &Image, index: Index<'_>, served: usize, layers: Vec<LayerPlan>) -> ImagePlan {
    let all = layers.len();
    let (code, reason) = match index {
        Index::Unknown => {
            let reason = format!(
                "the manifest names no SOCI index: snapshotter `{}` is a plain one unless its daemon finds an index of \
                 the first version",
                image.snapshotter
            );
            return ImagePlan::new(Suitability::Plain, "index-unknown", reason, layers);
        }
        Index::Configured(digest) => {
            ("index-configured", format!("the configuration names SOCI index `{digest}`"))
        }
        Index::Annotated(digest) => ("index-annotated", format!("the manifest names SOCI index `{digest}`")),
    };
    let (suitability, reason) = match served {
        0 => (Suitability::Plain, format!("{reason}, but no layer of {all} can be served by it")),
        served if served < all => {
            (Suitability::Partial, format!("{reason}, and {served} of {all} layers can be served by it"))
        }
        _ => (Suitability::Native, reason),
    };
    ImagePlan::new(suitability, code, reason, layers)
}

#[cfg(test)]
mod tests;
