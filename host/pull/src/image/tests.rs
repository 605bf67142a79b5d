//! Reading what a store in memory has.

mod candidates;
mod completeness;
mod find;
mod read;

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use dray_core::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, DocumentKind, MediaType, Platform};
use dray_core::verify::digest_of;
use dray_memory::{Facts, FakePlugins, FakeStore, diff_id_of};
use dray_ports::{
    ImageRecord, Labels, Plan, PlatformMatcher, PluginCallTimings, PluginFailure, PluginIdentity,
    SnapshotterName, Store,
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(text: &str) -> Digest {
    digest_of(Algorithm::Sha256, text.as_bytes())
}

fn manifest_type() -> MediaType {
    MediaType::new(MediaType::OCI_MANIFEST)
}

fn snapshotter() -> SnapshotterName {
    SnapshotterName::new("overlayfs")
}

fn linux(architecture: &str) -> Platform {
    Platform::new("linux", architecture, "")
}

/// Takes exactly the wanted platforms.
fn matcher() -> FakePlugins {
    FakePlugins(Box::new(|_| -> Plan { unreachable!("nothing is planned") }))
}

/// Takes every platform.
struct Everything;

#[async_trait]
impl PlatformMatcher for Everything {
    fn identity(&self) -> PluginIdentity {
        matcher().identity()
    }

    async fn rank(&self, _: &[Platform], offered: &[Platform]) -> Result<Vec<usize>, PluginFailure> {
        Ok((0..offered.len()).collect())
    }

    fn timings(&self) -> PluginCallTimings {
        PluginCallTimings::default()
    }
}

/// One image in the store.
struct Image {
    manifest: Descriptor,
    config: Descriptor,
    layers: Vec<Descriptor>,
    diff_ids: Vec<DiffId>,
    chain: Vec<ChainId>,
}

#[derive(Clone, Default)]
struct Fixture(FakeStore);

impl Fixture {
    fn store(&self) -> Store {
        self.0.clone().into()
    }

    fn source(&self) -> StoredDocuments<'_> {
        StoredDocuments(&self.0)
    }

    fn add(&self, media_type: &str, bytes: impl Into<Bytes>) -> Descriptor {
        let bytes = bytes.into();
        let digest = digest_of(Algorithm::Sha256, &bytes);
        let descriptor = Descriptor::new(MediaType::new(media_type), digest.clone(), bytes.len() as u64);
        self.0.state().blobs.insert(digest, (bytes, Facts::default()));
        descriptor
    }

    /// An image of layers that are told apart by its name.
    fn image(&self, name: &str, architecture: &str, layers: usize) -> Image {
        let contents: Vec<String> = (0..layers).map(|layer| format!("layer {layer} of {name}")).collect();
        let diff_ids: Vec<DiffId> = contents.iter().map(|content| diff_id_of(content.as_bytes())).collect();
        let layers: Vec<Descriptor> = contents.into_iter().map(|content| self.add(LAYER, content)).collect();
        let config = json!({
            "os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.add(MediaType::OCI_CONFIG, config.to_string());
        let manifest = json!({
            "schemaVersion": 2, "config": written(&config),
            "layers": layers.iter().map(written).collect::<Vec<_>>(),
        });
        let manifest = self.add(MediaType::OCI_MANIFEST, manifest.to_string());
        Image { manifest, config, layers, chain: ChainId::stack(&diff_ids), diff_ids }
    }

    /// An index of manifests or other indexes with the architecture that each states.
    fn index(&self, entries: &[(&Descriptor, Option<&str>)]) -> Descriptor {
        let entry = |(descriptor, architecture): &(&Descriptor, Option<&str>)| {
            let mut entry = written(descriptor);
            if let Some(architecture) = architecture {
                let os = if *architecture == "unknown" { "unknown" } else { "linux" };
                entry["platform"] = json!({"os": os, "architecture": architecture});
            }
            entry
        };
        let entries: Vec<Value> = entries.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "manifests": entries});
        self.add(MediaType::OCI_INDEX, index.to_string())
    }

    fn record(&self, name: &str, target: &Descriptor) {
        let now = SystemTime::UNIX_EPOCH;
        let (name, target) = (name.to_owned(), target.clone());
        let record = ImageRecord {
            name: name.clone(),
            target,
            labels: Labels::new(),
            created_at: now,
            updated_at: now,
        };
        self.0.state().images.insert(name, record);
    }

    fn remove(&self, blob: &Descriptor) {
        self.0.state().blobs.remove(&blob.digest).expect("the blob was there");
    }

    /// Cuts the bytes of a blob, or changes the first of them.
    fn damage(&self, blob: &Descriptor, cut: Option<usize>) {
        let mut state = self.0.state();
        let mut bytes = state.blobs[&blob.digest].0.to_vec();
        match cut {
            Some(length) => bytes.truncate(length),
            None => bytes[0] ^= 1,
        }
        state.damaged.insert(blob.digest.clone(), bytes.into());
    }

    /// Makes the lowest snapshots of an image.
    fn unpack(&self, image: &Image, layers: usize) {
        for chain_id in &image.chain[..layers] {
            self.0.state().committed.insert(chain_id.to_string(), (None, Labels::new()));
        }
    }
}

fn written(descriptor: &Descriptor) -> Value {
    json!({"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size})
}
