//! The behaviour of lazy snapshotters that dray's plugins rely on: real daemons with real containerds, without dray.
//!
//! The answers for an image are one letter per layer, from the bottom: `P` for provided, `m` for mounts (the client fetches),
//! `E` for an error.

#[path = "lazy_daemons/answers.rs"]
mod answers;
#[path = "lazy_daemons/labels.rs"]
mod labels;
#[path = "lazy_daemons/run.rs"]
mod run;
#[path = "lazy_daemons/service.rs"]
mod service;
#[path = "lazy_daemons/trouble.rs"]
mod trouble;

use dray_tests::daemon::Generation;
use dray_tests::image::{Content, Image};
use dray_tests::node::Node;
use dray_tests::puller::{self, Answer};
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::snapshotter::Kind;
use dray_tests::tools::Missing;
use dray_tests::tree::Tree;

/// A registry, and a node that pulls from it.
struct Scene {
    node: Node,
    registry: ScriptedRegistry,
}

impl Scene {
    fn start(generation: Generation, kinds: &[Kind]) -> Result<Self, Missing> {
        let registry = ScriptedRegistry::start();
        let node = Node::start(generation, kinds, &[&registry.address()])?;
        Ok(Self { node, registry })
    }

    /// Adds `content` to the registry and pulls the layers of `image`, in the namespace `name`.
    fn pull(&self, kind: Kind, name: &str, image: &Image, content: &dyn Content) -> Vec<Answer> {
        self.registry.add(content, name, "1");
        let reference = self.registry.image(&format!("{name}:1"));
        puller::pull(&self.node.containerd, name, kind.name(), image, &reference)
    }

    /// Pulls an image, and returns the letters of the answers.
    fn answers(&self, kind: Kind, name: &str, image: &Image) -> String {
        puller::word(&self.pull(kind, name, image, image))
    }

    /// Compares a file, as a container sees it, with `content`.
    #[track_caller]
    fn assert_file(&self, kind: Kind, name: &str, image: &Image, path: &str, content: &str) {
        let top = image.chain_ids().pop().expect("an image has layers");
        let tree = Tree::of_snapshot(&self.node.containerd, name, kind.name(), &top);
        let file = tree.get(path).unwrap_or_else(|| panic!("no {path} in:\n{tree}"));
        assert_eq!(file["digest"], dray_tests::image::sha256(content.as_bytes()), "{path} of {name}");
    }

    /// The number of requests to the registry, all of them by daemons.
    fn requests(&self) -> usize {
        self.registry.requests().len()
    }
}
