//! Which image a name stands for, where an index lists more than images that say what they are for.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use dray_core::oci::Reference;
use dray_memory::FakeRegistry;

fn one(architecture: &str) -> Platforms {
    Platforms::One(linux(architecture))
}

impl Fixture {
    /// A chart, told apart by its name.
    fn chart(&self, name: &str) -> Descriptor {
        let config = self.add("application/vnd.cncf.helm.config.v1+json", name.to_owned());
        let chart = json!({"schemaVersion": 2, "config": written(&config), "layers": []});
        self.add(MediaType::OCI_MANIFEST, chart.to_string())
    }

    /// An index of entries as they are written.
    fn index_of(&self, entries: &[Value]) -> Descriptor {
        self.add(MediaType::OCI_INDEX, json!({"schemaVersion": 2, "manifests": entries}).to_string())
    }

    /// The manifest that the reading functions choose, which completeness chooses too.
    async fn chosen(&self, index: &Descriptor, architecture: &str) -> Result<Digest, ImageError> {
        let wanted = linux(architecture);
        let manifest = read_manifest(self.source(), &matcher(), index, &wanted).await;
        let image = read_image_config(self.source(), &matcher(), index, &wanted).await;
        let found =
            completeness(&self.store(), &matcher(), &[], index, &one(architecture), Scrutiny::Records).await;
        match (manifest, image, found) {
            (Ok(manifest), Ok(image), Ok(found)) => {
                let digest = manifest.manifest.descriptor().digest.clone();
                assert_eq!(image.manifest.descriptor().digest, digest);
                let [state] = found.manifests.as_slice() else { panic!("{found:?}") };
                assert_eq!((&state.manifest.digest, found.is_complete()), (&digest, true));
                Ok(digest)
            }
            (Err(error), Err(other), Err(third)) => {
                assert_eq!(error.to_string(), other.to_string());
                assert_eq!(error.to_string(), third.to_string());
                Err(error)
            }
            other => panic!("they do not agree: {other:?}"),
        }
    }
}

fn stated(descriptor: &Descriptor, architecture: &str) -> Value {
    let mut entry = written(descriptor);
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    entry
}

#[tokio::test]
async fn candidates_are_looked_at_until_one_fits() {
    let fixture = Fixture::default();
    let (amd64, arm64) = (fixture.image("a", "amd64", 1).manifest, fixture.image("b", "arm64", 1).manifest);
    let (chart, other) = (fixture.chart("chart"), fixture.chart("other"));
    let inner = fixture.index_of(&[written(&chart), written(&amd64)]);
    for entries in [
        vec![written(&amd64), written(&arm64)],
        vec![written(&arm64), written(&amd64)],
        vec![written(&chart), written(&amd64)],
        vec![written(&chart), written(&other), stated(&amd64, "amd64")],
        vec![stated(&chart, "amd64"), stated(&amd64, "amd64")],
        vec![stated(&chart, "amd64"), written(&arm64), written(&amd64)],
        vec![written(&chart), written(&inner), written(&arm64)],
        vec![stated(&inner, "amd64")],
    ] {
        let index = fixture.index_of(&entries);
        assert_eq!(fixture.chosen(&index, "amd64").await.unwrap(), amd64.digest, "{entries:#?}");
    }
}

/// A pull does not store what it passes over, unless an image was stored before.
#[tokio::test]
async fn what_is_not_there_is_passed_over_where_something_else_fits() {
    let fixture = Fixture::default();
    let (amd64, arm64) = (fixture.image("a", "amd64", 1), fixture.image("b", "arm64", 1));
    let chart = fixture.chart("chart");
    let nested = fixture.index_of(&[written(&chart)]);
    let entries = [&chart, &nested, &arm64.manifest, &amd64.manifest].map(written);
    let index = fixture.index_of(&entries);
    for blob in [&chart, &nested, &arm64.config] {
        fixture.remove(blob);
        assert_eq!(fixture.chosen(&index, "amd64").await.unwrap(), amd64.manifest.digest);
    }
    // Of several platforms, all must be there.
    let several = Platforms::listed([linux("amd64"), linux("arm64")]).unwrap();
    let found =
        completeness(&fixture.store(), &matcher(), &[], &index, &several, Scrutiny::Records).await.unwrap();
    assert!(!found.is_complete());
    let s390x = read_manifest(fixture.source(), &matcher(), &index, &linux("s390x")).await.unwrap_err();
    assert!(matches!(s390x, ImageError::MissingBlob { .. }), "{s390x:?}");
}

