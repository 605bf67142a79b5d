//! Pulls of content that containerd has already, in this namespace or another: which facts dray checks, and what it
//! downloads.

use std::time::{Duration, Instant};

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Flavour, Image, ImageBuilder, Index, Layer};
use dray_tests::scripted_registry::{Rule, ScriptedRegistry};
use dray_tests::state::State;
use dray_tests::{on_each_generation, require};
use serde_json::json;

const NAMESPACE: &str = "default";

on_each_generation! {
    a_second_namespace_downloads_nothing,
    a_wrong_size_is_refused_for_stored_blobs_too,
}

fn image() -> ImageBuilder {
    let layer =
        |name: &str| Layer::builder().entry(Entry::file(name, vec![b'x'; 5000])).build(Compression::Gzip);
    Image::builder("linux/amd64").layer(layer("one")).layer(layer("two")).layer(layer("three"))
}

/// All bytes are in containerd, so only the name is resolved.
fn a_second_namespace_downloads_nothing(generation: Generation) {
    let daemon = require!(Containerd::start(generation));
    let registry = ScriptedRegistry::start();
    registry.add(&Index::new(Flavour::Oci, vec![image().build()]), "stored", "1");
    let name = registry.image("stored:1");
    let pull = |namespace: &str, options: &[&str]| {
        let arguments = [&["pull", "--format=json"], options, &[&name]].concat();
        Dray::with(&daemon, namespace).run(arguments).success().json()
    };
    let first = pull(NAMESPACE, &[]);
    assert_eq!(first["totals"]["downloaded_blobs"], 6);
    let asked = registry.requests().len();
    for (namespace, options, outcome) in
        [("other", &[] as &[&str], "applied"), ("third", &["--unpack=false"], "stored")]
    {
        let report = pull(namespace, options);
        for layer in report["layers"].as_array().expect("a report has layers") {
            assert_eq!((&layer["outcome"], &layer["downloaded"]), (&json!(outcome), &json!(0)), "{layer}");
        }
        let totals = &report["totals"];
        assert_eq!((&totals["downloaded_blobs"], &totals["downloaded_bytes"]), (&json!(0), &json!(0)));
        assert!(State::of(&daemon, namespace).is_at_rest());
    }
    let asked: Vec<_> = registry.requests().into_iter().skip(asked).collect();
    assert!(asked.iter().all(|request| request.method == "HEAD"), "{asked:?}");
    assert_eq!(asked.len(), 2, "the name, once in each namespace");
    assert_eq!(
        State::of(&daemon, NAMESPACE),
        State::of(&daemon, "other"),
        "the same blobs with the same labels"
    );
}

/// A fresh store refuses it. So dray also refuses it if another image has brought the blob.
fn a_wrong_size_is_refused_for_stored_blobs_too(generation: Generation) {
    let daemon = require!(Containerd::start(generation));
    let registry = ScriptedRegistry::start();
    registry.add(&image().build(), "stored", "1");
    let more = |value: &serde_json::Value| json!(value.as_u64().expect("a size is a number") + 7);
    let config = image().alter_manifest(move |manifest| {
        manifest["config"]["size"] = more(&manifest["config"]["size"]);
    });
    registry.add(&config.build(), "stored", "config");
    let layers = image().alter_manifest(|manifest| manifest["layers"][1]["size"] = json!(i64::MAX));
    registry.add(&layers.build(), "stored", "layer");

    let name = |tag: &str| registry.image(&format!("stored:{tag}"));
    let pull = |namespace: &str, tag: &str| {
        Dray::with(&daemon, namespace).run(["pull", "--unpack=false", &name(tag)])
    };
    pull("fresh", "config").failure(7);
    pull(NAMESPACE, "1").success();
    let run = pull(NAMESPACE, "config").failure(7);
    assert!(run.stderr.contains("error: image config sha256:"), "{run}");
    assert!(run.stderr.contains("hint: the image states a wrong size for it"), "{run}");
    let run = pull(NAMESPACE, "layer").failure(7);
    assert!(run.stderr.contains("has 9223372036854775807 bytes, but it has "), "{run}");
    let state = State::of(&daemon, NAMESPACE);
    assert_eq!(state.images.keys().collect::<Vec<_>>(), [&name("1")]);
    assert!(state.is_at_rest());
}

#[test]
fn a_pull_waits_for_the_manifest_of_another_client() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let image = image().build();
    registry.add(&image, "stored", "1");
    let name = registry.image("stored:1");
    let manifest = &image.manifest.digest;
    registry.on(Rule::get(manifest).nth(1).stall_after(0));
    let dray = Dray::with(&daemon, NAMESPACE);
    let first = dray.spawn(["pull", &name]);
    let since = Instant::now();
    while registry.requests_to("GET", manifest).is_empty() {
        assert!(since.elapsed() < Duration::from_mins(1), "no request for the manifest");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = dray.spawn(["pull", &name]);
    std::thread::sleep(Duration::from_secs(1));
    first.interrupt();
    first.wait().failure(130);
    let run = second.wait().success();
    let short = &manifest["sha256:".len()..][..12];
    let line = format!("image manifest {short}: waiting for another client\n");
    assert_eq!(run.stderr.matches(&line).count(), 1, "{run}");
}
