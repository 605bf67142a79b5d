//! Faults in a pull with a real containerd: a registry that sends wrong content, a wrong image, ctrl-c, and a daemon
//! that dies. Each ends in a clear error and leaves no image record, no lease, no active snapshot and no ingest. The
//! exception: the beginning of a blob whose download broke off stays, unlocked, and the next pull resumes it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dray_tests::command::{Dray, Run, digest_filter, filters};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Content, Entry, Flavour, Image, Layer};
use dray_tests::moment::wait_until;
use dray_tests::scripted_registry::{Auth, BearerAuth, Rule, ScriptedRegistry};
use dray_tests::state::State;
use dray_tests::{on_each_generation, require};

const NAMESPACE: &str = "default";

fn layer(seed: u8, bytes: usize) -> Layer {
    // Not compressed, so that byte counts in rules are those of the file.
    let content: Vec<u8> = (0..bytes).map(|n| seed ^ u8::try_from(n % 251).unwrap_or_default()).collect();
    Layer::builder().entry(Entry::file(&format!("file{seed}"), content)).build(Compression::None)
}

fn image() -> Image {
    Image::builder("linux/amd64").layer(layer(1, 3000)).layer(layer(2, 300_000)).layer(layer(3, 3000)).build()
}

/// A containerd and a registry with one image.
struct Scene {
    daemon: Containerd,
    registry: ScriptedRegistry,
    reference: String,
    dray: Dray,
}

impl Scene {
    fn with(image: &dyn Content) -> Option<Self> {
        Self::on(Generation::Debian16, image)
    }

    fn on(generation: Generation, image: &dyn Content) -> Option<Self> {
        let daemon = require!(Containerd::start(generation), None);
        let registry = ScriptedRegistry::start();
        registry.add(image, "faults", "1");
        let reference = registry.image("faults:1");
        let dray = Dray::with(&daemon, NAMESPACE).replace(&registry.address(), "[REGISTRY]");
        Some(Self { daemon, registry, reference, dray })
    }

    fn pull(&self) -> Run {
        self.dray.run(["pull", &self.reference])
    }

    /// A correct registry with an image, and the reference there.
    fn elsewhere(image: &Image) -> (ScriptedRegistry, String) {
        let registry = ScriptedRegistry::start();
        registry.add(image, "faults", "1");
        let reference = registry.image("faults:1");
        (registry, reference)
    }

    #[track_caller]
    fn assert_nothing_left(&self, run: &Run) {
        let state = State::of(&self.daemon, NAMESPACE);
        assert!(state.images.is_empty() && state.is_at_rest(), "{run}\n{state}");
    }

    /// Checks that the pull fails with this exit code and leaves nothing. Returns its output without the parts that
    /// vary.
    #[track_caller]
    fn fails(&self, code: i32) -> Run {
        let run = self.pull().failure(code);
        assert!(run.stdout.is_empty(), "{run}");
        self.assert_nothing_left(&run);
        run
    }
}

/// The answer to HEAD may be wrong by the first GET, or from the start: dray resolves the name once more.
#[test]
fn a_target_that_differs_from_head_is_resolved_again() {
    let gone = format!("sha256:{}", "0".repeat(64));
    for rule in [
        Rule::head("/manifests/1").header("docker-content-digest", gone),
        Rule::head("/manifests/1").header("content-length", "10"),
        Rule::head("/manifests/1").header("content-length", "100000"),
    ] {
        let Some(scene) = Scene::with(&image()) else { return };
        scene.registry.on(rule);
        let run = scene.pull().success();
        let state = State::of(&scene.daemon, NAMESPACE);
        assert!(state.images.len() == 1 && state.is_at_rest(), "{run}\n{state}");
        assert_eq!(scene.registry.requests_to("HEAD", "/manifests/1").len(), 1, "{run}");
        assert_eq!(scene.registry.requests_to("GET", "/manifests/1").len(), 1, "{run}");
    }
}

/// Compares a run with the snapshot of that name. All generations share it.
#[track_caller]
fn assert_failure(name: &str, run: &Run) {
    let mut filters = filters();
    filters.push(digest_filter());
    filters.push((r"(?m)^(resolved|layer|warning).*\n", ""));
    insta::with_settings!({ filters => filters, omit_expression => true }, {
        insta::assert_snapshot!(name, run.to_string());
    });
}

