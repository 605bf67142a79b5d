//! What dray says and does if a lazy snapshotter is absent, silent, slow or wrong, or if it cannot reach the registry.
//!
//! Most tests use the scripted snapshotter under the name `stargz`, for which the embedded plugin plans.

#[path = "lazy_trouble/absent.rs"]
mod absent;
#[path = "lazy_trouble/asking.rs"]
mod asking;
#[path = "lazy_trouble/expectations.rs"]
mod expectations;
#[path = "lazy_trouble/verify.rs"]
mod verify;

use std::time::{Duration, Instant};

use dray_tests::command::{Dray, Run, digest_filter, filters};
use dray_tests::daemon::{Containerd, Generation, Settings};
use dray_tests::image::{Compression, Entry, Image, ImageBuilder, Layer, estargz};
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::snapshot_service::{Ask, Reply, SnapshotService};
use dray_tests::state::State;
use dray_tests::tools::Missing;

const NAMESPACE: &str = "default";
/// The exit code for what containerd and its snapshotters cannot do.
const CONTAINERD: i32 = 9;

/// A containerd with a scripted snapshotter under a name, and a registry.
struct Scene {
    // Dropped in this order: containerd ends before the service, which it is connected to.
    containerd: Containerd,
    service: SnapshotService,
    registry: ScriptedRegistry,
    snapshotter: &'static str,
    dray: Dray,
}

impl Scene {
    fn start(script: impl FnMut(&Ask) -> Reply + Send + 'static) -> Result<Self, Missing> {
        Self::start_as("stargz", script)
    }

    fn start_as(
        snapshotter: &'static str,
        script: impl FnMut(&Ask) -> Reply + Send + 'static,
    ) -> Result<Self, Missing> {
        let service = SnapshotService::start(script);
        let proxy_plugins = vec![service.plugin(snapshotter)];
        let settings = Settings { proxy_plugins, ..Settings::new(Generation::V17) };
        let containerd = Containerd::start_with(&settings)?;
        let registry = ScriptedRegistry::start();
        let dray = Dray::with(&containerd, NAMESPACE)
            .replace(&service.socket().display().to_string(), "[SNAPSHOTTER]")
            .replace(&registry.address(), "[REGISTRY]");
        Ok(Self { containerd, service, registry, snapshotter, dray })
    }

    /// Adds an image to the registry, and returns its name. The snapshotter can provide its layers.
    fn add(&self, image: &Image) -> String {
        for layer in &image.layers {
            self.service.add_layer(&layer.digest, layer.bytes.to_vec());
        }
        self.registry.add(image, "app", "1");
        self.registry.image("app:1")
    }

    /// The arguments of a pull.
    fn arguments<'a>(&self, reference: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["pull", "--snapshotter", self.snapshotter, reference], more].concat()
    }

    fn pull(&self, image: &Image, more: &[&str]) -> Run {
        self.dray.run(self.arguments(&self.add(image), more))
    }

    fn state(&self) -> State {
        State::of(&self.containerd, NAMESPACE)
    }

    /// Fails if a pull that failed left more than layers that the next one can use.
    #[track_caller]
    fn assert_cleaned_up(&self, run: &Run) {
        let state = self.state();
        assert!(state.images.is_empty() && state.is_at_rest(), "{run}\n{state}");
    }

    /// How often the snapshotter was asked for a layer, and how often with more than the name of the layer.
    fn questions(&self) -> (usize, usize) {
        let asked = self.service.asked();
        let is_labelled = |ask: &&Ask| ask.labels.contains_key("containerd.io/snapshot/cri.layer-digest");
        (asked.len(), asked.iter().filter(is_labelled).count())
    }
}

fn entries(name: &str, number: usize) -> Vec<Entry> {
    vec![Entry::directory("data"), Entry::file(&format!("data/{name}{number}"), format!("{name} {number}\n"))]
}

/// An image of this many layers.
fn image_of(layers: usize, layer: impl Fn(usize) -> Layer) -> Image {
    (0..layers).map(layer).fold(Image::builder("linux/amd64"), ImageBuilder::layer).build()
}

/// An image in eStargz form.
fn lazy(layers: usize) -> Image {
    image_of(layers, |number| estargz::layer(&entries("lazy", number)))
}

/// An image that no snapshotter can serve lazily.
fn plain(layers: usize) -> Image {
    image_of(layers, |number| Layer::builder().entries(entries("plain", number)).build(Compression::Gzip))
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let since = Instant::now();
    (work(), since.elapsed())
}

/// Binds filters for what differs between equal runs.
fn filtered() -> insta::internals::SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(digest_filter().0, digest_filter().1);
    settings.add_filter(r"extract-\d+-\S+", "[KEY]");
    settings.add_filter(r"view-\d+-\S+", "[KEY]");
    settings.add_filter(r"/\S+/dray-tests\.\w+", "[SCRATCH]");
    for (pattern, name) in filters() {
        // Waiting times are a part of what is said.
        if name != "[TIME]" {
            settings.add_filter(pattern, name);
        }
    }
    settings.bind_to_scope()
}
