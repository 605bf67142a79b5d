//! Artifacts that are not images: dray refuses them before it stores anything, and says what they are.

use dray_tests::command::{Dray, Run};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Blob, Bundle, Compression, Content, Flavour, Image, Index};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use serde_json::{Value, json};

use super::{UNSUPPORTED, around, layer};

const NAMESPACE: &str = "default";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An artifact with one blob.
fn artifact(config: &Blob, blob: Blob, more: impl FnOnce(&mut Value)) -> Bundle {
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [blob.descriptor()],
    });
    more(&mut manifest);
    Bundle { blobs: vec![config.clone(), blob], manifests: vec![Blob::json(OCI_MANIFEST, &manifest)] }
}

fn empty_config() -> Blob {
    Blob::new("application/vnd.oci.empty.v1+json", "{}")
}

pub(super) fn chart() -> Bundle {
    let config = Blob::json("application/vnd.cncf.helm.config.v1+json", &json!({ "name": "chart" }));
    artifact(&config, Blob::new("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart"), |_| ())
}

fn bill_of_materials() -> Bundle {
    artifact(&empty_config(), Blob::new("application/spdx+json", "{}"), |manifest| {
        manifest["artifactType"] = json!("application/vnd.example.sbom.v1");
    })
}

fn attestation() -> Bundle {
    let config = Blob::new("application/vnd.in-toto.provenance.config+json", "{}");
    artifact(&config, Blob::new("application/vnd.in-toto+json", "{}"), |_| ())
}

/// Checks that a pull stores nothing, not even for a moment, and that the error names the kind of artifact.
fn refused(content: &dyn Content, kind: &str) -> Option<Run> {
    let daemon = require!(Containerd::start(Generation::Debian16), None);
    let registry = ScriptedRegistry::start();
    registry.add(content, "artifact", "1");
    let run =
        Dray::with(&daemon, NAMESPACE).run(["pull", &registry.image("artifact:1")]).failure(UNSUPPORTED);
    assert!(run.stderr.contains(kind) && run.stderr.contains("hint: "), "{run}");
    let state = State::of(&daemon, NAMESPACE);
    assert!(state.is_empty(), "{run}\n{state}");
    assert!(registry.requests_to("GET", "/blobs/").is_empty(), "{run}");
    Some(run)
}

/// As tools wrote them ten years ago. containerd's clients store another manifest with another digest, or succeed
/// without unpacking; both are wrong.
#[test]
fn an_image_without_config_type_is_refused() {
    let image = Image::builder("linux/amd64")
        .flavour(Flavour::Docker)
        .alter_manifest(|manifest| manifest["config"]["mediaType"] = json!("application/octet-stream"))
        .build();
    let Some(run) = refused(&image, "application/octet-stream") else { return };
    assert!(run.stderr.contains("hint: push the image again with a current tool"), "{run}");
}

#[test]
fn a_helm_chart_is_refused() {
    refused(&chart(), "application/vnd.cncf.helm.config.v1+json");
}

#[test]
fn an_artifact_with_a_type_is_refused() {
    refused(&bill_of_materials(), "application/vnd.example.sbom.v1");
}

/// A kind of manifest that was never released, and that some registries have.
#[test]
fn an_artifact_manifest_is_refused() {
    let media_type = "application/vnd.oci.artifact.manifest.v1+json";
    let manifest = json!({ "mediaType": media_type, "artifactType": "text/plain", "blobs": [] });
    refused(&Bundle { blobs: Vec::new(), manifests: vec![Blob::json(media_type, &manifest)] }, media_type);
}

#[test]
fn an_attestation_is_refused() {
    refused(&attestation(), "application/vnd.in-toto.provenance.config+json");
}

#[test]
fn an_index_of_artifacts_is_refused() {
    let (chart, bill) = (chart(), bill_of_materials());
    let entry = |artifact: &Bundle, kind: &str| {
        let mut entry = artifact.manifests[0].descriptor();
        entry["artifactType"] = json!(kind);
        entry
    };
    let index = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            entry(&chart, "application/vnd.cncf.helm.config.v1+json"),
            entry(&bill, "application/vnd.example.sbom.v1"),
        ],
    });
    let bundle = Bundle {
        blobs: [chart.blobs, bill.blobs].concat(),
        manifests: [chart.manifests, bill.manifests, vec![Blob::json(OCI_INDEX, &index)]].concat(),
    };
    refused(&bundle, "application/vnd.cncf.helm.config.v1+json");
}

/// Manifests of schema 1 have neither config nor sizes. Registries serve them signed and unsigned.
#[test]
fn a_schema_1_manifest_is_refused() {
    for media_type in [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
    ] {
        let manifest = json!({
            "schemaVersion": 1,
            "name": "old",
            "tag": "1",
            "architecture": "amd64",
            "fsLayers": [{ "blobSum": Blob::new("", "layer").digest }],
            "history": [{ "v1Compatibility": "{}" }],
            "signatures": [],
        });
        let bundle = Bundle { blobs: Vec::new(), manifests: vec![Blob::json(media_type, &manifest)] };
        let Some(run) = refused(&bundle, "schema 1") else { return };
        assert!(run.stderr.contains("push the image again"), "it says what to do: {run}");
    }
}

/// A pull ignores attestations in an index.
#[test]
fn an_image_with_attestations_is_pulled() {
    for generation in Generation::ALL {
        let Some(pair) = super::Pair::start(generation) else { return };
        let name = "an image with attestations";
        let image: Image = around(name, layer(name, 1, Compression::Gzip)).build();
        let attestation = attestation();
        let subject = image.manifest.digest.clone();
        let mut entry = attestation.manifests[0].descriptor();
        entry["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        entry["annotations"] = json!({
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": subject,
        });
        let index = Index::altered(Flavour::Oci, vec![image.clone()], |index| {
            index["manifests"].as_array_mut().expect("a list").push(entry);
        });
        let blobs = index.blobs().into_iter().cloned().chain(attestation.blobs).collect();
        let manifests =
            [vec![image.manifest.clone()], attestation.manifests.clone(), vec![index.index.clone()]];
        let bundle = Bundle { blobs, manifests: manifests.concat() };
        pair.compare(&super::Kind { name, image, content: Box::new(bundle) });
    }
}
