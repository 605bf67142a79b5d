//! The examples of the library work as documented.

use std::fs;
use std::path::Path;

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Blob, Compression, Content as _, Entry, Flavour, Image, Index, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use serde_json::json;

/// The namespace of the examples.
const NAMESPACE: &str = "default";
const SNAPSHOTTER: &str = "overlayfs";

/// A test per example: the function of its name receives the example, ready to run.
macro_rules! test_each {
    ($($example:ident),* $(,)?) => {
        const TESTED: &[&str] = &[$(stringify!($example)),*];

        mod example {
            use super::Dray;
            $(
                #[test]
                fn $example() {
                    super::$example(&Dray::example(stringify!($example)));
                }
            )*
        }
    };
}

test_each! {
    completeness,
    ensure_image,
    existing_image,
    fetch_image,
    inspect_image,
    parse_repo_tag,
    pull_image,
    pull_with_ports,
    read_image_config,
    read_index,
    read_manifest,
    resolve_digest,
    unpacked_image_size,
}

#[test]
fn every_example_has_a_test() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/dray/examples");
    let entries = fs::read_dir(directory).expect("the examples are there");
    let names = entries.map(|entry| entry.expect("a directory can be read").path().with_extension(""));
    let mut names: Vec<_> =
        names.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    names.sort();
    assert_eq!(names, TESTED);
}

#[test]
fn every_example_states_its_arguments() {
    for name in TESTED {
        let run = Dray::example(name).run::<&str>([]).failure(1);
        assert!(run.stdout.is_empty() && run.stderr.starts_with(&format!("Error: {name} ")), "{run}");
    }
}

/// A containerd, and a registry with one image for two platforms.
struct Scene {
    daemon: Containerd,
    registry: ScriptedRegistry,
    index: Index,
    name: String,
}

impl Scene {
    fn new() -> Option<Self> {
        let daemon = require!(Containerd::start(Generation::Debian16), None);
        let registry = ScriptedRegistry::start();
        let layer = |name: &str| {
            let file = Entry::file(name, name.repeat(1000));
            Layer::builder().entry(file).build(Compression::Gzip)
        };
        let amd64 = Image::builder("linux/amd64").layer(layer("bottom")).layer(layer("top"));
        let amd64 = amd64.alter_config(|config| config["config"]["Labels"] = json!({ "colour": "grey" }));
        let arm64 = Image::builder("linux/arm64").layer(layer("other"));
        let index = Index::new(Flavour::Oci, vec![amd64.build(), arm64.build()]);
        registry.add(&index, "example", "1");
        let name = registry.image("example:1");
        Some(Self { daemon, registry, index, name })
    }

    /// The same, with the image for amd64 in containerd.
    fn pulled() -> Option<Self> {
        let scene = Self::new()?;
        scene.prints(&Dray::example("pull_image"), &[]);
        Some(scene)
    }

    fn image(&self) -> &Image {
        &self.index.images[0]
    }

    fn socket(&self) -> String {
        self.daemon.socket().display().to_string()
    }

    /// The output of the example, with the image's name and more arguments.
    #[track_caller]
    fn prints(&self, example: &Dray, more: &[&str]) -> String {
        let socket = self.socket();
        let arguments = [socket.as_str(), &self.name].into_iter().chain(more.iter().copied());
        example.run(arguments).success().stdout
    }
}

fn pull_image(example: &Dray) {
    let Some(scene) = Scene::new() else { return };
    let layer = |layer: &Blob| format!("{} Fetched, {} bytes downloaded\n", layer.digest, layer.bytes.len());
    let layers = scene.image().layers.iter().map(layer).collect::<Vec<_>>().concat();
    let expected = format!("{} is {}\n{layers}", scene.name, scene.index.index.digest);
    assert_eq!(scene.prints(example, &[]), expected);
}

fn pull_with_ports(example: &Dray) {
    let Some(scene) = Scene::new() else { return };
    assert_eq!(scene.prints(example, &[]), format!("{} is {}\n", scene.name, scene.index.index.digest));
}

fn inspect_image(example: &Dray) {
    let Some(scene) = Scene::pulled() else { return };
    let top = &scene.image().layers[1].digest;
    let shown = |state: &str| {
        let (name, digest) = (&scene.name, &scene.index.index.digest);
        format!("{name} is {digest}\nfor linux/amd64, 2 layers\n{state}\narchitecture: amd64\n")
    };
    assert_eq!(scene.prints(example, &[]), shown("complete: true, unpacked: true"));
    scene.daemon.ctr_ok(NAMESPACE, &["content", "rm", top]);
    assert_eq!(scene.prints(example, &[]), shown("complete: true, unpacked: true"), "no blob is needed");
}

