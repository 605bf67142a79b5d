//! The labels that reach a daemon, recorded by a service in front of it.

use std::sync::OnceLock;

use dray_tests::daemon::Generation;
use dray_tests::image::samples::{estargz, of};
use dray_tests::image::{Compression, Entry, Layer, baited, estargz};
use dray_tests::node::Node;
use dray_tests::puller::{self, Labels};
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::snapshot_service::SnapshotService;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;
use dray_tests::tools::Missing;
use dray_tests::{on_each_generation, require};

use crate::Scene;

/// A node whose snapshotter `recorded` is stargz behind a recording service.
fn recorded(generation: Generation, registry: &ScriptedRegistry) -> Result<(Node, SnapshotService), Missing> {
    let service = OnceLock::new();
    let node = Node::start_with(generation, &[Kind::Stargz], &[&registry.address()], |daemons| {
        let service = service.get_or_init(|| SnapshotService::in_front_of(daemons[0].socket()));
        vec![service.plugin("recorded")]
    })?;
    Ok((node, service.into_inner().expect("it was started")))
}

on_each_generation!(the_labels_of_the_client_reach_the_daemon);

/// containerd passes on all labels for snapshotters, and adds none.
fn the_labels_of_the_client_reach_the_daemon(generation: Generation) {
    let registry = ScriptedRegistry::start();
    let (node, service) = require!(recorded(generation, &registry));
    let image = of([estargz("r", 0), estargz("r", 1)]);
    registry.add(&image, "recorded", "1");
    let reference = registry.image("recorded:1");
    let answers = puller::pull(&node.containerd, "recorded", "recorded", &image, &reference);
    assert_eq!(puller::word(&answers), "PP");

    let asked = service.asked();
    let chain = image.chain_ids();
    assert_eq!(asked.len(), 2);
    for (number, ask) in asked.iter().enumerate() {
        let labels: Labels = ask.labels.clone().into_iter().collect();
        assert_eq!(labels, puller::labels(&image, &reference, number));
        assert_eq!((ask.number, &ask.chain), (number + 1, &chain[number]));
        assert!(
            ask.key.starts_with("recorded/") && ask.key.ends_with(&format!(" {}", chain[number])),
            "{ask:?}"
        );
    }
    // A snapshot that the daemon committed has its chain id as name, without a namespace.
    assert_eq!((asked[0].parent.as_str(), &asked[1].parent), ("", &chain[0]));
    assert_eq!(asked[0].labels["containerd.io/snapshot/cri.image-layers"].matches("sha256:").count(), 2);
}

#[test]
fn ctr_pulls_lazily_through_containerd_2() {
    let registry = ScriptedRegistry::start();
    let (node, service) = require!(recorded(Generation::V2, &registry));
    let image = of([estargz("t", 0), estargz("t", 1)]);
    registry.add(&image, "transfer", "1");
    let reference = registry.image("transfer:1");
    node.containerd
        .ctr_ok("ctr", &["images", "pull", "--plain-http", "--snapshotter", "recorded", &reference]);

    let state = State::of(&node.containerd, "ctr");
    assert_eq!(state.content.len(), 2, "only manifest and config: {state}");
    let asked = service.asked();
    assert_eq!(asked.len(), 2);
    let keys: Vec<_> = asked[1].labels.keys().map(String::as_str).collect();
    let expected = [
        "containerd.io/snapshot.ref",
        "containerd.io/snapshot/cri.image-layers",
        "containerd.io/snapshot/cri.image-ref",
        "containerd.io/snapshot/cri.layer-digest",
        "containerd.io/snapshot/cri.manifest-digest",
        "containerd.io/snapshot/diff-id",
        "containerd.io/snapshot/parent-chain-id",
        "containerd.io/snapshot/stargz/toc.digest",
    ];
    assert_eq!(keys, expected);
}

/// The annotations of the layer name a layer of another repository.
#[test]
fn annotations_that_override_the_client_redirect_the_daemon() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    let file = |content: &str| estargz::layer(&[Entry::file("who", content)]);
    let bait = of([file("bait")]);
    scene.registry.add(&bait, "elsewhere", "1");
    let image = of([baited(file("listed"), &bait, 0, &scene.registry.image("elsewhere:1"))]);
    scene.registry.add(&image, "baited", "1");
    let daemon = &scene.node.containerd;

    let trusting = puller::pull_asking(daemon, "trusting", "stargz", &image, |layer| {
        let mut labels = puller::labels(&image, &scene.registry.image("baited:1"), layer);
        labels.extend(puller::annotations(&image, layer));
        labels
    });
    assert_eq!(puller::word(&trusting), "P");
    scene.assert_file(Kind::Stargz, "trusting", &image, "who", "bait");

    // On a new node, because this daemon now has the chain id.
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    assert_eq!(scene.answers(Kind::Stargz, "careful", &image), "m");
    scene.assert_file(Kind::Stargz, "careful", &image, "who", "listed");
}

#[test]
fn the_list_of_layers_fits_into_a_label() {
    let layers = (0..60).map(|number| {
        Layer::builder().entry(Entry::file(&format!("f{number}"), "")).build(Compression::None)
    });
    let image = of(layers);
    for layer in [0, 4, 5, 59] {
        let labels = puller::labels(&image, "registry.example.com/many:1", layer);
        let key = "containerd.io/snapshot/cri.image-layers";
        assert!(key.len() + labels[key].len() <= 4096);
        assert_eq!(labels[key].matches("sha256:").count(), (60 - layer).min(56));
    }
}
