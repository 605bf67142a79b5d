//! Images whose annotations want the daemon to serve another layer than the manifest lists.

use std::fs;

use dray_tests::daemon::Generation;
use dray_tests::image::samples::of;
use dray_tests::image::soci::{self, Indexed};
use dray_tests::image::{Bundle, Entry, Image, Layer, baited, estargz, nydus, overlaybd};
use dray_tests::require;
use dray_tests::snapshotter::Kind;

use crate::{Scene, assert_file, word};

fn who(answer: &str) -> Vec<Entry> {
    vec![Entry::file("who", answer)]
}

/// The layers of `image`, annotated to be those of `bait`, which is in repository `elsewhere`.
fn annotated(scene: &Scene, layers: Vec<Layer>, bait: &Image) -> Vec<Layer> {
    let elsewhere = scene.reference("elsewhere");
    let layers = layers.into_iter().enumerate();
    layers.map(|(number, layer)| baited(layer, bait, number, &elsewhere)).collect()
}

fn with_index(layer: &Indexed, annotated: impl FnOnce(Layer) -> Layer) -> (Image, Bundle) {
    soci::v2(&[layer], |index| {
        let image = Image::builder("linux/amd64").alter_manifest(soci::naming(index));
        image.layer(annotated(layer.layer.clone())).build()
    })
}

#[test]
fn a_container_sees_the_layer_that_the_manifest_lists() {
    let scene = require!(Scene::start(Generation::V17, &Kind::ALL));

    let bait = of([estargz::layer(&who("bait"))]);
    scene.add("elsewhere", &bait);
    let image = of(annotated(&scene, vec![estargz::layer(&who("listed"))], &bait));
    scene.add("stargz", &image);
    // The digest of the table of contents is that of the bait, so the daemon does not serve the layer.
    assert_eq!(word(&scene.report("stargz", &["--snapshotter", "stargz"])), "f");
    assert_file(&scene.tree("stargz", "stargz", &image), "who", "listed");

    let (bait, bundle) = with_index(&Indexed::new(&who("soci bait")), |layer| layer);
    scene.add("elsewhere", &bundle);
    let (image, bundle) = with_index(&Indexed::new(&who("soci listed")), |layer| {
        baited(layer, &bait, 0, &scene.reference("elsewhere"))
    });
    scene.add("soci", &bundle);
    assert_eq!(word(&scene.report("soci", &["--snapshotter", "soci"])), "L");
    assert_file(&scene.tree("soci", "soci", &image), "who", "soci listed");

    let bait = of(require!(nydus::layers(&[who("nydus bait")])));
    scene.add("elsewhere", &bait);
    let image = of(annotated(&scene, require!(nydus::layers(&[who("nydus listed")])), &bait));
    scene.add("nydus", &image);
    assert_eq!(word(&scene.report("nydus", &["--snapshotter", "nydus"])), "Lf");
    assert_file(&scene.tree("nydus", "nydus", &image), "who", "nydus listed");

    let bait = of([overlaybd::native(1)]);
    scene.add("elsewhere", &bait);
    let image = of(annotated(&scene, vec![overlaybd::native(2)], &bait));
    scene.add("overlaybd", &image);
    assert_eq!(word(&scene.report("overlaybd", &["--snapshotter", "overlaybd"])), "L");
    // What the device would be made of.
    let snapshots = scene.node.snapshotter(Kind::Overlaybd).root().join("snapshots");
    let snapshots = fs::read_dir(snapshots).expect("it is a directory");
    let configs = snapshots.filter_map(|snapshot| {
        let config = snapshot.expect("it can be read").path().join("block/config.v1.json");
        fs::read_to_string(config).ok()
    });
    let configs: Vec<_> = configs.collect();
    let [config] = configs.as_slice() else { panic!("{configs:?}") };
    assert!(config.contains(&image.layers[0].digest) && !config.contains(&bait.layers[0].digest), "{config}");
    assert!(config.contains("/v2/overlaybd/blobs"), "{config}");
}
