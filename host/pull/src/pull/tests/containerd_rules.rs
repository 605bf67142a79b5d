//! Rules of containerd's own client, which others rely on who share the store, and what an image's author must not
//! be able to do about them.

use serde_json::{Value, json};

use super::*;
use dray_ports::{BlobFacts, Labels, Target};

/// The documents of the image of a [`Fixture`], from the bottom up.
pub(super) struct Draft {
    pub(super) config: Value,
    pub(super) manifest: Value,
    /// How many bytes too many the manifest states for the config.
    pub(super) excess_of_config: u64,
    /// What the index says about the manifest.
    pub(super) entry: Value,
}

/// A fixture whose image has other documents. Digests and sizes are put right.
pub(super) fn altered(alter: impl FnOnce(&mut Draft)) -> Fixture {
    let mut fixture = Fixture::new();
    let read = |digest: &Digest| -> Value {
        serde_json::from_slice(&fixture.registry.blobs.lock().unwrap()[digest]).unwrap()
    };
    let (config, manifest) = (read(&fixture.config), read(&fixture.manifest));
    let entry = json!({
        "mediaType": MediaType::OCI_MANIFEST, "platform": {"os": "linux", "architecture": "amd64"},
    });
    let mut draft = Draft { config, manifest, excess_of_config: 0, entry };
    alter(&mut draft);
    let Draft { config, mut manifest, excess_of_config, mut entry } = draft;
    fixture.config = offer(&fixture, &config, &mut manifest["config"]);
    if let Some(size) = manifest["config"]["size"].as_u64() {
        manifest["config"]["size"] = json!(size + excess_of_config);
    }
    fixture.manifest = offer(&fixture, &manifest, &mut entry);
    fixture.replace_entries(&[entry], None);
    fixture
}

/// Puts a document into the registry, and its digest and size into the descriptor of it.
pub(super) fn offer(fixture: &Fixture, document: &Value, descriptor: &mut Value) -> Digest {
    let bytes = document.to_string().into_bytes();
    let digest = digest_of(Algorithm::Sha256, &bytes);
    descriptor["digest"] = json!(digest);
    descriptor["size"] = json!(bytes.len());
    fixture.registry.blobs.lock().unwrap().insert(digest.clone(), bytes.into());
    digest
}

/// The layers that the snapshotter was asked for, with the labels.
fn asked(fixture: &Fixture) -> Vec<Target> {
    fixture.store.state().questions.iter().flatten().cloned().collect()
}

fn without_labels(chains: &[ChainId]) -> Vec<Target> {
    chains.iter().map(|chain| Target { chain_id: chain.clone(), labels: Labels::new() }).collect()
}

#[tokio::test]
async fn the_lease_comes_first_and_the_record_last() {
    let fixture = Fixture::new();
    fixture.pull().await.unwrap();
    let calls = fixture.store.state().calls.clone();
    let lease = calls.iter().position(|call| *call == "create lease").unwrap();
    assert!(calls[..lease].iter().all(|call| call.contains("snapshotter")), "questions only: {calls:?}");
    assert_eq!(calls[calls.len() - 2..], ["put image", "release lease"]);
}

/// In the other order, a collection in between would take what a document lists.
#[tokio::test]
async fn documents_are_stored_with_what_they_list_before_it() {
    let fixture = Fixture::new();
    let report = fixture.pull().await.unwrap();
    let stored = &fixture.store.state().stored;
    let listed = |facts: &BlobFacts| -> Vec<String> {
        facts.children.iter().map(|child| child.digest.to_string()).collect()
    };
    let first: Vec<_> = stored.iter().take(3).map(|(digest, facts)| (digest, listed(facts))).collect();
    let texts = |digests: &[&Digest]| digests.iter().map(ToString::to_string).collect::<Vec<_>>();
    // Also what is not fetched.
    let of_index = texts(&[&digest_of(Algorithm::Sha256, b"absent"), &fixture.manifest]);
    let of_manifest = texts(&std::iter::once(&fixture.config).chain(&fixture.layers).collect::<Vec<_>>());
    assert_eq!(
        first,
        [(&report.target, of_index), (&fixture.manifest, of_manifest), (&fixture.config, Vec::new())]
    );
    assert!(stored.iter().all(|(_, facts)| facts.source.is_some()), "{stored:?}");
}

#[tokio::test]
async fn names_of_snapshots() {
    let fixture = Fixture::new();
    fixture.pull().await.unwrap();
    let (chains, bottom) = (&fixture.chains, diff_id_of(&[1; 40]));
    assert_eq!(chains[0].as_str(), bottom.as_str(), "the name of the lowest layer is its diff id");
    assert_eq!(fixture.store.state().committed[chains[0].as_str()].0, None, "it has no parent");
}

/// A question puts a layer under the lease, finding it does not.
#[tokio::test]
async fn layers_that_are_there_are_asked_for() {
    let fixture = Fixture::new();
    fixture.pull().await.unwrap();
    fixture.store.state().questions.clear();
    fixture.pull().await.unwrap();
    assert_eq!(asked(&fixture), without_labels(&fixture.chains));
}