/// What an index says an entry is for is final: there may be better reasons to prefer it than are known here.
#[tokio::test]
async fn what_is_not_there_and_wanted_is_missing() {
    let fixture = Fixture::default();
    let (first, second) = (fixture.image("a", "amd64", 1).manifest, fixture.image("b", "amd64", 1).manifest);
    let index = fixture.index_of(&[stated(&first, "amd64"), stated(&second, "amd64")]);
    assert_eq!(fixture.chosen(&index, "amd64").await.unwrap(), first.digest);
    fixture.remove(&first);
    let error = read_manifest(fixture.source(), &matcher(), &index, &linux("amd64")).await.unwrap_err();
    assert!(matches!(&error, ImageError::MissingBlob { digest, .. } if *digest == first.digest), "{error:?}");
}

#[tokio::test]
async fn where_nothing_fits_it_is_said_what_there_is() {
    let fixture = Fixture::default();
    let arm64 = fixture.image("b", "arm64", 1).manifest;
    let (chart, other) = (fixture.chart("chart"), fixture.chart("other"));
    let charts = fixture.index_of(&[written(&chart), written(&other)]);
    let error = fixture.chosen(&charts, "amd64").await.unwrap_err();
    let is_chart = |fault: &DocumentFault| {
        matches!(fault, DocumentFault::NotAnImage { media_type }
        if media_type.as_str() == "application/vnd.cncf.helm.config.v1+json")
    };
    assert!(
        matches!(&error, ImageError::Document { digest, source, .. } if *digest == chart.digest && is_chart(source)),
        "{error:?}"
    );
    for arm64 in [written(&arm64), stated(&arm64, "arm64")] {
        let mixed = fixture.index_of(&[written(&chart), arm64]);
        let error = fixture.chosen(&mixed, "amd64").await.unwrap_err();
        assert!(matches!(&error, ImageError::NoPlatform { offered, .. } if *offered == [linux("arm64")]));
    }
}

/// Digests that cannot be verified, and a size below zero.
fn unusable(architecture: Option<&str>) -> Vec<Value> {
    [
        ("blake3:0d6cbcd1d8b1ae8b2b3f8a9ed8bd7ae4a4ed1d2b7dfc9d4f7dbd4d6f8a2b9c1e", 7),
        ("multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8", 7),
        ("sha256:abc", 7),
        (&format!("sha256:{}", "A".repeat(64)), 7),
        ("", 7),
        (digest("x").as_str(), -7),
    ]
    .map(|(digest, size)| {
        let mut entry = json!({"mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": size});
        if let Some(architecture) = architecture {
            entry["platform"] = json!({"os": "linux", "architecture": architecture});
        }
        entry
    })
    .to_vec()
}

#[tokio::test]
async fn an_entry_that_cannot_be_used_matters_only_where_it_is_wanted() {
    let fixture = Fixture::default();
    let amd64 = fixture.image("a", "amd64", 1).manifest;
    for entry in [unusable(Some("arm64")), unusable(None), unusable(Some("amd64"))].concat() {
        let index = fixture.index_of(&[entry.clone(), stated(&amd64, "amd64")]);
        assert_eq!(fixture.chosen(&index, "amd64").await.unwrap(), amd64.digest, "{entry}");
    }
    for entry in unusable(Some("arm64")) {
        let index = fixture.index_of(&[entry.clone(), stated(&amd64, "amd64")]);
        let error = fixture.chosen(&index, "arm64").await.unwrap_err();
        let ImageError::Document { digest, source: DocumentFault::Unreadable(fault), .. } = &error else {
            panic!("{entry}: {error:?}");
        };
        assert_eq!(*digest, index.digest);
        assert!(matches!(fault, dray_core::oci::DocumentError::Descriptor { .. }), "{fault:?}");
    }
    // Where an entry does not say what it is for, what is known of the others says more.
    for entry in unusable(None) {
        let index = fixture.index_of(&[entry.clone(), stated(&amd64, "amd64")]);
        let error = fixture.chosen(&index, "arm64").await.unwrap_err();
        assert!(matches!(error, ImageError::NoPlatform { .. }), "{entry}: {error:?}");
        let error = fixture.chosen(&fixture.index_of(&[entry]), "arm64").await.unwrap_err();
        assert!(matches!(error, ImageError::Document { .. }), "{error:?}");
    }
}

