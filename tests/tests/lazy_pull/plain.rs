//! An ordinary image on a host whose only snapshotter is lazy.

use dray_tests::daemon::Generation;
use dray_tests::image::samples::of;
use dray_tests::image::{Compression, Entry, Layer};
use dray_tests::require;
use dray_tests::snapshotter::Kind;

use crate::{Scene, word};

/// With the labels of a lazy layer, stargz sends three requests for each plain layer and each layer below it: 5460.
#[test]
fn plain_layers_cost_the_daemon_no_request() {
    const LAYERS: usize = 60;
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    let layer = |number: usize| {
        let file = Entry::file(&format!("file{number}"), format!("{number}"));
        Layer::builder().entry(file).build(Compression::Gzip)
    };
    scene.add("plain", &of((0..LAYERS).map(layer)));
    let report = scene.report("plain", &["--snapshotter", "stargz"]);
    assert_eq!(word(&report), "f".repeat(LAYERS));
    let is_of_dray = |agent: Option<&str>| agent.is_some_and(|agent| agent.starts_with("dray/"));
    let mut others = scene.registry.requests();
    others.retain(|request| !is_of_dray(request.header("user-agent")));
    assert!(others.is_empty(), "{others:#?}");
}
