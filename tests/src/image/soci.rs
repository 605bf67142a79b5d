//! Images with a SOCI index, which allows lazy reads of ordinary gzip layers.
//!
//! The daemon parses an index, serializes it again, and compares the digest of the result. So an index is compact JSON with
//! the daemon's order of fields and sorted annotations.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::layer::{Compression, Entry, Layer, LayerBuilder};
use super::stored::gzip_member;
use super::{Blob, Bundle, Image, platform};

mod ztoc;

/// The annotation of an image manifest with the digest of its index (version 2).
pub const INDEX_DIGEST: &str = "com.amazon.soci.index-digest";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A gzip layer of stored blocks, with its zTOC: the table of contents that an index refers to.
#[derive(Clone, Debug)]
pub struct Indexed {
    /// The layer.
    pub layer: Layer,
    ztoc: Blob,
}

impl Indexed {
    /// A layer of these entries.
    pub fn new(entries: &[Entry]) -> Self {
        let archive = LayerBuilder::default().entries(entries.to_vec()).archive();
        let blob = gzip_member(&archive);
        let ztoc = Blob::new("application/octet-stream", ztoc::write(entries, &archive, &blob));
        Self { layer: Layer::packed(&archive, blob, Compression::Gzip), ztoc }
    }

    fn entry(&self) -> Descriptor {
        let blob = Blob::new("application/vnd.oci.image.layer.v1.tar+gzip", self.layer.blob().to_vec());
        let mut annotations = BTreeMap::new();
        annotations.insert("com.amazon.soci.image-layer-digest", blob.digest);
        annotations.insert("com.amazon.soci.image-layer-mediaType", blob.media_type);
        annotations.insert("com.amazon.soci.span-size", ztoc::SPAN.to_string());
        Descriptor { annotations, ..Descriptor::of(&self.ztoc) }
    }
}

/// An image with a version 2 index: returns the image, and an OCI index of image and SOCI index to push. `make` builds the
/// image from the digest of the SOCI index; see [`naming`]. Layers that are not in `indexed` have no zTOC.
pub fn v2(indexed: &[&Indexed], make: impl FnOnce(&str) -> Image) -> (Image, Bundle) {
    let (index, mut blobs) = index("application/vnd.amazon.soci.index.v2+json", None, indexed);
    let image = make(&index.digest);
    blobs.extend(image.layers.iter().chain([&image.config]).cloned());
    let mut image_entry = image.manifest.descriptor();
    image_entry["platform"] = platform(&image.platform);
    let mut index_entry = index.descriptor();
    index_entry["artifactType"] = json!("application/vnd.amazon.soci.index.v2+json");
    index_entry["platform"] = platform(&image.platform);
    index_entry["annotations"] = json!({ "com.amazon.soci.image-manifest-digest": image.manifest.digest });
    let top = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [image_entry, index_entry] });
    let manifests = vec![image.manifest.clone(), index, Blob::json(INDEX, &top)];
    (image, Bundle { blobs, manifests })
}

/// A version 1 index for an unchanged image: returns the referrers index to push, and the tag at which the daemon finds it on
/// a registry without the referrers API.
pub fn v1(indexed: &[&Indexed], image: &Image) -> (Bundle, String) {
    const ARTIFACT: &str = "application/vnd.amazon.soci.index.v1+json";
    let (index, blobs) = index(ARTIFACT, Some(Descriptor::of(&image.manifest)), indexed);
    let mut entry = index.descriptor();
    entry["artifactType"] = json!(ARTIFACT);
    let referrers = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] });
    let tag = image.manifest.digest.replace(':', "-");
    (Bundle { blobs, manifests: vec![index, Blob::json(INDEX, &referrers)] }, tag)
}

/// The SOCI index, and its blobs.
fn index(artifact: &str, subject: Option<Descriptor>, indexed: &[&Indexed]) -> (Blob, Vec<Blob>) {
    let config = Blob::new(artifact, "{}");
    let mut annotations = BTreeMap::new();
    annotations.insert("com.amazon.soci.build-tool-identifier", "dray-tests".to_owned());
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: Descriptor::of(&config),
        layers: indexed.iter().map(|layer| layer.entry()).collect(),
        subject,
        annotations,
    };
    let bytes = serde_json::to_vec(&manifest).expect("a manifest can be written");
    let blobs = indexed.iter().map(|layer| layer.ztoc.clone()).chain([config]).collect();
    (Blob::new(MANIFEST, bytes), blobs)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

impl Descriptor {
    fn of(blob: &Blob) -> Self {
        Self {
            media_type: blob.media_type.clone(),
            digest: blob.digest.clone(),
            size: blob.bytes.len(),
            annotations: BTreeMap::new(),
        }
    }
}

/// Adds [`INDEX_DIGEST`] to a manifest, for [`ImageBuilder::alter_manifest`](super::ImageBuilder::alter_manifest).
pub fn naming(index: &str) -> impl FnOnce(&mut Value) + 'static {
    let annotations = json!({ INDEX_DIGEST: index });
    |manifest| manifest["annotations"] = annotations
}
