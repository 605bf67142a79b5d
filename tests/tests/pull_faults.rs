//! What goes wrong in a pull, against a real containerd: a registry that lies, an image that lies, ctrl-c,
//! and a daemon that dies. Each ends in a clear error, and leaves no image record, no lease, no active
//! snapshot and no ingest behind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dray_tests::command::{Dray, Run, digest_filter, filters};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Content, Entry, Flavour, Image, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::{Auth, BearerAuth, Rule, ScriptedRegistry};
use dray_tests::state::State;

const NAMESPACE: &str = "default";

fn layer(seed: u8, bytes: usize) -> Layer {
    // Not compressed: what a rule says about bytes is then about the file.
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
        let daemon = require!(Containerd::start(Generation::Debian16), None);
        let registry = ScriptedRegistry::start();
        registry.add(image, "faults", "1");
        let reference = registry.image("faults:1");
        let dray = Dray::with(&daemon, NAMESPACE).replace(&registry.address(), "[REGISTRY]");
        Some(Self { daemon, registry, reference, dray })
    }

    fn pull(&self) -> Run {
        self.dray.run(["pull", &self.reference])
    }

    #[track_caller]
    fn assert_nothing_left(&self, run: &Run) {
        let state = State::of(&self.daemon, NAMESPACE);
        assert!(state.images.is_empty() && state.is_at_rest(), "{run}\n{state}");
    }

    /// The pull fails with this exit code, and leaves nothing. Returns what it printed, with what differs
    /// from run to run taken out.
    #[track_caller]
    fn fails(&self, code: i32) -> Run {
        let run = self.pull().failure(code);
        assert!(run.stdout.is_empty(), "{run}");
        self.assert_nothing_left(&run);
        run
    }
}

macro_rules! assert_failure {
    ($run:expr) => {
        let mut filters = filters();
        filters.push(digest_filter());
        filters.push((r"(?m)^(resolved|layer|warning).*\n", ""));
        insta::with_settings!({ filters => filters }, {
            insta::assert_snapshot!($run.to_string());
        });
    };
}

#[test]
fn wrong_bytes_of_a_layer() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).wrong_bytes());
    assert_failure!(scene.fails(CORRUPT));
}

#[test]
fn wrong_bytes_of_the_manifest() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.on(Rule::get(&format!("/manifests/{}", image.manifest.digest)).wrong_bytes());
    assert_failure!(scene.fails(CORRUPT));
}

#[test]
fn a_body_that_is_always_short() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).short_body(0));
    let run = scene.pull();
    assert!(!run.status.success(), "{run}");
    scene.assert_nothing_left(&run);
    assert_failure!(run);
}

#[test]
fn a_connection_that_is_always_reset() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).reset_after(0));
    let run = scene.pull();
    assert!(!run.status.success(), "{run}");
    scene.assert_nothing_left(&run);
}

#[test]
fn a_connection_that_is_reset_now_and_then() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    let blob = format!("/blobs/{}", image.layers[1].digest);
    scene.registry.on(Rule::get(&blob).reset_after(64 * 1024));
    let report = scene.dray.run(["pull", "--format", "json", &scene.reference]).success().json();
    let sent: u64 = scene.registry.requests_to("GET", &blob).iter().map(|request| request.bytes_sent).sum();
    assert_eq!(report["layers"][1]["downloaded"], image.layers[1].bytes.len());
    // What the kernel had taken and not delivered when the connection was reset is sent again.
    let size = image.layers[1].bytes.len() as u64;
    assert!(sent >= size && sent < size * 2, "{sent} of {size}");
}

#[test]
fn a_registry_that_always_wants_another_token() {
    let Some(scene) = Scene::with(&image()) else { return };
    scene.registry.require(Auth::Bearer(BearerAuth::anonymous().uses(0)));
    assert_failure!(scene.fails(DENIED));
    assert!(scene.registry.requests().len() < 20, "{}", scene.registry.requests().len());
}

#[test]
fn no_such_tag() {
    let Some(scene) = Scene::with(&image()) else { return };
    let run = scene.dray.run(["pull", &scene.registry.image("faults:2")]).failure(NOT_FOUND);
    scene.assert_nothing_left(&run);
    assert_failure!(run);
}

#[test]
fn a_manifest_that_is_too_large() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    let padding = " ".repeat(5 << 20);
    let large = [image.manifest.bytes.as_ref(), padding.as_bytes()].concat();
    scene.registry.add_manifest("faults", "1", &image.manifest.media_type, large);
    let run = scene.pull();
    assert!(!run.status.success(), "{run}");
    scene.assert_nothing_left(&run);
    assert_failure!(run);
}

#[test]
fn a_manifest_that_is_not_json() {
    let image = image();
    let Some(scene) = Scene::with(&image) else { return };
    scene.registry.add_manifest("faults", "1", &image.manifest.media_type, "<html>moved</html>");
    assert_failure!(scene.fails(CORRUPT));
}