on_each_generation!(
    wrong_bytes_of_a_layer_fail_the_pull,
    a_blob_that_breaks_off_is_resumed_by_the_next_pull,
    a_layer_with_another_diff_id_fails_the_pull,
    more_layers_than_diff_ids_fail_the_pull,
    fewer_layers_than_diff_ids_fail_the_pull,
    ctrl_c_in_mid_pull_keeps_only_downloaded_bytes,
    a_daemon_that_dies_in_mid_pull_leaves_a_resumable_ingest,
);

fn wrong_bytes_of_a_layer_fail_the_pull(generation: Generation) {
    let image = image();
    let Some(scene) = Scene::on(generation, &image) else { return };
    scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).wrong_bytes());
    assert_failure("wrong_bytes_of_a_layer", &scene.fails(CORRUPT));
}

#[test]
fn wrong_bytes_of_the_manifest_fail_the_pull() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.on(Rule::get(&format!("/manifests/{}", image.manifest.digest)).wrong_bytes());
    assert_failure("wrong_bytes_of_the_manifest", &scene.fails(CORRUPT));
}

#[test]
fn a_body_that_is_always_short_fails_the_pull() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).short_body(0));
    let run = scene.pull();
    assert!(!run.status.success(), "{run}");
    scene.assert_nothing_left(&run);
    assert_failure("a_body_that_is_always_short", &run);
}

#[test]
fn a_connection_that_is_always_reset_fails_the_pull() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).reset_after(0));
    assert_failure("a_connection_that_is_always_reset", &scene.fails(UNAVAILABLE));
}

/// The download breaks off in mid-blob, at every try. The received bytes stay, and the next pull requests only the
/// rest.
fn a_blob_that_breaks_off_is_resumed_by_the_next_pull(generation: Generation) {
    const SENT: usize = 100_000;
    let image = image();
    let blob = format!("/blobs/{}", image.layers[1].digest);
    for (name, first, then) in [
        ("reset", Rule::get(&blob).nth(1).reset_after(SENT), Rule::get(&blob).reset_after(0)),
        ("short", Rule::get(&blob).nth(1).short_body(SENT), Rule::get(&blob).short_body(0)),
    ] {
        let Some(scene) = Scene::on(generation, &image) else { return };
        // The rule that was added last decides.
        scene.registry.on(then);
        scene.registry.on(first);
        let run = scene.pull().failure(UNAVAILABLE);
        let state = State::of(&scene.daemon, NAMESPACE);
        assert_eq!(state.only_ingest().offset, i64::try_from(SENT).expect("it is small"), "{run}\n{state}");
        let kept = State { ingests: BTreeMap::default(), ..state };
        assert!(kept.images.is_empty() && kept.is_at_rest(), "{run}\n{kept}");
        assert_failure(&format!("a_blob_that_breaks_off_{name}"), &run);

        // A lock on the ingest would make this pull wait.
        let (registry, reference) = Scene::elsewhere(&image);
        scene.dray.run(["pull", &reference]).success();
        let requests = registry.requests_to("GET", &blob);
        let ranges: Vec<_> = requests.iter().map(|request| request.header("range")).collect();
        assert_eq!(ranges, [Some(format!("bytes={SENT}-").as_str())]);
        assert_eq!(requests[0].bytes_sent, (image.layers[1].bytes.len() - SENT) as u64);
        assert!(State::of(&scene.daemon, NAMESPACE).is_at_rest());
    }
}

#[test]
fn a_connection_that_is_reset_now_and_then_does_not_fail_the_pull() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    let blob = format!("/blobs/{}", image.layers[1].digest);
    scene.registry.on(Rule::get(&blob).reset_after(64 * 1024));
    let report = scene.dray.run(["pull", "--format", "json", &scene.reference]).success().json();
    let sent: u64 = scene.registry.requests_to("GET", &blob).iter().map(|request| request.bytes_sent).sum();
    assert_eq!(report["layers"][1]["downloaded"], image.layers[1].bytes.len());
    // Bytes that the kernel had accepted but not delivered before the reset are sent again.
    let size = image.layers[1].bytes.len() as u64;
    assert!(sent >= size && sent < size * 2, "{sent} of {size}");
}

