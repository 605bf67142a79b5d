use std::fmt::Write as _;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::value::RawValue;

use super::stored::{self, StoredImages};
use super::written::{self, WrittenDescriptor};
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::{Failure, Kind};
use crate::{amounts, output};
use dray::InspectedImage;
use dray::config::PlatformFlags;
use dray::image::{
    BlobRole, ChosenManifest, ImageDocuments, ImageError, ImageLayer, ManifestState, StoredDocuments,
    read_document,
};
use dray::oci::{ChainId, Descriptor, DiffId, DocumentKind, MediaKind, Platform};
use dray::ports::{Labels, Store};
use dray::text::escape;

/// Show the contents of an image
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InspectArguments {
    /// Name, digest or beginning of a digest of the image
    #[arg(value_name = "NAME")]
    name: String,

    /// Show the image for this platform [default: that of this machine]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Print this document of the image, byte for byte
    #[arg(long, value_name = "DOCUMENT", conflicts_with = "format")]
    raw: Option<Document>,

    /// Print in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

const EXAMPLES: &str = "\
Examples:
  dray image inspect debian:12
  dray image inspect --platform linux/arm64 --format json debian:12 | jq .layers
  dray image inspect --raw config debian:12 | jq .config.Env";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Document {
    /// The index that is the target of the name
    Index,
    /// The manifest for the platform
    Manifest,
    /// The image config for the platform
    Config,
}

#[derive(Serialize)]
struct Inspected {
    name: String,
    target: WrittenDescriptor,
    created: String,
    updated: String,
    labels: Labels,
    platform: Platform,
    /// Absent if the target of the name is a manifest.
    index: Option<WrittenDescriptor>,
    manifest: WrittenDescriptor,
    config: WrittenDescriptor,
    layers: Vec<Layer>,
    /// Absent if containerd has not loaded the default one.
    snapshotter: Option<String>,
    complete: bool,
    /// Whether all blobs are there, so that the image can be pushed and saved.
    all_blobs: bool,
    unpacked: bool,
    /// The image config as stored.
    image: Box<RawValue>,
}

#[derive(Serialize)]
struct Layer {
    #[serde(flatten)]
    descriptor: WrittenDescriptor,
    diff_id: DiffId,
    chain_id: ChainId,
    /// Whether the blob is in the content store.
    present: bool,
    unpacked: bool,
}

/// Prints the contents of the image.
pub(super) async fn run(arguments: InspectArguments, context: &Context) -> Result<(), Failure> {
    if arguments.raw == Some(Document::Index) {
        return raw_index(&stored::connect(context).await?, &arguments.name).await;
    }
    let platforms =
        PlatformFlags { platforms: arguments.platform.into_iter().collect(), ..PlatformFlags::default() };
    let images = StoredImages::open(platforms, context).await?;
    if let Some(document) = arguments.raw {
        let record = images.record(&arguments.name).await?;
        let ChosenManifest { manifest, .. } = images.manifest(&record).await?;
        return match document {
            Document::Config => raw(&images.store, DocumentKind::Config, &manifest.config).await,
            _ => output::write(manifest.bytes()),
        };
    }
    let inspected = inspect(&images, &arguments.name, context).await?;
    match arguments.format {
        Format::Json => output::write_json(&inspected),
        Format::Text => output::write(inspected.to_text().as_bytes()),
    }
}

/// An index does not depend on the platform.
async fn raw_index(store: &Store, name: &str) -> Result<(), Failure> {
    let record = stored::record(store, name).await?;
    if record.target.media_type.kind() != MediaKind::Index {
        let message = format!("image `{}` has no index", record.name);
        return Err(Failure::new(Kind::NotFound, message)
            .hint("it is for one platform; `--raw manifest` prints its manifest"));
    }
    raw(store, DocumentKind::Index, &record.target).await
}

async fn raw(store: &Store, kind: DocumentKind, descriptor: &Descriptor) -> Result<(), Failure> {
    output::write(&read_document(StoredDocuments(store.content.as_ref()), kind, descriptor).await?)
}

async fn inspect(images: &StoredImages, name: &str, context: &Context) -> Result<Inspected, Failure> {
    let image = images.client.inspect(name).await?;
    let InspectedImage { record, documents, snapshotters, completeness: found } = image;
    if !documents.fits {
        images.note_other_platform(&documents.platform, context);
    }
    let snapshotters = stored::noted(snapshotters, context);
    let chosen = found.manifests.first().and_then(|state| state.snapshotter.as_ref());
    let snapshotter = chosen.or(snapshotters.first()).map(ToString::to_string);
    Ok(Inspected {
        layers: found
            .manifests
            .first()
            .map(|state| layers(&documents, state))
            .transpose()?
            .unwrap_or_default(),
        index: documents.indexes.first().map(|index| WrittenDescriptor::from(index.descriptor())),
        manifest: documents.manifest.descriptor().into(),
        config: documents.config.descriptor().into(),
        image: written::json(documents.config.bytes())?,
        platform: documents.platform,
        name: record.name,
        target: (&record.target).into(),
        created: written::time(record.created_at),
        updated: written::time(record.updated_at),
        labels: record.labels,
        snapshotter,
        complete: found.is_complete(),
        all_blobs: found.has_all_blobs(),
        unpacked: found.is_unpacked(),
    })
}

fn layers(documents: &ImageDocuments, state: &ManifestState) -> Result<Vec<Layer>, ImageError> {
    let is_missing = |blob: &Descriptor| {
        let mut missing = state.missing_blobs.iter();
        missing.any(|missing| missing.role == BlobRole::Layer && missing.descriptor.digest == blob.digest)
    };
    let layer = |layer: ImageLayer<'_>| Layer {
        descriptor: layer.descriptor.into(),
        diff_id: layer.diff_id.clone(),
        present: !is_missing(layer.descriptor),
        unpacked: !state.missing_snapshots.contains(&layer.chain_id),
        chain_id: layer.chain_id,
    };
    Ok(documents.layers()?.into_iter().map(layer).collect())
}

impl Inspected {
    fn to_text(&self) -> String {
        let mut text = String::new();
        let mut row = |key: &str, value: &str| {
            let _ = writeln!(text, "{key:<12} {}", escape::line(value));
        };
        row("name", &self.name);
        row("digest", self.target.digest.as_str());
        row("platform", &self.platform.format_all());
        row("manifest", self.manifest.digest.as_str());
        row("config", self.config.digest.as_str());
        row("created", &self.created);
        row("snapshotter", self.snapshotter.as_deref().unwrap_or("-"));
        let state = match (self.complete, self.unpacked) {
            (true, true) => "complete",
            (true, false) => "complete, not unpacked",
            (false, _) => "not complete, see `dray image check`",
        };
        row("state", state);
        for (index, layer) in self.layers.iter().enumerate() {
            let key = if index == 0 { "layers" } else { "" };
            let size = amounts::bytes(layer.descriptor.size);
            row(key, &format!("{}  {size}", layer.descriptor.digest));
        }
        for (key, value) in &self.labels {
            row("label", &format!("{key}={value}"));
        }
        text
    }
}
