//! Plans pulls for stargz, whose daemon serves eStargz and zstd:chunked layers from the registry, file by file.
//!
//! A layer of these formats is asked for with labels, and the daemon is expected to provide it. Any other layer is
//! asked for without: the daemon then answers with mounts at once, where labels would have it look for a table of
//! contents in the registry, once for each layer and again for each layer above it.
//!
//! A daemon that cannot reach the registry answers with mounts as well, after half a minute. So the first layer
//! that it should have provided and did not is the last that it is asked for with labels.
//!
//! The configuration, with its defaults: `{"prefetchSize": 10485760, "hints": true}`.

mod advice;

use dray_formats::{Format, annotations};
use dray_plugin::snapshotter::{Image, ImagePlan, Layer, LayerPlan, OnError, OnMounts, Suitability, labels};
use dray_plugin::{Error, Plugin, SnapshotterPlugin};
use serde::Deserialize;

/// Bytes of each layer that the daemon reads ahead.
const PREFETCH: &str = "containerd.io/snapshot/remote/stargz.prefetch";
/// Other places of the layer. The daemon reads those in IPFS.
const URLS: &str = "containerd.io/snapshot/remote/urls";

struct Stargz;

dray_plugin::export_snapshotter!(Stargz);

/// The configuration.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    prefetch_size: u32,
    hints: bool,
}

impl Default for Config {
    fn default() -> Self {
        // As much as containerd's own client asks for.
        Self { prefetch_size: 10 << 20, hints: true }
    }
}

const CONFIG_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "prefetchSize": {
      "description": "bytes of each layer that the daemon reads ahead, unless the layer itself says how many",
      "type": "integer",
      "minimum": 0,
      "maximum": 4294967295,
      "default": 10485760
    },
    "hints": {
      "description": "whether a pull says how layers that are not lazy could be",
      "type": "boolean",
      "default": true
    }
  },
  "additionalProperties": false
}"#;

impl Plugin for Stargz {
    const NAME: &str = "stargz";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &str = "eStargz and zstd:chunked layers are served by the daemon, all others are fetched";
    const CONFIG_SCHEMA: &str = CONFIG_SCHEMA;
    type Config = Config;
}

/// The table of contents of a layer that the daemon can serve.
fn toc<'a>(format: &Format<'a>) -> Option<&'a str> {
    match format {
        Format::Estargz { toc } | Format::ZstdChunked { toc } => Some(toc),
        _ => None,
    }
}

impl SnapshotterPlugin for Stargz {
    fn plan(config: Config, image: Image) -> Result<ImagePlan, Error> {
        let formats = dray_formats::of_layers(&image);
        if let Some(foreign) = dray_formats::refusal(&image, &formats, &[]) {
            return Ok(foreign);
        }
        let tocs: Vec<Option<&str>> = formats.iter().map(toc).collect();
        let layers = image.layers.iter().zip(&tocs).enumerate().map(|(at, (layer, toc))| match toc {
            None => layer.ask(),
            Some(toc) => {
                let from_here = image.layers[at..].iter().zip(&tocs[at..]);
                let from_here = from_here.filter_map(|(layer, toc)| toc.is_some().then_some(layer));
                lazily(config, &image, layer, from_here, toc)
            }
        });
        let plan = verdict(&image, &tocs, layers.collect());
        let plan = if config.hints { hints(plan, &formats) } else { plan };
        Ok(advice::add(plan.with_lazy_label(labels::REMOTE), image.registry()))
    }
}

/// Has the daemon serve a layer. `from_here` are the layers that it can serve, this one first.
fn lazily<'a>(
    config: Config,
    image: &Image,
    layer: &Layer,
    from_here: impl Iterator<Item = &'a Layer>,
    toc: &str,
) -> LayerPlan {
    let mut sent = image.remote_labels(layer, from_here);
    let mut send = |key: &str, value: String| sent.push((key.to_owned(), value));
    send(annotations::TOC_DIGEST, toc.to_owned());
    send(PREFETCH, config.prefetch_size.to_string());
    let urls = layer.descriptor.urls.iter().filter(|url| url.starts_with("ipfs://"));
    // The daemon reads an empty label as it reads none.
    if let (urls, 1..) = labels::list(URLS, urls) {
        send(URLS, urls);
    }
    LayerPlan {
        on_mounts: OnMounts::FetchAndStopAsking,
        on_error: OnError::FetchAndStopAsking,
        ..layer.ask_with_labels(sent)
    }
}

fn verdict(image: &Image, tocs: &[Option<&str>], layers: Vec<LayerPlan>) -> ImagePlan {
    let lazy = tocs.iter().flatten().count();
    let all = layers.len();
    let (suitability, code, reason) = match lazy {
        0 => (
            Suitability::Plain,
            "plain",
            format!(
                "none of {all} layers is eStargz or zstd:chunked: snapshotter `{}` is used as a plain one, and each \
                 layer that it lacks is fetched",
                image.snapshotter
            ),
        ),
        lazy if lazy < all => {
            let sizes = image.layers.iter().zip(tocs).filter(|(_, toc)| toc.is_none());
            let bytes = sizes.fold(0_u64, |sum, (layer, _)| sum.saturating_add(layer.descriptor.size));
            let reason = format!(
                "{lazy} of {all} layers are eStargz or zstd:chunked, {} layers of {bytes} bytes are fetched",
                all - lazy
            );
            (Suitability::Partial, "partial", reason)
        }
        _ => (Suitability::Native, "native", format!("all {all} layers are eStargz or zstd:chunked")),
    };
    ImagePlan::new(suitability, code, reason, layers)
}

/// Says how the layers that are not lazy could be.
fn hints(plan: ImagePlan, formats: &[Format<'_>]) -> ImagePlan {
    let all = formats.len();
    let lacking = formats.iter().filter(|format| toc(format).is_none()).count();
    let of_podman = formats.iter().filter(|format| **format == Format::ZstdChunkedOfPodman).count();
    if of_podman > 0 {
        return plan.with_hint(format!(
            "{of_podman} of {all} layers are zstd:chunked with the annotations of Podman only, which stargz does not \
             read: convert the image with `nerdctl image convert --zstdchunked --oci`"
        ));
    }
    if lacking == 0 {
        return plan;
    }
    plan.with_hint(format!(
        "{lacking} of {all} layers have no annotation with the digest of a table of contents, so they are not lazy: \
         convert the image with `nerdctl image convert --estargz --oci`; media types of Docker lose the annotation"
    ))
}

#[cfg(test)]
mod tests;
