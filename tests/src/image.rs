//! Makes images: layers, configs, manifests, indexes.
//!
//! The same calls give the same digests. The code does not use dray's own types, so that it does not share their
//! faults. It uses untyped JSON, so that tests can make images that no tool makes.

mod bait;
pub mod estargz;
mod layer;
pub mod nydus;
pub mod overlaybd;
pub mod samples;
pub mod soci;
mod stored;
mod toc;
pub mod zstd_chunked;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

pub use bait::baited;
pub use layer::{Compression, Entry, Layer, LayerBuilder, in_members};

/// Bytes with their identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Media type.
    pub media_type: String,
    /// Algorithm, colon, and the hex of their hash.
    pub digest: String,
    /// The bytes.
    pub bytes: Bytes,
}

impl Blob {
    /// A blob of any kind.
    pub fn new(media_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::hashed(media_type, bytes, Hash::Sha256)
    }

    /// A blob with a digest by this hash.
    pub fn hashed(media_type: impl Into<String>, bytes: impl Into<Bytes>, hash: Hash) -> Self {
        let bytes = bytes.into();
        let digest = match hash {
            Hash::Sha256 => sha256(&bytes),
            Hash::Sha512 => sha512(&bytes),
        };
        Self { media_type: media_type.into(), digest, bytes }
    }

    /// A document.
    pub fn json(media_type: &str, value: &Value) -> Self {
        Self::json_hashed(media_type, value, Hash::Sha256)
    }

    /// Its descriptor, as in a manifest.
    pub fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }

    fn json_hashed(media_type: &str, value: &Value, hash: Hash) -> Self {
        let bytes = serde_json::to_vec_pretty(value).expect("JSON values can be written");
        Self::hashed(media_type, bytes, hash)
    }
}

/// The hash of an image's digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// `sha256:` and the hex of the hash.
pub fn sha256(bytes: &[u8]) -> String {
    named("sha256", &Sha256::digest(bytes))
}

/// `sha512:` and the hex of the hash.
pub fn sha512(bytes: &[u8]) -> String {
    named("sha512", &Sha512::digest(bytes))
}

fn named(algorithm: &str, hash: &[u8]) -> String {
    hash.iter().fold(format!("{algorithm}:"), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes text");
        text
    })
}

/// The family of media types of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flavour {
    /// `application/vnd.oci.…`
    #[default]
    Oci,
    /// `application/vnd.docker.…`
    Docker,
}

impl Flavour {
    fn index(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.index.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    fn manifest(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.manifest.v1+json",
            Self::Docker => "application/vnd.docker.distribution.manifest.v2+json",
        }
    }

    fn config(self) -> &'static str {
        match self {
            Self::Oci => "application/vnd.oci.image.config.v1+json",
            Self::Docker => "application/vnd.docker.container.image.v1+json",
        }
    }

    fn layer(self, compression: Compression) -> &'static str {
        match (self, compression) {
            (Self::Oci, Compression::None) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Oci, Compression::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Self::Oci, Compression::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Docker, Compression::None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, Compression::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (Self::Docker, Compression::Zstd) => "application/vnd.docker.image.rootfs.diff.tar.zstd",
        }
    }
}

/// Content that can be pushed under one name.
pub trait Content {
    /// Configs and layers.
    fn blobs(&self) -> Vec<&Blob>;
    /// Manifests and indexes, children first: a tag names the last one.
    fn manifests(&self) -> Vec<&Blob>;

    /// Writes an OCI image layout whose index has one entry, named `tag`.
    fn write_layout(&self, directory: &Path, tag: &str) -> io::Result<()> {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        for blob in self.blobs().into_iter().chain(self.manifests()) {
            fs::write(blobs.join(blob.digest.trim_start_matches("sha256:")), &blob.bytes)?;
        }
        let mut entries = self.manifests().last().map(|top| top.descriptor()).into_iter().collect::<Vec<_>>();
        for entry in &mut entries {
            entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        }
        fs::write(
            directory.join("index.json"),
            json!({ "schemaVersion": 2, "manifests": entries }).to_string(),
        )?;
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
    }
}

/// An image for one platform.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest.
    pub manifest: Blob,
    /// The image config.
    pub config: Blob,
    /// The compressed layers, from the bottom.
    pub layers: Vec<Blob>,
    /// The true diff ids of the layers, from the bottom.
    pub diff_ids: Vec<String>,
    /// `os/architecture[/variant]`.
    pub platform: String,
}

impl Image {
    /// Starts an image without layers.
    pub fn builder(platform: &str) -> ImageBuilder {
        ImageBuilder {
            platform: platform.to_owned(),
            flavour: Flavour::default(),
            hash: Hash::default(),
            layers: Vec::new(),
            alter_config: Box::new(|_| ()),
            alter_manifest: Box::new(|_| ()),
        }
    }

    /// The chain ids of its layers, from the bottom.
    pub fn chain_ids(&self) -> Vec<String> {
        let mut chain: Vec<String> = Vec::new();
        for diff_id in &self.diff_ids {
            let id = chain
                .last()
                .map_or_else(|| diff_id.clone(), |below| sha256(format!("{below} {diff_id}").as_bytes()));
            chain.push(id);
        }
        chain
    }
}