#[test]
fn a_registry_that_always_wants_another_token_fails_the_pull() {
    let Some(scene) = Scene::with(&image()) else { return };
    scene.registry.require(Auth::Bearer(BearerAuth::anonymous().uses(0)));
    assert_failure("a_registry_that_always_wants_another_token", &scene.fails(DENIED));
    assert!(scene.registry.requests().len() < 20, "{}", scene.registry.requests().len());
}

#[test]
fn a_missing_tag_fails_the_pull() {
    let Some(scene) = Scene::with(&image()) else { return };
    let run = scene.dray.run(["pull", &scene.registry.image("faults:2")]).failure(NOT_FOUND);
    scene.assert_nothing_left(&run);
    assert_failure("no_such_tag", &run);
}

#[test]
fn a_manifest_that_is_too_large_fails_the_pull() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    let padding = " ".repeat(5 << 20);
    let large = [image.manifest.bytes.as_ref(), padding.as_bytes()].concat();
    scene.registry.add_manifest("faults", "1", &image.manifest.media_type, large);
    let run = scene.pull();
    assert!(!run.status.success(), "{run}");
    scene.assert_nothing_left(&run);
    assert_failure("a_manifest_that_is_too_large", &run);
}

#[test]
fn a_manifest_that_is_not_json_fails_the_pull() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.add_manifest("faults", "1", &image.manifest.media_type, "<html>moved</html>");
    assert_failure("a_manifest_that_is_not_json", &scene.fails(CORRUPT));
}

fn a_layer_with_another_diff_id_fails_the_pull(generation: Generation) {
    let image = Image::builder("linux/amd64")
        .layer(layer(1, 3000))
        .layer(layer(2, 3000))
        .alter_config(|config| config["rootfs"]["diff_ids"].as_array_mut().expect("a list").swap(0, 1))
        .build();
    let Some(scene) = Scene::on(generation, &image) else { return };
    assert_failure("a_layer_with_another_diff_id", &scene.fails(CORRUPT));
}

fn more_layers_than_diff_ids_fail_the_pull(generation: Generation) {
    let image = Image::builder("linux/amd64")
        .layer(layer(1, 3000))
        .layer(layer(2, 3000))
        .alter_config(|config| drop(config["rootfs"]["diff_ids"].as_array_mut().expect("a list").pop()))
        .build();
    let Some(scene) = Scene::on(generation, &image) else { return };
    assert_failure("more_layers_than_diff_ids", &scene.fails(CORRUPT));
}

fn fewer_layers_than_diff_ids_fail_the_pull(generation: Generation) {
    let more = layer(3, 3000).diff_id();
    let image = Image::builder("linux/amd64")
        .layer(layer(1, 3000))
        .layer(layer(2, 3000))
        .alter_config(move |config| {
            config["rootfs"]["diff_ids"].as_array_mut().expect("a list").push(more.into());
        })
        .build();
    let Some(scene) = Scene::on(generation, &image) else { return };
    assert_failure("fewer_layers_than_diff_ids", &scene.fails(CORRUPT));
}

#[test]
fn an_artifact_fails_the_pull() {
    let chart = Image::builder("linux/amd64")
        .layer(layer(1, 3000))
        .alter_manifest(|manifest| {
            manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
        })
        .build();
    let Some(scene) = Scene::with(&chart) else { return };
    let run = scene.fails(UNSUPPORTED);
    assert!(State::of(&scene.daemon, NAMESPACE).content.is_empty(), "{run}");
    assert_failure("something_that_is_no_image", &run);
}

#[test]
fn a_missing_platform_fails_the_pull() {
    let image = Image::builder("linux/s390x").flavour(Flavour::Docker).layer(layer(1, 3000)).build();
    let index = dray_tests::image::Index::new(Flavour::Docker, vec![image]);
    let Some(scene) = Scene::with(&index) else { return };
    let run = scene.dray.run(["pull", "--platform", "linux/amd64", &scene.reference]).failure(UNSUPPORTED);
    scene.assert_nothing_left(&run);
    assert_failure("no_image_for_the_platform", &run);
}

