//! Which platforms of an image are pulled, and which one is unpacked.

use std::collections::BTreeMap;

use dray_tests::command::{Dray, Run, digest_filter, filters};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Compression, Entry, Flavour, Image, Index, Layer};
use dray_tests::moment::wait_until;
use dray_tests::scripted_registry::{Rule, ScriptedRegistry};
use dray_tests::state::State;
use dray_tests::{on_each_generation, require};
use serde_json::{Value, json};

const NAMESPACE: &str = "default";

fn layer(name: &str) -> Layer {
    Layer::builder().entry(Entry::file(name, vec![b'x'; 5000])).build(Compression::Gzip)
}

/// An image of two layers. All platforms share the first.
fn image(platform: &str) -> Image {
    Image::builder(platform).layer(layer("shared")).layer(layer(platform)).build()
}

/// An attestation as builders add it: a manifest of platform `unknown` whose layer is a statement.
fn attestation() -> Image {
    Image::builder("unknown/unknown")
        .alter_manifest(|manifest| {
            manifest["layers"] = json!([]);
        })
        .build()
}

/// amd64, arm64, s390x and an attestation, in this order.
fn index() -> Index {
    let images = vec![image("linux/amd64"), image("linux/arm64"), image("linux/s390x"), attestation()];
    Index::altered(Flavour::Oci, images, |index| {
        let annotations = json!({"vnd.docker.reference.type": "attestation-manifest"});
        index["manifests"][3]["annotations"] = annotations;
    })
}

fn platforms(report: &Value) -> Vec<String> {
    let more = report["more"].as_array().cloned().unwrap_or_default();
    let images = std::iter::once(report).chain(&more);
    images.map(|image| image["platform"]["architecture"].as_str().unwrap_or_default().to_owned()).collect()
}

struct Scene {
    daemon: Containerd,
    dray: Dray,
    reference: String,
    registry: DockerRegistry,
}

impl Scene {
    fn on(generation: Generation) -> Option<Self> {
        let registry = require!(DockerRegistry::start(), None);
        let daemon = require!(Containerd::start(generation), None);
        registry.push(&index(), "platforms:1");
        let reference = registry.reference("platforms:1");
        let dray = Dray::with(&daemon, NAMESPACE).knowing(&registry);
        Some(Self { daemon, dray, reference, registry })
    }

    fn pull(&self, options: &[&str]) -> Run {
        let arguments = [&["pull", "--format", "json"], options, &[self.reference.as_str()]].concat();
        self.dray.run(arguments)
    }
}

/// Blobs with their labels, without the labels that unpacking adds.
fn content(state: &State) -> BTreeMap<String, Vec<String>> {
    let from_unpacking =
        |key: &str| key == "containerd.io/uncompressed" || key.starts_with("containerd.io/gc.ref.snapshot.");
    let labels = |(digest, blob): (&String, &dray_tests::state::Blob)| {
        let labels = blob.labels.iter().filter(|(key, _)| !from_unpacking(key));
        (digest.clone(), labels.map(|(key, value)| format!("{key}={value}")).collect())
    };
    state.content.iter().map(labels).collect()
}

fn all_platforms_are_fetched_as_ctr_does(generation: Generation) {
    let Some(scene) = Scene::on(generation) else { return };
    let report = scene.pull(&["--all-platforms", "--attestations"]).success().json();
    assert_eq!(platforms(&report), ["amd64", "arm64", "s390x", "unknown"]);
    assert_eq!(report["snapshotter"], Value::Null);
    let ours = State::of(&scene.daemon, NAMESPACE);
    assert!(ours.is_at_rest() && ours.snapshots.is_empty(), "{ours}");

    let theirs = require!(Containerd::start(generation));
    let mut arguments = vec!["images", "pull", "--plain-http", "--all-platforms"];
    if generation == Generation::V2 {
        arguments.push("--local");
    }
    arguments.push(&scene.reference);
    // `ctr` fetches everything, and then fails to unpack the attestation.
    let _ = theirs.ctr(NAMESPACE, &arguments);
    let theirs = State::of(&theirs, NAMESPACE);
    assert_eq!(content(&ours), content(&theirs), "{generation}");
}