impl Content for Image {
    fn blobs(&self) -> Vec<&Blob> {
        self.layers.iter().chain([&self.config]).collect()
    }

    fn manifests(&self) -> Vec<&Blob> {
        vec![&self.manifest]
    }
}

type Alteration = Box<dyn FnOnce(&mut Value)>;

/// Builds an [`Image`].
pub struct ImageBuilder {
    platform: String,
    flavour: Flavour,
    hash: Hash,
    layers: Vec<Layer>,
    alter_config: Alteration,
    alter_manifest: Alteration,
}

impl ImageBuilder {
    /// Uses these media types.
    #[must_use]
    pub fn flavour(mut self, flavour: Flavour) -> Self {
        self.flavour = flavour;
        self
    }

    /// Uses this hash for config, layers and manifest. Diff ids stay sha256.
    #[must_use]
    pub fn hash(mut self, hash: Hash) -> Self {
        self.hash = hash;
        self
    }

    /// Adds a layer on top.
    #[must_use]
    pub fn layer(self, layer: Layer) -> Self {
        self.annotated_layer(layer, &[])
    }

    /// Adds a layer with annotations on its descriptor.
    #[must_use]
    pub fn annotated_layer(mut self, layer: Layer, annotations: &[(&str, &str)]) -> Self {
        let layer = annotations.iter().fold(layer, |layer, (key, value)| layer.annotation(key, *value));
        self.layers.push(layer);
        self
    }

    /// Changes the config before it is hashed: to extend or to falsify it.
    #[must_use]
    pub fn alter_config(mut self, alter: impl FnOnce(&mut Value) + 'static) -> Self {
        self.alter_config = Box::new(alter);
        self
    }

    /// Changes the manifest before it is hashed: to extend or to falsify it.
    #[must_use]
    pub fn alter_manifest(mut self, alter: impl FnOnce(&mut Value) + 'static) -> Self {
        self.alter_manifest = Box::new(alter);
        self
    }

    /// The image.
    pub fn build(self) -> Image {
        let diff_ids: Vec<String> = self.layers.iter().map(Layer::diff_id).collect();
        let mut config = platform(&self.platform);
        config["config"] = json!({ "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/sh"] });
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        config["history"] = diff_ids.iter().map(|_| json!({ "created_by": "dray-tests" })).collect();
        (self.alter_config)(&mut config);
        let config = Blob::json_hashed(self.flavour.config(), &config, self.hash);

        let mut layers = Vec::new();
        let mut descriptors = Vec::new();
        for layer in self.layers {
            let media_type = layer.media_type().unwrap_or_else(|| self.flavour.layer(layer.compression()));
            let annotations = json!(layer.annotations());
            let blob = Blob::hashed(media_type, layer.into_blob(), self.hash);
            let mut descriptor = blob.descriptor();
            if annotations != json!({}) {
                descriptor["annotations"] = annotations;
            }
            descriptors.push(descriptor);
            layers.push(blob);
        }
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": self.flavour.manifest(),
            "config": config.descriptor(),
            "layers": descriptors,
        });
        (self.alter_manifest)(&mut manifest);
        let manifest = Blob::json_hashed(self.flavour.manifest(), &manifest, self.hash);
        Image { manifest, config, layers, diff_ids, platform: self.platform }
    }
}

/// Images for several platforms under one name.
#[derive(Clone, Debug)]
pub struct Index {
    /// The index.
    pub index: Blob,
    /// Its images, in the order of its entries.
    pub images: Vec<Image>,
}

impl Index {
    /// An index over `images`, each with its platform.
    pub fn new(flavour: Flavour, images: Vec<Image>) -> Self {
        Self::altered(flavour, images, |_| ())
    }

    /// The same, changed before it is hashed.
    pub fn altered(flavour: Flavour, images: Vec<Image>, alter: impl FnOnce(&mut Value)) -> Self {
        let entries = images.iter().map(|image| {
            let mut entry = image.manifest.descriptor();
            entry["platform"] = platform(&image.platform);
            entry
        });
        let entries: Value = entries.collect();
        let mut index = json!({ "schemaVersion": 2, "mediaType": flavour.index(), "manifests": entries });
        alter(&mut index);
        Self { index: Blob::json(flavour.index(), &index), images }
    }

    /// Reads the index that an OCI image layout calls `tag`, with all its images.
    pub fn read_layout(directory: &Path, tag: &str) -> io::Result<Self> {
        let list: Value = serde_json::from_slice(&fs::read(directory.join("index.json"))?)?;
        let is_it = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
        let entry = list["manifests"].as_array().into_iter().flatten().find(is_it);
        let index = read_blob(directory, entry.ok_or_else(|| io::Error::other("no such tag"))?)?;
        let parsed: Value = serde_json::from_slice(&index.bytes)?;
        let entries = parsed["manifests"].as_array().into_iter().flatten();
        let images = entries.map(|entry| Image::read(directory, entry)).collect::<io::Result<_>>()?;
        Ok(Self { index, images })
    }
}

