//! Pulls by dray with real lazy snapshotters: which one an image lands in, what its daemon is asked, and what is fetched.
//!
//! The layers of a pull are one letter each, from the bottom: `L` for lazy, `d` for unpacked by the daemon, `P` for provided
//! without a word on how, `f` for fetched, `e` for existed.

#[path = "lazy_pull/auto.rs"]
mod auto;
#[path = "lazy_pull/bait.rs"]
mod bait;
#[path = "lazy_pull/blobs.rs"]
mod blobs;
#[path = "lazy_pull/forms.rs"]
mod forms;
#[path = "lazy_pull/labels.rs"]
mod labels;
#[path = "lazy_pull/mixed.rs"]
mod mixed;
#[path = "lazy_pull/pairs.rs"]
mod pairs;
#[path = "lazy_pull/probe.rs"]
mod probe;
#[path = "lazy_pull/run.rs"]
mod run;

use dray_tests::command::{Dray, Run};
use dray_tests::daemon::Generation;
use dray_tests::image::{Content, Image, sha256};
use dray_tests::node::Node;
use dray_tests::scripted_registry::{Recorded, ScriptedRegistry};
use dray_tests::snapshotter::Kind;
use dray_tests::tools::Missing;
use dray_tests::tree::Tree;
use serde_json::Value;

/// A registry, a node that pulls from it, and dray. Each image has a name of its own, as repository and as namespace.
struct Scene {
    node: Node,
    registry: ScriptedRegistry,
    dray: Dray,
}

impl Scene {
    fn start(generation: Generation, kinds: &[Kind]) -> Result<Self, Missing> {
        let registry = ScriptedRegistry::start();
        let node = Node::start(generation, kinds, &[&registry.address()])?;
        Ok(Self::of(node, registry))
    }

    fn of(node: Node, registry: ScriptedRegistry) -> Self {
        let socket = node.containerd.socket().display().to_string();
        // It reads the files of images, which are mounted in the enclosure only.
        let dray = Dray::new().started_by(node.enclosure().starter()).args(["-a", &socket]);
        let dray = dray.replace(&registry.address(), "[REGISTRY]");
        Self { node, registry, dray }
    }

    /// Adds `content` to the registry.
    fn add(&self, name: &str, content: &dyn Content) {
        self.registry.add(content, name, "1");
    }

    fn reference(&self, name: &str) -> String {
        self.registry.image(&format!("{name}:1"))
    }

    /// Pulls an image of the registry.
    fn pull(&self, name: &str, options: &[&str]) -> Run {
        let reference = self.reference(name);
        let arguments = ["-n", name, "pull", "--format", "json", &reference];
        self.dray.run([&arguments[..], options].concat())
    }

    /// Pulls an image of the registry, and returns the report.
    #[track_caller]
    fn report(&self, name: &str, options: &[&str]) -> Value {
        self.pull(name, options).success().json()
    }

    /// The files of an image, as a container sees them.
    fn tree(&self, snapshotter: &str, name: &str, image: &Image) -> Tree {
        let top = image.chain_ids().pop().expect("an image has layers");
        Tree::of_snapshot(&self.node.containerd, name, snapshotter, &top)
    }

    /// The requests for blobs of layers, by dray and by daemons.
    fn requests_for_layers(&self, name: &str, image: &Image) -> Vec<Recorded> {
        let of_image = self.registry.requests_to("GET", &format!("/{name}/blobs/")).into_iter();
        of_image
            .filter(|request| image.layers.iter().any(|blob| request.path.ends_with(&blob.digest)))
            .collect()
    }
}

/// The letters of the layers of a report.
fn word(report: &Value) -> String {
    let layers = report["layers"].as_array().expect("a report has layers").iter();
    let letter = |layer: &Value| match (layer["outcome"].as_str(), layer["lazy"].as_bool()) {
        (Some("provided"), Some(true)) => 'L',
        (Some("provided"), Some(false)) => 'd',
        (Some("provided"), None) => 'P',
        (Some("fetched"), None) => 'f',
        (Some("existed"), _) => 'e',
        _ => panic!("{layer}"),
    };
    layers.map(letter).collect()
}

#[track_caller]
fn assert_file(tree: &Tree, path: &str, content: &str) {
    let file = tree.get(path).unwrap_or_else(|| panic!("no {path} in:\n{tree}"));
    assert_eq!(file["digest"], sha256(content.as_bytes()), "{path}");
}

/// The sum of the sizes of these layers, counted from 0 at the bottom.
fn size_of(image: &Image, layers: impl IntoIterator<Item = usize>) -> usize {
    layers.into_iter().map(|layer| image.layers[layer].bytes.len()).sum()
}