on_each_generation!(all_platforms_are_fetched_as_ctr_does);

#[test]
fn attestations_are_skipped_unless_they_are_wanted() {
    let Some(scene) = Scene::on(Generation::Debian16) else { return };
    let report = scene.pull(&["--all-platforms"]).success().json();
    assert_eq!(platforms(&report), ["amd64", "arm64", "s390x"]);
}

#[test]
fn several_platforms_keep_the_users_order() {
    let Some(scene) = Scene::on(Generation::Debian16) else { return };
    let report =
        scene.pull(&["--platform", "s390x,linux/amd64", "--platform", "linux/x86_64"]).success().json();
    assert_eq!(platforms(&report), ["s390x", "amd64"]);
    assert_eq!(report["totals"]["layers"], 4);
    // The index, two manifests, two configs, and three layers, one of which both images share.
    assert_eq!(report["totals"]["downloaded_blobs"], 8);
    let state = State::of(&scene.daemon, NAMESPACE);
    assert!(state.snapshots.is_empty() && state.images.len() == 1, "{state}");
}

#[test]
fn a_repeated_platform_counts_once_and_is_unpacked() {
    let Some(scene) = Scene::on(Generation::Debian16) else { return };
    let options = ["--platform", "amd64,linux/amd64,linux/x86_64", "--unpack", "true"];
    let report = scene.pull(&options).success().json();
    assert_eq!(report["snapshotter"], "overlayfs");
    assert_eq!(State::of(&scene.daemon, NAMESPACE).snapshots["overlayfs"].len(), 2);
}

#[test]
fn an_image_that_was_only_fetched_is_unpacked_later() {
    let Some(scene) = Scene::on(Generation::Debian16) else { return };
    let options = ["--platform", "linux/arm64", "--unpack=FALSE"];
    let report = scene.pull(&options).success().json();
    assert_eq!(report["layers"][0]["outcome"], "downloaded");
    assert!(State::of(&scene.daemon, NAMESPACE).snapshots.is_empty());
    let report = scene.pull(&options).success().json();
    assert_eq!(report["layers"][0]["outcome"], "stored");
    assert_eq!(report["totals"]["downloaded_bytes"], 0);
    let report = scene.pull(&["--platform", "linux/arm64"]).success().json();
    assert_eq!(report["layers"][0]["outcome"], "applied");
    assert_eq!(report["totals"]["downloaded_bytes"], 0);
}

#[test]
fn a_missing_platform_is_an_error_or_a_warning() {
    let Some(scene) = Scene::on(Generation::Debian16) else { return };
    // One of two is missing: the other is pulled, with a warning.
    let run = scene.pull(&["--platform", "linux/amd64,linux/riscv64"]).success();
    assert_eq!(platforms(&run.json()), ["amd64"]);
    assert!(run.stderr.contains("warning: the image has nothing for linux/riscv64"), "{run}");

    let daemon = require!(Containerd::start(Generation::Debian16));
    let dray = Dray::with(&daemon, NAMESPACE).replace(scene.registry.address(), "[REGISTRY]");
    for platform in ["linux/riscv64", "linux/riscv64,windows/amd64"] {
        let run = dray.run(["pull", "--platform", platform, &scene.reference]).failure(10);
        let state = State::of(&daemon, NAMESPACE);
        assert!(state.images.is_empty() && state.is_at_rest(), "{run}\n{state}");
        let mut filters = filters();
        filters.push(digest_filter());
        insta::with_settings!({ filters => filters }, {
            insta::assert_snapshot!(format!("no_{}", platform.replace(['/', ','], "_")), run.to_string());
        });
    }
}