fn ensure_image(example: &Dray) {
    let Some(scene) = Scene::new() else { return };
    assert_eq!(scene.prints(example, &[]), format!("{} was Pulled\n", scene.name));
    let asked = scene.registry.requests().len();
    assert_eq!(scene.prints(example, &[]), format!("{} was Present\n", scene.name));
    assert_eq!(scene.registry.requests().len(), asked, "the registry is not asked again");
}

fn existing_image(example: &Dray) {
    let Some(scene) = Scene::new() else { return };
    let name = &scene.name;
    let lacking = format!("{name} is not there: there is no record of it\n");
    assert_eq!(scene.prints(example, &[]), lacking);
    scene.prints(&Dray::example("pull_image"), &[]);

    scene.registry.kill();
    let there = format!("{name} is there, for linux/amd64\n");
    assert_eq!(scene.prints(example, &[]), there);
    let short_id = &scene.index.index.digest["sha256:".len()..][..12];
    assert_eq!(example.run([scene.socket().as_str(), short_id]).success().stdout, there);
}

fn fetch_image(example: &Dray) {
    let Some(scene) = Scene::pulled() else { return };
    let other = &scene.index.images[1];
    let missing = [other.blobs(), other.manifests()].concat();
    let bytes: usize = missing.iter().map(|blob| blob.bytes.len()).sum();
    assert_eq!(scene.prints(example, &[]), format!("{} blobs, {bytes} bytes\n", missing.len()));
    assert_eq!(scene.prints(example, &[]), "0 blobs, 0 bytes\n");
}

fn completeness(example: &Dray) {
    let Some(scene) = Scene::pulled() else { return };
    let top = &scene.image().layers[1].digest;
    assert_eq!(scene.prints(example, &[SNAPSHOTTER]), "complete: true, unpacked: true\n");
    assert_eq!(scene.prints(example, &["native"]), "complete: true, unpacked: false\n");
    scene.daemon.ctr_ok(NAMESPACE, &["content", "rm", top]);
    let missing = format!("complete: false, unpacked: false\nmissing: layer {top}\n");
    assert_eq!(scene.prints(example, &["native"]), missing);
}

fn read_index(example: &Dray) {
    let Some(scene) = Scene::pulled() else { return };
    let [amd64, arm64] = scene.index.images.as_slice() else { panic!("it has two images") };
    let (amd64, arm64) = (&amd64.manifest.digest, &arm64.manifest.digest);
    let expected = format!("{amd64} linux/amd64\n{arm64} linux/arm64\n");
    assert_eq!(scene.prints(example, &[]), expected);
}

fn read_manifest(example: &Dray) {
    let Some(scene) = Scene::pulled() else { return };
    let layer = |layer: &Blob| format!("{} {} bytes\n", layer.digest, layer.bytes.len());
    let layers = scene.image().layers.iter().map(layer).collect::<Vec<_>>().concat();
    let expected = format!("manifest {}\n{layers}", scene.image().manifest.digest);
    assert_eq!(scene.prints(example, &[]), expected);
}

fn read_image_config(example: &Dray) {
    let Some(scene) = Scene::pulled() else { return };
    let diff_ids = scene.image().diff_ids.join("\n");
    let expected = format!("platform linux/amd64\ncolour=grey\n{diff_ids}\n");
    assert_eq!(scene.prints(example, &[]), expected);
}

fn unpacked_image_size(example: &Dray) {
    let Some(scene) = Scene::pulled() else { return };
    let printed = scene.prints(example, &[SNAPSHOTTER]);
    let bytes = printed.strip_suffix(" bytes\n").and_then(|bytes| bytes.parse::<usize>().ok());
    let files = "bottom".len() * 1000 + "top".len() * 1000;
    assert!(bytes.is_some_and(|bytes| bytes >= files), "{files} bytes of files: {printed}");
    assert_eq!(scene.prints(example, &["native"]), "it is not unpacked in native\n");
}

fn resolve_digest(example: &Dray) {
    let Some(scene) = Scene::new() else { return };
    let index = &scene.index.index;
    let expected = format!("{} {} {}\n", index.digest, index.media_type, index.bytes.len());
    assert_eq!(example.run([&scene.name]).success().stdout, expected);
}

fn parse_repo_tag(example: &Dray) {
    let prints = |name: &str| example.run([name]).success().stdout;
    assert_eq!(prints("quay.io/team/app:1.2"), "repository quay.io/team/app, tag \"1.2\"\n");
    assert_eq!(prints("alpine"), "repository alpine, tag \"latest\"\n");
    assert!(example.run(["Alpine"]).failure(1).stderr.starts_with("Error: "));
}
