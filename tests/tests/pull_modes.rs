//! `dray pull --mode`: when dray asks the registry, and which images count as present.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Flavour, Image, Index, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use serde_json::{Value, json};

const NAMESPACE: &str = "default";

fn layer(name: &str) -> Layer {
    Layer::builder().entry(Entry::file(name, vec![b'x'; 5000])).build(Compression::Gzip)
}

fn image(platform: &str) -> Image {
    Image::builder(platform).layer(layer("shared")).layer(layer(platform)).build()
}

struct Scene {
    daemon: Containerd,
    dray: Dray,
    registry: ScriptedRegistry,
    name: String,
    amd64: Image,
    index: Index,
}

impl Scene {
    /// An image for two platforms, and a pull of the first.
    fn pulled() -> Option<Self> {
        let daemon = require!(Containerd::start(Generation::Debian16), None);
        let registry = ScriptedRegistry::start();
        let amd64 = image("linux/amd64");
        let index = Index::new(Flavour::Oci, vec![amd64.clone(), image("linux/arm64")]);
        registry.add(&index, "modes", "1");
        let dray = Dray::with(&daemon, NAMESPACE);
        let name = registry.image("modes:1");
        dray.run(["pull", &name]).success();
        Some(Self { daemon, dray, registry, name, amd64, index })
    }

    fn run(&self, mode: &str, options: &[&str], name: &str) -> (i32, Value, String) {
        let arguments = [&["pull", "--format=json", "--mode", mode], options, &[name]].concat();
        let run = self.dray.run(arguments);
        let code = run.status.code().unwrap_or(-1);
        let report = if code == 0 { run.json() } else { Value::Null };
        (code, report, run.stderr)
    }

    /// Checks that the image is present, and that the registry is not asked.
    #[track_caller]
    fn is_present(&self, mode: &str, options: &[&str], name: &str, outcome: &str) -> Value {
        let before = self.registry.requests().len();
        let (code, report, stderr) = self.run(mode, options, name);
        assert_eq!((code, &report["outcome"]), (0, &outcome.into()), "{mode} {options:?} {name}: {stderr}");
        assert_eq!(self.registry.requests().len(), before, "{mode} {options:?} {name}");
        assert!(State::of(&self.daemon, NAMESPACE).is_at_rest());
        report
    }

    /// Checks that the image is missing: `never` fails, `missing` pulls.
    #[track_caller]
    fn is_missing(&self, options: &[&str], name: &str, why: &str) {
        // Blobs and snapshots are not compared, because removing a blob starts the collector.
        let images = || State::of(&self.daemon, NAMESPACE).images;
        let before = (self.registry.requests().len(), images());
        let (code, _, stderr) = self.run("never", options, name);
        assert_eq!(code, 4, "{options:?} {name}: {stderr}");
        assert!(stderr.contains("is not available in the store") && stderr.contains(why), "{why}: {stderr}");
        assert_eq!(before, (self.registry.requests().len(), images()), "{options:?} {name}");
        assert!(State::of(&self.daemon, NAMESPACE).is_at_rest());
        let (code, report, stderr) = self.run("missing", options, name);
        assert_eq!((code, &report["outcome"]), (0, &"pulled".into()), "{options:?} {name}: {stderr}");
    }

    fn remove_blob(&self, digest: &str) {
        self.daemon.ctr_ok(NAMESPACE, &["content", "rm", digest]);
    }
}

#[test]
fn an_image_is_present_under_every_name_and_id() {
    let Some(scene) = Scene::pulled() else { return };
    let target = &scene.index.index.digest;
    let hex = target.trim_start_matches("sha256:");
    let repository = scene.registry.image("modes");
    for name in [
        &scene.name,
        &hex[..12],
        hex,
        target,
        &target[..20],
        &format!("{repository}@{target}"),
        &format!("{repository}:1@{target}"),
        &format!("{repository}:other@{target}"),
    ] {
        for mode in ["missing", "never"] {
            let report = scene.is_present(mode, &[], name, "present");
            assert_eq!(report["name"], scene.name, "{name}");
            assert_eq!(report["target"], *target);
            assert_eq!(report["layers"][1]["outcome"], "existed");
        }
    }
    let before = scene.registry.requests().len();
    let (code, report, _) = scene.run("always", &[], &scene.name);
    assert_eq!((code, &report["outcome"]), (0, &"pulled".into()));
    assert!(scene.registry.requests().len() > before, "`always` asks");
}