/// Blobs that another client brought keep what is known of them, and get what a pull knows.
#[tokio::test]
async fn what_is_known_of_blobs_that_are_there_is_added_to() {
    let other = BTreeSet::from(["registry.example/kept".to_owned()]);
    let fresh = Fixture::new();
    fresh.pull().await.unwrap();
    let fixture = Fixture::new();
    for (digest, bytes) in fixture.registry.blobs.lock().unwrap().iter() {
        let blob = (bytes.clone(), Facts { sources: other.clone(), ..Facts::default() });
        fixture.store.state().blobs.insert(digest.clone(), blob);
    }
    let report = fixture.pull().await.unwrap();
    assert_eq!(report.totals.downloaded_blobs, 0);
    for (digest, (_, facts)) in &fixture.store.state().blobs {
        let mut expected = fresh.store.state().blobs[digest].1.clone();
        expected.sources.extend(other.clone());
        assert_eq!(*facts, expected, "{digest}");
    }
}

/// Also of a layer above that turns out to be there: saving or pushing the image then finds a whole upper part.
#[tokio::test]
async fn from_the_lowest_missing_layer_up_everything_is_fetched() {
    let fixture = Fixture::new();
    fixture.pull().await.unwrap();
    {
        let mut state = fixture.store.state();
        state.blobs.retain(|digest, _| !fixture.layers.contains(digest));
        state.committed.retain(|chain, _| chain == fixture.chains[0].as_str());
        state.provides.insert(fixture.chains[2].to_string());
    }
    let report = fixture.pull().await.unwrap();
    let outcomes: Vec<_> =
        report.image.layers.iter().map(|layer| (layer.outcome, layer.downloaded)).collect();
    assert_eq!(
        outcomes,
        [(LayerOutcome::Existed, 0), (LayerOutcome::Fetched, 40), (LayerOutcome::Existed, 40)]
    );
}

/// Applying into it would fail.
#[tokio::test]
async fn a_layer_that_is_in_place_is_committed_only() {
    let fixture = Fixture::new();
    fixture.store.state().staged.extend(fixture.chains.iter().map(ToString::to_string));
    let report = fixture.pull().await.unwrap();
    fixture.assert_clean();
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Provided));
    let state = fixture.store.state();
    assert!(!state.calls.contains(&"apply"));
    assert!(fixture.layers.iter().all(|layer| !state.blobs.contains_key(layer)));
    assert_eq!(state.committed.len(), 3);
}

#[tokio::test]
async fn what_is_no_layer_is_fetched_and_not_unpacked() {
    let mut note = json!({"mediaType": "application/spdx+json"});
    let fixture = altered(|draft| {
        let layers = draft.manifest["layers"].as_array_mut().unwrap();
        // It is in the registry of every fixture, as a layer.
        note["digest"] = layers[0]["digest"].clone();
        note["size"] = layers[0]["size"].clone();
        layers.remove(0);
        layers.insert(1, note.clone());
        draft.config["rootfs"]["diff_ids"].as_array_mut().unwrap().remove(0);
    });
    let report = fixture.pull().await.unwrap();
    assert_eq!(report.image.layers.len(), 2);
    let state = fixture.store.state();
    assert_eq!(state.committed.len(), 2);
    assert!(state.blobs.contains_key(&fixture.layers[0]));
    assert_eq!(report.totals.downloaded_blobs, state.blobs.len());
}

#[tokio::test]
async fn annotations_of_a_layer_are_no_labels_of_its_snapshot() {
    let fixture = altered(|draft| {
        draft.manifest["layers"][0]["annotations"] = json!({
            "containerd.io/snapshot.ref": "sha256:of another layer",
            "containerd.io/snapshot/uidmapping": "0:100000:65536",
            "containerd.io/snapshot/long": "x".repeat(5000),
        });
    });
    fixture.pull().await.unwrap();
    assert_eq!(asked(&fixture), without_labels(&fixture.chains));
    assert!(fixture.store.state().committed.values().all(|(_, labels)| labels.is_empty()));
}

/// An entry that says nothing is what its config says, to the variant.
#[tokio::test]
async fn the_variant_of_a_config_counts() {
    for (variant, fits) in [("v7", true), ("v6", false)] {
        let fixture = altered(|draft| {
            draft.config["architecture"] = json!("arm");
            draft.config["variant"] = json!(variant);
            draft.entry.as_object_mut().unwrap().remove("platform");
        });
        let request = fetch_request(Platforms::One(Platform::new("linux", "arm", "v7")));
        let pulled = pull_image(&fixture.world(), &request, &CancellationToken::new()).await;
        match pulled {
            Ok(_) => assert!(fits, "{variant}"),
            Err(PullError::NoPlatform { .. }) if !fits => fixture.assert_nothing(),
            Err(error) => panic!("{variant}: {error:?}"),
        }
    }
}
