//! Plugins in a whole pull: the embedded ones, one from a file, and one that misbehaves.

use dray_tests::command::{Dray, Run};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::guests::{Export, Guest, LayerPlan, Plan, Question};
use dray_tests::image::{Compression, Content, Entry, Flavour, Image, Index, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use serde_json::json;

const NAMESPACE: &str = "default";
/// The exit code for a failed plugin, and for an image that does not suit the snapshotter or platform.
const PLUGIN: i32 = 8;
const UNSUPPORTED: i32 = 10;
/// The case of `suitability` for a plain image.
const PLAIN: u8 = 2;

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
        registry.add(image, "plugins", "1");
        let reference = registry.image("plugins:1");
        let dray = Dray::with(&daemon, NAMESPACE);
        Some(Self { daemon, registry, reference, dray })
    }

    /// Pulls with a component in place of the embedded plugin of its kind.
    fn pull_with(&self, kind: &str, guest: &Guest) -> Run {
        let file = guest.write(self.dray.directory(), "guest.wasm");
        let plugin = format!("{kind}={}", file.display());
        self.dray.run(["pull", "--format", "json", "--plugin", &plugin, &self.reference])
    }

    #[track_caller]
    fn assert_nothing_left(&self, run: &Run) {
        let state = State::of(&self.daemon, NAMESPACE);
        assert!(
            state.images.is_empty() && state.is_at_rest() && state.snapshots.is_empty(),
            "{run}\n{state}"
        );
        let layers = self.registry.requests_to("GET", "/blobs/").len();
        assert!(layers <= 1, "no more than the config was fetched: {run}");
    }
}

fn layer(name: &str) -> Layer {
    Layer::builder().entry(Entry::file(name, name)).build(Compression::Gzip)
}

fn image(platform: &str) -> Image {
    Image::builder(platform).layer(layer("one")).layer(layer(platform)).build()
}

fn plan_for(image: &Image, label: Option<(&str, &str)>) -> Plan {
    let entry = |layer: &dray_tests::image::Blob| LayerPlan {
        layer: layer.digest.clone(),
        question: match label {
            Some((key, value)) => Question::Labels(vec![(key.to_owned(), value.to_owned())]),
            None => Question::Plain,
        },
        ..LayerPlan::default()
    };
    Plan { suitability: PLAIN, layers: image.layers.iter().map(entry).collect(), ..Plan::default() }
}

#[test]
fn the_labels_of_a_plan_reach_the_snapshots() {
    let image = image("linux/amd64");
    let Some(scene) = Scene::with(&image) else { return };
    let plan = plan_for(&image, Some(("containerd.io/snapshot/example", "7")));
    let report = scene.pull_with("snapshotter", &Guest::snapshotter().plan(&plan)).success().json();
    assert_eq!(report["layers"][0]["outcome"], "fetched");
    let plugins = report["plugins"].as_array().into_iter().flatten();
    let plugins: Vec<_> = plugins.map(|p| (p["kind"].as_str(), p["origin"].as_str())).collect();
    let guest = format!("file:{}", scene.dray.directory().join("guest.wasm").display());
    assert_eq!(
        plugins,
        [(Some("platform"), Some("embedded:platform")), (Some("snapshotter"), Some(guest.as_str()))]
    );
    let state = State::of(&scene.daemon, NAMESPACE);
    for chain_id in image.chain_ids() {
        let labels = &state.snapshots["overlayfs"][&chain_id].labels;
        assert_eq!(labels["containerd.io/snapshot/example"], "7");
        assert_eq!(labels["containerd.io/snapshot.ref"], chain_id);
    }
}

#[test]
fn a_plan_with_a_reserved_label_is_refused_whole() {
    let image = image("linux/amd64");
    let Some(scene) = Scene::with(&image) else { return };
    let plan = plan_for(&image, Some(("containerd.io/snapshot.ref", "x")));
    let run = scene.pull_with("snapshotter", &Guest::snapshotter().plan(&plan)).failure(PLUGIN);
    assert!(run.stderr.contains("containerd.io/snapshot.ref"), "{run}");
    assert!(run.stderr.contains("guest.wasm) is invalid, nothing of it was carried out"), "{run}");
    scene.assert_nothing_left(&run);
}