#[test]
fn an_exact_name_wins_over_the_beginning_of_a_digest() {
    let Some(scene) = Scene::pulled() else { return };
    let hex = scene.index.index.digest.trim_start_matches("sha256:");
    // A short name that is the beginning of another image's digest.
    let short = &hex[..6];
    let other = Image::builder("linux/amd64").layer(layer("other")).build();
    scene.registry.add(&other, "other", "1");
    scene.dray.run(["pull", &scene.registry.image("other:1")]).success();
    let familiar = format!("docker.io/library/{short}:latest");
    scene.daemon.ctr_ok(NAMESPACE, &["images", "tag", &scene.registry.image("other:1"), &familiar]);
    let report = scene.is_present("never", &[], short, "present");
    // Otherwise a few digits count as a name, which the registry may know.
    let (code, _, stderr) = scene.run("never", &[], &hex[..7]);
    assert!(code == 4 && stderr.contains("there is no record of it"), "{stderr}");
    assert_eq!((&report["name"], &report["target"]), (&familiar.into(), &other.manifest.digest.into()));
}

#[test]
fn a_missing_image_is_pulled_or_refused() {
    let Some(scene) = Scene::pulled() else { return };
    let (code, _, stderr) = scene.run("never", &[], &scene.registry.image("modes:2"));
    assert_eq!(code, 4);
    assert!(stderr.contains("there is no record of it"), "{stderr}");
    // The record and the index are there, but not the manifest for arm64.
    scene.is_missing(&["--platform", "linux/arm64"], &scene.name, "it is not complete: 1 blob is missing");
    let (code, _, stderr) = scene.run("never", &["--platform", "linux/s390x"], &scene.name);
    assert_eq!(code, 4);
    assert!(
        stderr.contains("what is there is for linux/amd64, linux/arm64, not for linux/s390x"),
        "{stderr}"
    );
}

#[test]
fn an_image_without_index_is_only_for_its_platform() {
    let Some(scene) = Scene::pulled() else { return };
    scene.registry.add(&image("linux/arm64"), "single", "1");
    let name = scene.registry.image("single:1");
    let run = scene.dray.run(["pull", &name]).success();
    let warning = "warning: the image is for linux/arm64 only, and is pulled although linux/amd64 is wanted";
    assert!(run.stderr.contains(warning), "{run}");
    let (code, _, stderr) = scene.run("never", &[], &name);
    assert_eq!(code, 4);
    assert!(stderr.contains("what is there is for linux/arm64, not for linux/amd64"), "{stderr}");
    scene.is_present("never", &["--platform", "linux/arm64"], &name, "present");
}

/// A record with an unusable target does not keep dray from asking.
#[test]
fn a_record_of_something_unusable_counts_as_missing() {
    let Some(scene) = Scene::pulled() else { return };
    let target = &scene.index.index.digest;
    let chart = json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": target, "size": 2},
        "layers": [],
    });
    let bytes = chart.to_string();
    let digest = dray_tests::image::sha256(bytes.as_bytes());
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    scene.registry.add_manifest("charts", "1", media_type, bytes.as_bytes().to_vec());
    let name = scene.registry.image("charts:1");
    let arguments = ["images", "pull", "--plain-http", &name];
    // The pull fails, and leaves a record behind.
    let _ = scene.daemon.ctr(NAMESPACE, &arguments);
    if !State::of(&scene.daemon, NAMESPACE).images.contains_key(&name) {
        let (code, _, stderr) = scene.run("never", &[], &name);
        assert_eq!(code, 4, "{stderr}");
    }
    scene.registry.add(&scene.index, "charts", "1");
    assert_ne!(digest, *target);
    let (code, report, stderr) = scene.run("missing", &[], &name);
    assert_eq!((code, &report["outcome"]), (0, &"pulled".into()), "{stderr}");
}

/// An image that states no platform may be for any.
#[test]
fn an_image_without_platform_is_for_any() {
    let Some(scene) = Scene::pulled() else { return };
    let silent = Image::builder("linux/amd64").layer(layer("silent")).alter_config(|config| {
        config["os"] = Value::Null;
        config["architecture"] = Value::Null;
    });
    scene.registry.add(&silent.build(), "silent", "1");
    let name = scene.registry.image("silent:1");
    scene.dray.run(["pull", &name]).success();
    scene.is_present("never", &[], &name, "present");
}

#[test]
fn missing_blobs_count_if_they_are_needed() {
    let Some(scene) = Scene::pulled() else { return };
    // The layers are unpacked, so the image runs without their blobs.
    scene.remove_blob(&scene.amd64.layers[0].digest);
    scene.is_present("never", &[], &scene.name, "present");
    // Another snapshotter needs them, and so does a pull without unpacking.
    scene.is_missing(&["--unpack=false"], &scene.name, &scene.amd64.layers[0].digest);
    scene.remove_blob(&scene.amd64.layers[1].digest);
    scene.is_missing(&["--snapshotter", "native"], &scene.name, &scene.amd64.layers[1].digest);
    scene.remove_blob(&scene.amd64.config.digest);
    scene.is_missing(&[], &scene.name, &scene.amd64.config.digest);
    scene.remove_blob(&scene.amd64.manifest.digest);
    scene.is_missing(&[], &scene.name, &scene.amd64.manifest.digest);
    scene.remove_blob(&scene.index.index.digest);
    scene.is_missing(&[], &scene.name, &scene.index.index.digest);
}

