//! After a lazy pull: the image can run, and what push and save need is brought on demand.

use dray_tests::daemon::Generation;
use dray_tests::image::Image;
use dray_tests::image::samples::{estargz, of};
use dray_tests::require;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;
use serde_json::json;

use crate::{Scene, size_of, word};

const STARGZ: [&str; 2] = ["--snapshotter", "stargz"];

fn stored_layers(scene: &Scene, name: &str, image: &Image) -> usize {
    let stored = State::of(&scene.node.containerd, name).content;
    image.layers.iter().filter(|layer| stored.contains_key(&layer.digest)).count()
}

#[test]
fn the_blobs_of_lazy_layers_are_fetched_on_demand() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    let image = of((0..3).map(|number| estargz("later", number)));
    scene.add("later", &image);
    let reference = scene.reference("later");
    assert_eq!(word(&scene.report("later", &STARGZ)), "LLL");
    assert_eq!(stored_layers(&scene, "later", &image), 0);
    let run = |words: &[&str]| scene.dray.run([&["-n", "later"], words].concat());
    let check = ["--snapshotter", "stargz", "image", "check", "--format", "json", &reference];
    let checked = run(&check).success().json();
    assert_eq!((&checked["complete"], &checked["unpacked"]), (&json!(true), &json!(true)), "{checked:#}");

    let fetched = run(&["image", "fetch", "--format", "json", &reference]).success().json();
    assert_eq!(fetched["outcome"], "fetched");
    assert_eq!(fetched["totals"]["downloaded_bytes"], size_of(&image, 0..3));
    assert_eq!(stored_layers(&scene, "later", &image), 3);
    // The collector keeps them, and the image stays lazy.
    scene.node.containerd.collect_garbage();
    assert_eq!(stored_layers(&scene, "later", &image), 3);
    assert_eq!(word(&scene.report("later", &STARGZ)), "eee");
    let saved = scene.dray.directory().join("saved.tar").display().to_string();
    scene.node.containerd.ctr_ok("later", &["images", "export", &saved, &reference]);
}

#[test]
fn a_pull_can_keep_the_blobs() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    let image = of((0..3).map(|number| estargz("kept", number)));
    scene.add("kept", &image);
    let report = scene.report("kept", &[&STARGZ[..], &["--keep-blobs"]].concat());
    assert_eq!(word(&report), "LLL");
    assert_eq!((&report["totals"]["lazy_layers"], &report["totals"]["spared_bytes"]), (&json!(3), &json!(0)));
    assert_eq!(stored_layers(&scene, "kept", &image), 3);
    scene.node.containerd.collect_garbage();
    assert_eq!(stored_layers(&scene, "kept", &image), 3);
}