#[test]
fn a_foreign_image_is_refused_before_its_first_layer() {
    let Some(scene) = Scene::with(&image("linux/amd64")) else { return };
    let run = scene.pull_with("snapshotter", &Guest::snapshotter()).failure(UNSUPPORTED);
    scene.assert_nothing_left(&run);
}

#[test]
fn a_plugin_that_never_ends_is_stopped() {
    let Some(scene) = Scene::with(&image("linux/amd64")) else { return };
    let endless = "(loop $again (br $again)) (unreachable)";
    let run = scene.pull_with("snapshotter", &Guest::snapshotter().on(Export::Work, endless)).failure(PLUGIN);
    assert!(run.stderr.contains("guest.wasm") || run.stderr.contains("test"), "the plugin is named: {run}");
    scene.assert_nothing_left(&run);
    // The same command without it works.
    scene.dray.run(["pull", &scene.reference]).success();
}

#[test]
fn another_platform_plugin_chooses_another_image() {
    let images = vec![image("linux/s390x"), image("linux/amd64")];
    let Some(scene) = Scene::with(&Index::new(Flavour::Oci, images)) else { return };
    // This plugin takes the first offer, whichever platform is wanted.
    let report = scene.pull_with("platform", &Guest::platform()).success().json();
    assert_eq!(report["platform"]["architecture"], "s390x");
    let report = scene.dray.run(["pull", "--format", "json", &scene.reference]).success().json();
    assert_eq!(report["platform"]["architecture"], "amd64");
}

/// If an entry states no operating system, containerd assumes its own.
#[test]
fn an_entry_without_operating_system_is_for_that_of_the_host() {
    let images = vec![image("linux/s390x"), image("linux/amd64")];
    let index = Index::altered(Flavour::Oci, images, |index| {
        index["manifests"][1]["platform"] = json!({ "architecture": "amd64" });
    });
    let Some(scene) = Scene::with(&index) else { return };
    let pull = |platform: &str| {
        scene.dray.run(["pull", "--format", "json", "--platform", platform, &scene.reference])
    };
    let report = pull("linux/amd64").success().json();
    assert_eq!(report["platform"]["architecture"], "amd64");
    let run = pull("windows/amd64").failure(UNSUPPORTED);
    assert!(run.stderr.contains("windows/amd64"), "{run}");
}

#[test]
fn the_platform_plugin_takes_a_configuration() {
    let images = vec![image("linux/386"), image("linux/s390x")];
    let Some(scene) = Scene::with(&Index::new(Flavour::Oci, images)) else { return };
    let pull = |config: &str| {
        let config = format!("platform={config}");
        let arguments = ["pull", "--format", "json", "--platform", "linux/amd64", "--plugin-config", &config];
        scene.dray.run(arguments.into_iter().chain([scene.reference.as_str()]))
    };
    pull(r#"{"matcher":"only-strict"}"#).failure(UNSUPPORTED);
    let report = pull(r#"{"matcher":"only"}"#).success().json();
    assert_eq!(report["platform"]["architecture"], "386", "amd64 falls back to 386");
    let refused = pull(r#"{"matcher":"whatever"}"#);
    assert_eq!(refused.status.code(), Some(3), "{refused}");
}

#[test]
fn a_nydus_image_is_not_unpacked_by_overlayfs() {
    let image = Image::builder("linux/amd64")
        .annotated_layer(layer("data"), &[("containerd.io/snapshot/nydus-blob", "true")])
        .annotated_layer(layer("boot"), &[("containerd.io/snapshot/nydus-bootstrap", "true")])
        .build();
    let Some(scene) = Scene::with(&image) else { return };
    let run = scene.dray.run(["pull", &scene.reference]).failure(UNSUPPORTED);
    assert!(run.stderr.contains("nydus"), "{run}");
    scene.assert_nothing_left(&run);
}