/// An artifact may list what it likes.
#[tokio::test]
async fn what_an_artifact_lists_is_not_looked_at() {
    let fixture = Fixture::default();
    let amd64 = fixture.image("a", "amd64", 1).manifest;
    for mut blob in unusable(None) {
        blob["mediaType"] = json!("text/plain");
        let artifact = json!({"schemaVersion": 2, "config": blob, "layers": [blob, blob]});
        let artifact = fixture.add(MediaType::OCI_MANIFEST, artifact.to_string());
        let index = fixture.index_of(&[written(&artifact), written(&amd64)]);
        assert_eq!(fixture.chosen(&index, "amd64").await.unwrap(), amd64.digest);
    }
}

/// From a store, from a registry, and from memory.
#[tokio::test]
async fn every_source_is_read_alike() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 2);
    let index = fixture.index_of(&[written(&fixture.chart("chart")), written(&image.manifest)]);
    let blobs = fixture.0.state().blobs.clone();
    let blobs: HashMap<Digest, Bytes> =
        blobs.into_iter().map(|(digest, (bytes, _))| (digest, bytes)).collect();
    let registry = FakeRegistry::default();
    registry.blobs.lock().unwrap().extend(blobs.clone());
    let reference = Reference::parse("registry.example/a:1").unwrap();
    let served = ServedDocuments { registry: Arc::new(registry), reference };
    let held = HeldDocuments(blobs);

    let wanted = linux("amd64");
    let found = [
        read_image_config(fixture.source(), &matcher(), &index, &wanted).await.unwrap(),
        read_image_config(served.clone(), &matcher(), &index, &wanted).await.unwrap(),
        read_image_config(held.clone(), &matcher(), &index, &wanted).await.unwrap(),
    ];
    for found in found {
        assert_eq!(found.indexes[0].descriptor(), &index);
        assert_eq!((&found.manifest.config, &found.manifest.layers), (&image.config, &image.layers));
        assert_eq!(found.config.descriptor(), &image.config);
        assert_eq!(found.config.bytes(), &fixture.0.state().blobs[&image.config.digest].0);
    }

    // What is not what it ought to be is refused, wherever it comes from.
    let others = Bytes::from_static(b"{}");
    fixture.0.state().blobs.get_mut(&image.config.digest).unwrap().0 = others.clone();
    let mut twisted = held;
    twisted.0.insert(image.config.digest.clone(), others);
    let reading = read_image_config(fixture.source(), &matcher(), &index, &wanted).await.unwrap_err();
    let holding = read_image_config(twisted, &matcher(), &index, &wanted).await.unwrap_err();
    for error in [reading, holding] {
        let is_other = |fault: &DocumentFault| matches!(fault, DocumentFault::Mismatch(_));
        assert!(matches!(&error, ImageError::Document { source, .. } if is_other(source)), "{error:?}");
    }
}

#[tokio::test]
async fn documents_in_the_types_of_the_specification() {
    let fixture = Fixture::default();
    let image = fixture.image("a", "amd64", 2);
    let target = fixture.index(&[(&image.manifest, Some("amd64"))]);
    let index = read_index(fixture.source(), &target).await.unwrap().expect("it is an index");
    let entry = index.spec().unwrap().manifests()[0].clone();
    assert_eq!(entry.digest().to_string(), image.manifest.digest.to_string());
    let documents = read_image_config(fixture.source(), &matcher(), &target, &linux("amd64")).await.unwrap();
    assert_eq!(documents.manifest.spec().unwrap().layers().len(), 2);
    let diff_ids: Vec<&str> = image.diff_ids.iter().map(DiffId::as_str).collect();
    assert_eq!(documents.config.spec().unwrap().rootfs().diff_ids(), &diff_ids);

    // A config without a root file system is one all the same.
    let config = fixture.add(MediaType::OCI_CONFIG, r#"{"os": "linux", "architecture": "amd64"}"#);
    let manifest = json!({"schemaVersion": 2, "config": written(&config), "layers": []});
    let manifest = fixture.add(MediaType::OCI_MANIFEST, manifest.to_string());
    let documents =
        read_image_config(fixture.source(), &matcher(), &manifest, &linux("amd64")).await.unwrap();
    let error = documents.config.spec().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the image config does not fit the type that the oci-spec crate has for it"
    );
    assert!(error.source.to_string().starts_with("missing field `rootfs`"), "{error:?}");
}