/// A contradictory command line fails before daemon or registry is asked.
#[test]
fn contradictory_options_are_refused_at_once() {
    let dray = Dray::new().args(["--address", "/nonexistent/containerd.sock"]);
    let run = |options: &[&str]| {
        let arguments = [&["pull"], options, &["registry.invalid/x"]].concat();
        dray.run(arguments).failure(2).stderr
    };
    let several = "error: only one platform can be unpacked, and `--unpack true` is given for";
    let error = run(&["--unpack", "true", "--all-platforms"]);
    assert!(error.starts_with(&format!("{several} any platform")), "{error}");
    let error = run(&["--unpack=1", "--platform", "linux/amd64,linux/arm64"]);
    assert!(error.starts_with(&format!("{several} linux/amd64, linux/arm64")), "{error}");
    for options in [
        &["--all-platforms", "--platform", "amd64"] as &[&str],
        &["--attestations"],
        &["--unpack", "maybe"],
        &["--max-concurrent-downloads", "0"],
        &["--platform", "linux/amd64,"],
    ] {
        run(options);
    }
}

/// Bytes that were downloaded before ctrl-c are not downloaded again.
#[test]
fn the_next_pull_resumes_an_interrupted_one() {
    const SIZE: usize = 3 << 20;
    const SENT: u32 = 2 << 20;
    let daemon = require!(Containerd::start(Generation::Debian16));
    let content: Vec<u8> = (0..SIZE).map(|n| u8::try_from(n * 7 % 251).unwrap_or_default()).collect();
    let layer = Layer::builder().entry(Entry::file("large", content)).build(Compression::None);
    let image = Image::builder("linux/amd64").layer(layer).build();
    let registry = ScriptedRegistry::start();
    registry.add(&image, "slow", "1");
    let blob = format!("/blobs/{}", image.layers[0].digest);
    registry.on(Rule::get(&blob).first(1).stall_after(SENT as usize));

    let dray = Dray::with(&daemon, NAMESPACE);
    let running = dray.spawn(["pull", &registry.image("slow:1")]);
    wait_until("what was sent has been stored", || {
        let ingests = State::of(&daemon, NAMESPACE).ingests;
        ingests.values().any(|ingest| ingest.offset == i64::from(SENT))
    });
    running.interrupt();
    running.wait().failure(130);
    let state = State::of(&daemon, NAMESPACE);
    assert!(state.images.is_empty() && state.leases.is_empty() && state.snapshots.is_empty(), "{state}");

    let report = dray.run(["pull", "--format", "json", &registry.image("slow:1")]).success().json();
    let size = image.layers[0].bytes.len() as u64;
    assert_eq!(report["layers"][0]["downloaded"], size - u64::from(SENT));
    assert_eq!(report["layers"][0]["outcome"], "fetched");
}

/// The number of parallel downloads is the user's, or three by default: never more, never fewer.
#[test]
fn the_number_of_parallel_downloads_is_the_users() {
    for (options, most) in [
        (&[] as &[&str], 3),
        (&["--max-concurrent-downloads", "1"], 1),
        (&["--max-concurrent-downloads", "5"], 5),
    ] {
        let daemon = require!(Containerd::start(Generation::Debian16));
        let registry = ScriptedRegistry::start();
        let image = (0..8).fold(Image::builder("linux/amd64"), |image, number| {
            image.layer(layer(&format!("file{number}")))
        });
        let image = image.build();
        registry.add(&image, "many", "1");
        for layer in &image.layers {
            // Time for one more request to arrive.
            let delay = std::time::Duration::from_millis(100);
            registry.on(Rule::get(&layer.digest).held_until_at_once(most).delay(delay));
        }
        let dray = Dray::with(&daemon, NAMESPACE);
        dray.run([&["pull"], options, &[&registry.image("many:1")]].concat()).success();
        assert_eq!(registry.most_blobs_at_once(), most, "{options:?}");
    }
}