impl Image {
    /// Reads the image of an index entry from an OCI image layout. Its diff ids are not checked.
    fn read(directory: &Path, entry: &Value) -> io::Result<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let platform = &entry["platform"];
        let platform = ["os", "architecture", "variant"].map(|part| text(&platform[part])).join("/");
        let manifest = read_blob(directory, entry)?;
        let parsed: Value = serde_json::from_slice(&manifest.bytes)?;
        let config = read_blob(directory, &parsed["config"])?;
        let layers = parsed["layers"].as_array().into_iter().flatten();
        let layers = layers.map(|layer| read_blob(directory, layer)).collect::<io::Result<_>>()?;
        let parsed: Value = serde_json::from_slice(&config.bytes)?;
        let diff_ids = parsed["rootfs"]["diff_ids"].as_array().into_iter().flatten().map(text).collect();
        let platform = platform.trim_end_matches('/').to_owned();
        Ok(Self { manifest, config, layers, diff_ids, platform })
    }
}

/// Reads the blob of a descriptor from an OCI image layout.
fn read_blob(directory: &Path, descriptor: &Value) -> io::Result<Blob> {
    let (media_type, digest) = (descriptor["mediaType"].as_str(), descriptor["digest"].as_str());
    let (media_type, digest) = media_type.zip(digest).ok_or_else(|| io::Error::other("no descriptor"))?;
    let bytes = fs::read(directory.join("blobs").join(digest.replace(':', "/")))?;
    let blob = Blob::new(media_type, bytes);
    if blob.digest == digest { Ok(blob) } else { Err(io::Error::other(format!("not {digest}"))) }
}

impl Content for Index {
    fn blobs(&self) -> Vec<&Blob> {
        self.images.iter().flat_map(Content::blobs).collect()
    }

    fn manifests(&self) -> Vec<&Blob> {
        self.images.iter().flat_map(Content::manifests).chain([&self.index]).collect()
    }
}

/// Other content for a registry: artifacts, nested indexes, old documents.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Configs, layers and the like.
    pub blobs: Vec<Blob>,
    /// Manifests and indexes, children first.
    pub manifests: Vec<Blob>,
}

impl Bundle {
    /// An index whose only entry is another index.
    pub fn nested(flavour: Flavour, inner: &Index) -> Self {
        let outer = json!({
            "schemaVersion": 2,
            "mediaType": flavour.index(),
            "manifests": [inner.index.descriptor()],
        });
        let manifests = inner.manifests().into_iter().cloned().chain([Blob::json(flavour.index(), &outer)]);
        Self { blobs: inner.blobs().into_iter().cloned().collect(), manifests: manifests.collect() }
    }
}

impl Content for Bundle {
    fn blobs(&self) -> Vec<&Blob> {
        self.blobs.iter().collect()
    }

    fn manifests(&self) -> Vec<&Blob> {
        self.manifests.iter().collect()
    }
}

fn platform(text: &str) -> Value {
    let mut parts = text.split('/');
    let mut value = json!({ "os": parts.next(), "architecture": parts.next() });
    if let Some(variant) = parts.next() {
        value["variant"] = json!(variant);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::{Place, Scratch};

    fn sample() -> Image {
        let bottom = Layer::builder().entry(Entry::file("etc/motd", "hello\n")).build(Compression::Gzip);
        let top = Layer::builder().entry(Entry::whiteout("etc/motd")).build(Compression::None);
        Image::builder("linux/arm64/v8").layer(bottom).layer(top).build()
    }

    #[test]
    fn the_same_calls_give_the_same_bytes() {
        assert_eq!(sample().manifest, sample().manifest);
    }

    #[test]
    fn a_layout_holds_what_was_written_to_it() {
        let layout = Scratch::new(Place::Disk);
        let index = Index::new(Flavour::Oci, vec![sample()]);
        index.write_layout(layout.path(), "one").expect("a layout can be written");
        let read = Index::read_layout(layout.path(), "one").expect("a layout can be read");
        assert_eq!((read.blobs(), read.manifests()), (index.blobs(), index.manifests()));
        assert_eq!(read.images[0].chain_ids(), index.images[0].chain_ids());
        assert_eq!(read.images[0].platform, "linux/arm64/v8");
        assert!(Index::read_layout(layout.path(), "two").is_err());
    }

    #[test]
    fn parts_refer_to_each_other() {
        let image = sample();
        let manifest: Value = serde_json::from_slice(&image.manifest.bytes).expect("a manifest is JSON");
        let config: Value = serde_json::from_slice(&image.config.bytes).expect("a config is JSON");
        assert_eq!(manifest["config"]["digest"], image.config.digest);
        assert_eq!(manifest["layers"][0]["size"], image.layers[0].bytes.len());
        assert_eq!(config["rootfs"]["diff_ids"], json!(image.diff_ids));
        assert_eq!(config["variant"], "v8");
        assert_eq!(image.diff_ids[1], image.layers[1].digest, "an uncompressed layer is its own diff");
        let top = format!("{} {}", image.diff_ids[0], image.diff_ids[1]);
        assert_eq!(image.chain_ids(), [image.diff_ids[0].clone(), sha256(top.as_bytes())]);
    }
}