#[test]
fn a_layer_with_another_diff_id() {
    let image = Image::builder("linux/amd64")
        .layer(layer(1, 3000))
        .layer(layer(2, 3000))
        .alter_config(|config| config["rootfs"]["diff_ids"].as_array_mut().expect("a list").swap(0, 1))
        .build();
    let Some(scene) = Scene::with(&image) else { return };
    assert_failure!(scene.fails(CORRUPT));
}

#[test]
fn more_layers_than_diff_ids() {
    let image = Image::builder("linux/amd64")
        .layer(layer(1, 3000))
        .layer(layer(2, 3000))
        .alter_config(|config| drop(config["rootfs"]["diff_ids"].as_array_mut().expect("a list").pop()))
        .build();
    let Some(scene) = Scene::with(&image) else { return };
    assert_failure!(scene.fails(CORRUPT));
}

#[test]
fn something_that_is_no_image() {
    let chart = Image::builder("linux/amd64")
        .layer(layer(1, 3000))
        .alter_manifest(|manifest| {
            manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
        })
        .build();
    let Some(scene) = Scene::with(&chart) else { return };
    let run = scene.fails(UNSUPPORTED);
    assert!(State::of(&scene.daemon, NAMESPACE).content.is_empty(), "{run}");
    assert_failure!(run);
}

#[test]
fn no_image_for_the_platform() {
    let image = Image::builder("linux/s390x").flavour(Flavour::Docker).layer(layer(1, 3000)).build();
    let index = dray_tests::image::Index::new(Flavour::Docker, vec![image]);
    let Some(scene) = Scene::with(&index) else { return };
    let run = scene.dray.run(["pull", "--platform", "linux/amd64", &scene.reference]).failure(UNSUPPORTED);
    scene.assert_nothing_left(&run);
    assert_failure!(run);
}

#[test]
fn an_unknown_snapshotter() {
    let Some(scene) = Scene::with(&image()) else { return };
    let run = scene.dray.run(["pull", "--snapshotter", "stargz", &scene.reference]);
    assert!(!run.status.success(), "{run}");
    scene.assert_nothing_left(&run);
    assert!(run.stderr.contains("overlayfs"), "the hint lists what there is: {run}");
    assert!(scene.registry.requests_to("GET", "/blobs/").is_empty());
}

#[test]
fn ctrl_c_in_mid_pull() {
    for signal in ["INT", "TERM"] {
        let image = image();
        let Some(scene) = Scene::with(&image) else { return };
        // Some layers are done and unpacked, one hangs.
        scene.registry.on(Rule::get(&format!("/blobs/{}", image.layers[1].digest)).stall_after(100_000));
        let running = scene.dray.spawn(["pull", &scene.reference]);
        wait_until(|| {
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
        // What was downloaded stays for the next pull, which is the only thing that does.
        let state = State::of(&scene.daemon, NAMESPACE);
        assert_eq!(state.ingests.len(), 1, "{state}");
        let kept = State { ingests: BTreeMap::default(), ..state };
        assert!(kept.images.is_empty() && kept.is_at_rest(), "{run}\n{kept}");
        // No lock is left either: a second pull that is served properly succeeds at once.
        let retry = ScriptedRegistry::start();
        retry.add(&image, "faults", "1");
        scene.dray.run(["pull", &retry.image("faults:1")]).success();
    }
}

#[test]
fn the_daemon_dies_in_mid_pull() {
    let image = image();
    let Some(mut scene) = Scene::with(&image) else { return };
    let slow = Rule::get(&format!("/blobs/{}", image.layers[1].digest)).throttle(20_000);
    scene.registry.on(slow);
    let running = scene.dray.spawn(["pull", &scene.reference]);
    wait_until(|| !State::of(&scene.daemon, NAMESPACE).ingests.is_empty());
    scene.daemon.kill9();
    let since = Instant::now();
    let run = running.wait().failure(CONTAINERD);
    assert!(since.elapsed() < Duration::from_mins(1), "{run}");

    // What is left has an expiry, blocks nobody, and the next pull succeeds.
    scene.daemon.restart();
    assert!(State::of(&scene.daemon, NAMESPACE).images.is_empty());
    scene.pull().success();
    let state = State::of(&scene.daemon, NAMESPACE);
    assert!(state.images.contains_key(&scene.reference), "{state}");
    for lease in state.leases.values() {
        assert!(lease.labels.contains_key("containerd.io/gc.expire"), "{state}");
    }
}

fn wait_until(mut ready: impl FnMut() -> bool) {
    let since = Instant::now();
    while !ready() {
        assert!(since.elapsed() < Duration::from_secs(30), "the moment does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// The exit codes that docs/cli.md promises.
const NOT_FOUND: i32 = 4;
const DENIED: i32 = 5;
const CORRUPT: i32 = 7;
const CONTAINERD: i32 = 9;
const UNSUPPORTED: i32 = 10;
