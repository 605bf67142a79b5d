//! `dray image` on images of a lazy snapshotter: complete to run is one thing, complete to push or save another.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation, Settings};
use dray_tests::image::{Compression, Entry, Image, Layer, estargz};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::snapshot_service::{Reply, SnapshotService};
use dray_tests::tools::Missing;
use serde_json::{Value, json};

const NAMESPACE: &str = "lazy";

/// A containerd whose snapshotter `stargz` provides every layer, with an eStargz image and a plain one, both pulled with
/// `--snapshotter auto`.
struct Scene {
    service: SnapshotService,
    _containerd: Containerd,
    registry: ScriptedRegistry,
    dray: Dray,
}

impl Scene {
    fn start() -> Result<Self, Missing> {
        let service = SnapshotService::start(|_| Reply::Provide);
        let proxy_plugins = vec![service.plugin("stargz")];
        let containerd =
            Containerd::start_with(&Settings { proxy_plugins, ..Settings::new(Generation::V17) })?;
        let registry = ScriptedRegistry::start();
        let dray = Dray::with(&containerd, NAMESPACE).replace(&registry.address(), "[REGISTRY]");
        let entries = |number: u8| [Entry::file(&format!("file-{number}"), vec![number; 50_000])];
        let lazy = Image::builder("linux/amd64").layer(estargz::layer(&entries(1)));
        let lazy = lazy.layer(estargz::layer(&entries(2))).build();
        let plain = Layer::builder().entries(entries(3)).build(Compression::Gzip);
        registry.add(&lazy, "lazy", "1");
        registry.add(&Image::builder("linux/amd64").layer(plain).build(), "plain", "1");
        let scene = Self { service, _containerd: containerd, registry, dray };
        for name in ["lazy:1", "plain:1"] {
            scene.auto(&["pull", &scene.registry.image(name)]).success();
        }
        Ok(scene)
    }

    fn auto(&self, arguments: &[&str]) -> dray_tests::command::Run {
        self.dray.run([&["--snapshotter", "auto"], arguments].concat())
    }

    /// What `command` says of both images: complete to run, with all blobs, unpacked, and where.
    fn states(&self) -> Vec<Value> {
        let rows = self.auto(&["image", "ls", "--format", "json"]).success().json();
        let rows = rows.as_array().expect("it is a list");
        let state =
            |row: &Value| json!([row["complete"], row["all_blobs"], row["unpacked"], row["snapshotter"]]);
        rows.iter().map(state).collect()
    }
}

#[test]
fn a_lazy_image_is_complete_to_run_until_its_blobs_are_fetched() {
    let scene = require!(Scene::start());
    let lazy = scene.registry.image("lazy:1");
    assert_eq!(
        scene.states(),
        [json!([true, false, true, "stargz"]), json!([true, true, true, "overlayfs"])]
    );
    let run = scene.auto(&["image", "check", &lazy]).success();
    let says = "complete to run; 2 blobs of 103.2 KiB are missing to push or save: `dray image fetch`\n";
    assert!(run.stdout.contains(says), "{run}");
    let rows = scene.auto(&["image", "ls"]).success();
    assert!(
        rows.stdout.contains("  complete to run; 2 blobs of 103.2 KiB are missing to push or save\n"),
        "{rows}"
    );
    let found = scene.auto(&["image", "check", "--format", "json", &lazy]).success().json();
    assert_eq!(found["platforms"][0]["snapshotter"], "stargz");
    let size = scene.auto(&["image", "size", "--format", "json", &lazy]).success().json();
    assert_eq!((&size["snapshotter"], &size["unpacked"]), (&json!("stargz"), &json!(true)));
    let found = scene.auto(&["image", "inspect", "--format", "json", &lazy]).success().json();
    assert_eq!((&found["snapshotter"], &found["all_blobs"]), (&json!("stargz"), &json!(false)));

    // The default snapshotter alone has none of its layers.
    scene.dray.run(["image", "check", &lazy]).failure(4);

    scene.auto(&["image", "fetch", &lazy]).success();
    assert_eq!(scene.states()[0], json!([true, true, true, "stargz"]));
    let run = scene.auto(&["image", "check", &lazy]).success();
    assert!(run.stdout.contains("linux/amd64  complete\n"), "{run}");
}

#[test]
fn a_dead_snapshotter_is_noted_and_hides_no_image() {
    let mut scene = require!(Scene::start());
    scene.service.kill();
    let run = scene.auto(&["image", "ls", "--format", "json"]).success();
    assert!(
        run.stderr.starts_with("note: snapshotter `stargz` is registered, but cannot be reached at "),
        "{run}"
    );
    assert!(run.stderr.ends_with("; dray cannot tell what is unpacked\n"), "{run}");
    assert_eq!(
        scene.states(),
        [json!([false, false, false, "overlayfs"]), json!([true, true, true, "overlayfs"])]
    );

    let run = scene.auto(&["pull", &scene.registry.image("lazy:1")]).success();
    let warning = "warning: snapshotter `stargz` is registered, but cannot be reached at ";
    assert!(run.stderr.contains(warning) && run.stderr.contains(", so it is passed over\n"), "{run}");
}