#[test]
fn a_stored_image_is_unpacked_on_request() {
    let Some(scene) = Scene::pulled() else { return };
    let report = scene.is_present("never", &["--snapshotter", "native"], &scene.name, "unpacked");
    assert_eq!(report["layers"][0]["outcome"], "applied");
    let report = scene.is_present("never", &["--snapshotter", "native"], &scene.name, "present");
    assert_eq!(report["layers"][0]["outcome"], "existed");
    let state = State::of(&scene.daemon, NAMESPACE);
    let labels = &state.content[&scene.amd64.config.digest].labels;
    for snapshotter in ["overlayfs", "native"] {
        let top = scene.amd64.chain_ids().pop();
        assert_eq!(labels.get(&format!("containerd.io/gc.ref.snapshot.{snapshotter}")), top.as_ref());
    }
}

#[test]
fn several_platforms_are_found_without_network() {
    let Some(scene) = Scene::pulled() else { return };
    let both = ["--platform", "linux/amd64,linux/arm64"];
    scene.is_missing(&both, &scene.name, "it is not complete");
    for mode in ["missing", "never"] {
        let report = scene.is_present(mode, &both, &scene.name, "present");
        assert_eq!(report["more"].as_array().map(Vec::len), Some(1));
        scene.is_present(mode, &["--all-platforms"], &scene.name, "present");
    }
}

#[test]
fn a_record_of_another_client_keeps_its_labels() {
    let Some(scene) = Scene::pulled() else { return };
    scene.daemon.ctr_ok(NAMESPACE, &["images", "label", &scene.name, "io.cri-containerd.image=managed"]);
    scene.is_present("missing", &["--snapshotter", "native"], &scene.name, "unpacked");
    let state = State::of(&scene.daemon, NAMESPACE);
    assert_eq!(state.images[&scene.name].labels["io.cri-containerd.image"], "managed");
}

/// The remedy for what other commands call `content digest … not found`.
#[test]
fn image_fetch_fetches_missing_blobs() {
    let Some(scene) = Scene::pulled() else { return };
    let fetch = |options: &[&str], name: &str| {
        let arguments = [&["image", "fetch", "--format=json"], options, &[name]].concat();
        scene.dray.run(arguments)
    };
    let check = |options: &[&str]| scene.dray.run([&["image", "check"], options, &[&scene.name]].concat());
    scene.remove_blob(&scene.amd64.layers[0].digest);
    let before = State::of(&scene.daemon, NAMESPACE);
    assert!(!before.content.contains_key(&scene.amd64.layers[0].digest));

    // The layer is unpacked already, and the tag now refers to another image. The digest still names this one.
    scene.registry.add(&image("linux/amd64"), "modes", "1");
    let report = fetch(&[], &scene.index.index.digest[..20]).success().json();
    assert_eq!((&report["outcome"], &report["name"]), (&"fetched".into(), &scene.name.as_str().into()));
    assert_eq!(report["target"], scene.index.index.digest);
    assert_eq!(report["totals"]["downloaded_blobs"], 1);
    assert_eq!(report["layers"][0]["outcome"], "downloaded");
    check(&[]).success();
    check(&["--all-platforms"]).failure(4);
    let report = fetch(&["--all-platforms"], &scene.name).success().json();
    // The other platform: manifest, config and a layer.
    assert_eq!(report["totals"]["downloaded_blobs"], 3);
    check(&["--all-platforms"]).success();
    let after = State::of(&scene.daemon, NAMESPACE);
    assert!(after.is_at_rest() && after.images == before.images && after.snapshots == before.snapshots);
    assert_eq!(fetch(&[], &scene.name).success().json()["totals"]["downloaded_bytes"], 0);

    // The kubelet's containerd also names images by the digest of their config.
    let id = &scene.amd64.config.digest;
    scene.daemon.ctr_ok(NAMESPACE, &["images", "tag", &scene.name, id]);
    let run = fetch(&[], id).failure(4);
    assert!(run.stderr.contains("its name does not say which registry it is from"), "{run}");
    let run = fetch(&[], &scene.registry.image("modes:2")).failure(4);
    assert!(run.stderr.contains("there is no record of it"), "{run}");
}