#[test]
fn an_unknown_snapshotter_fails_the_pull() {
    let Some(scene) = Scene::with(&image()) else { return };
    let run = scene.dray.run(["pull", "--snapshotter", "stargz", &scene.reference]);
    assert!(!run.status.success(), "{run}");
    scene.assert_nothing_left(&run);
    assert!(run.stderr.contains("overlayfs"), "the hint lists what there is: {run}");
    assert!(scene.registry.requests_to("GET", "/blobs/").is_empty());
}

fn ctrl_c_in_mid_pull_keeps_only_downloaded_bytes(generation: Generation) {
    for signal in ["INT", "TERM"] {
        let image = image();
        let Some(scene) = Scene::on(generation, &image) else { return };
        // Some layers are unpacked, one hangs.
        scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).stall_after(100_000));
        let running = scene.dray.spawn(["pull", &scene.reference]);
        wait_until("one layer is unpacked, and another one hangs", || {
            let state = State::of(&scene.daemon, NAMESPACE);
            state.snapshots.values().flatten().any(|(_, snapshot)| snapshot.kind == "active")
                && state.snapshots.values().flatten().any(|(_, snapshot)| snapshot.kind == "committed")
        });
        assert_eq!(State::of(&scene.daemon, NAMESPACE).leases.len(), 1);
        let code = if signal == "INT" {
            running.interrupt();
            130
        } else {
            running.terminate();
            143
        };
        let since = Instant::now();
        let run = running.wait().failure(code);
        assert!(since.elapsed() < Duration::from_secs(10), "{run}");
        // Only the downloaded bytes stay, for the next pull.
        let state = State::of(&scene.daemon, NAMESPACE);
        assert_eq!(state.ingests.len(), 1, "{state}");
        let kept = State { ingests: BTreeMap::default(), ..state };
        assert!(kept.images.is_empty() && kept.is_at_rest(), "{run}\n{kept}");
        // No lock is left: a second pull from a correct registry succeeds at once.
        let (_registry, reference) = Scene::elsewhere(&image);
        scene.dray.run(["pull", &reference]).success();
    }
}

fn a_daemon_that_dies_in_mid_pull_leaves_a_resumable_ingest(generation: Generation) {
    // A multiple of the message size to containerd.
    const WRITTEN: u32 = 2 << 20;
    let image =
        Image::builder("linux/amd64").layer(layer(1, 3000)).layer(layer(2, 3 << 20)).layer(layer(3, 3000));
    let image = image.build();
    let Some(mut scene) = Scene::on(generation, &image) else { return };
    let blob = format!("/blobs/{}", image.layers[1].digest);
    scene.registry.on(Rule::get(&blob).held_after(WRITTEN as usize));
    let running = scene.dray.spawn(["pull", &scene.reference]);
    wait_until("a layer is written in part", || {
        let ingests = State::of(&scene.daemon, NAMESPACE).ingests;
        ingests.values().any(|ingest| ingest.offset == i64::from(WRITTEN))
    });
    scene.daemon.kill9();
    scene.registry.release();
    let since = Instant::now();
    let run = running.wait().failure(CONTAINERD);
    assert!(since.elapsed() < Duration::from_mins(1), "{run}");

    // What is left expires and blocks nothing, and the next pull resumes there.
    scene.daemon.restart();
    assert!(State::of(&scene.daemon, NAMESPACE).images.is_empty());
    let asked = scene.registry.requests_to("GET", &blob).len();
    scene.pull().success();
    let requests = scene.registry.requests_to("GET", &blob).split_off(asked);
    let ranges: Vec<_> = requests.iter().map(|request| request.header("range")).collect();
    assert_eq!(ranges, [Some(format!("bytes={WRITTEN}-").as_str())]);
    let state = State::of(&scene.daemon, NAMESPACE);
    assert!(state.images.contains_key(&scene.reference), "{state}");
    for lease in state.leases.values() {
        assert!(lease.labels.contains_key("containerd.io/gc.expire"), "{state}");
    }
}

// Exit codes from docs/cli.md.
const NOT_FOUND: i32 = 4;
const DENIED: i32 = 5;
const UNAVAILABLE: i32 = 6;
const CORRUPT: i32 = 7;
const CONTAINERD: i32 = 9;
const UNSUPPORTED: i32 = 10;
