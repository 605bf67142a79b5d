//! Images of every kind, on each generation of containerd: dray leaves the same state and the same files as the `ctr`
//! of that generation, for every image that `ctr` can pull.

#[path = "image_kinds/artifacts.rs"]
mod artifacts;
#[path = "image_kinds/candidates.rs"]
mod candidates;
#[path = "image_kinds/encrypted.rs"]
mod encrypted;
#[path = "image_kinds/odd_configs.rs"]
mod odd_configs;

use dray_tests::command::{Dray, Run};
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{
    Blob, Bundle, Compression, Content, Entry, Flavour, Hash, Image, ImageBuilder, Index, Layer,
    LayerBuilder, in_members,
};
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use dray_tests::tree::Tree;
use dray_tests::{on_each_generation, require};
use serde_json::json;

const SNAPSHOTTER: &str = "overlayfs";

// Exit codes from docs/cli.md.
const CONTAINERD: i32 = 9;
const UNSUPPORTED: i32 = 10;

/// A layer that occurs in no other kind of image. Every directory is listed, so that all times but the root's come
/// from the archive.
fn archive(kind: &str, layer: usize) -> LayerBuilder {
    Layer::builder()
        .entry(Entry::directory("etc"))
        .entry(Entry::file("etc/kind", format!("{kind} {layer}\n").repeat(900)).owner(5, 6).mode(0o640))
        .entry(Entry::file(&format!("etc/layer{layer}"), format!("{layer}\n")))
        .entry(Entry::symlink("etc/link", "kind"))
}

fn layer(kind: &str, number: usize, compression: Compression) -> Layer {
    archive(kind, number).build(compression)
}

fn builder() -> ImageBuilder {
    Image::builder("linux/amd64")
}

/// Three layers; the second has the bytes of `middle`.
fn around(kind: &str, middle: Layer) -> ImageBuilder {
    let (bottom, top) = (layer(kind, 0, Compression::Gzip), layer(kind, 2, Compression::Gzip));
    builder().layer(bottom).layer(middle).layer(top)
}

/// Gives layer `index` another media type.
fn retyped(image: ImageBuilder, index: usize, media_type: &'static str) -> ImageBuilder {
    image.alter_manifest(move |manifest| manifest["layers"][index]["mediaType"] = json!(media_type))
}

const OCI_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
const OCI_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const OCI_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// An image in its container, and its name in messages.
struct Kind {
    name: &'static str,
    image: Image,
    content: Box<dyn Content>,
}

impl Kind {
    fn single(name: &'static str, image: ImageBuilder) -> Self {
        let image = image.build();
        Self { name, content: Box::new(image.clone()), image }
    }

    fn index(name: &'static str, flavour: Flavour) -> Self {
        let image = around(name, layer(name, 1, Compression::Gzip)).flavour(flavour).build();
        let other = Image::builder("linux/s390x").flavour(flavour).layer(layer(name, 9, Compression::Gzip));
        let index = Index::new(flavour, vec![other.build(), image.clone()]);
        Self { name, image, content: Box::new(index) }
    }

    fn nested(name: &'static str, flavour: Flavour) -> Self {
        let image = around(name, layer(name, 1, Compression::Gzip)).flavour(flavour).build();
        let inner = Index::new(flavour, vec![image.clone()]);
        Self { name, image, content: Box::new(Bundle::nested(flavour, &inner)) }
    }
}

/// Images that every `ctr` can pull.
fn kinds() -> Vec<Kind> {
    let mut kinds = vec![
        Kind::index("an OCI index", Flavour::Oci),
        Kind::index("a Docker manifest list", Flavour::Docker),
        Kind::nested("an index in an index", Flavour::Oci),
        Kind::nested("a list in a list", Flavour::Docker),
    ];
    for (name, compression) in [
        ("OCI layers without compression", Compression::None),
        ("OCI layers in gzip", Compression::Gzip),
        ("OCI layers in zstd", Compression::Zstd),
    ] {
        kinds.push(Kind::single(name, around(name, layer(name, 1, compression))));
    }
    for (name, compression) in [
        ("Docker layers without compression", Compression::None),
        ("Docker layers in gzip", Compression::Gzip),
    ] {
        kinds.push(Kind::single(name, around(name, layer(name, 1, compression)).flavour(Flavour::Docker)));
    }

    let name = "gzip of many members";
    let tar = archive(name, 1).archive();
    let members = layer(name, 1, Compression::Gzip).alter_blob(move |_| in_members(&tar, 7));
    kinds.push(Kind::single(name, around(name, members)));

    let name = "an empty gzip member at the end";
    let trailer = layer(name, 1, Compression::Gzip).alter_blob(|blob| {
        [blob, in_members(&[], 1), Layer::from_archive(&[], Compression::Gzip).into_blob()].concat()
    });
    kinds.push(Kind::single(name, around(name, trailer)));

    let name = "bytes behind the archive";
    let tar = [archive(name, 1).archive(), b"whatever follows is hashed as well".to_vec()].concat();
    kinds.push(Kind::single(name, around(name, Layer::from_archive(&tar, Compression::Gzip))));

    for (name, compression, claimed) in [
        ("gzip that says zstd", Compression::Gzip, OCI_ZSTD),
        ("zstd that says gzip", Compression::Zstd, OCI_GZIP),
        ("no compression that says gzip", Compression::None, OCI_GZIP),
    ] {
        kinds.push(Kind::single(name, retyped(around(name, layer(name, 1, compression)), 1, claimed)));
    }

    let name = "an empty layer";
    kinds.push(Kind::single(name, around(name, Layer::builder().build(Compression::Gzip))));

    let name = "the same layer twice";
    kinds.push(Kind::single(name, around(name, layer(name, 0, Compression::Gzip))));

    let name = "127 layers";
    let many = (0..127).fold(builder(), |image, n| image.layer(layer(name, n, Compression::Gzip)));
    kinds.push(Kind::single(name, many));
    kinds
}

/// The registry, and one daemon each for `dray` and `ctr`. Every image has its own namespace.
struct Pair {
    registry: ScriptedRegistry,
    ours: Containerd,
    theirs: Containerd,
    dray: Dray,
}

impl Pair {
    fn start(generation: Generation) -> Option<Self> {
        let ours = require!(Containerd::start(generation), None);
        let theirs = require!(Containerd::start(generation), None);
        let dray = Dray::new().args(["--address", &ours.socket().display().to_string()]);
        Some(Self { registry: ScriptedRegistry::start(), ours, theirs, dray })
    }

    fn generation(&self) -> Generation {
        self.ours.generation()
    }

    fn reference(&self, kind: &Kind) -> String {
        let tag = kind.name.replace(' ', "-");
        self.registry.add(kind.content.as_ref(), "kinds", &tag);
        self.registry.image(&format!("kinds:{tag}"))
    }

    /// The namespace of an image, in which blobs of other images are not visible.
    fn namespace(kind: &Kind) -> String {
        kind.name.replace(' ', "-")
    }

    fn dray(&self, kind: &Kind) -> Run {
        let reference = self.reference(kind);
        self.dray.run(["-n", &Self::namespace(kind), "pull", "--platform", "linux/amd64", &reference])
    }

    fn ctr(&self, kind: &Kind) -> Result<(), String> {
        let mut arguments = vec!["images", "pull", "--plain-http", "--platform", "linux/amd64"];
        if self.generation() == Generation::V2 {
            // Otherwise `ctr` 2 also stores manifests and configs of other platforms.
            arguments.push("--skip-metadata");
        }
        let reference = self.reference(kind);
        arguments.push(&reference);
        let output = self.theirs.ctr(&Self::namespace(kind), &arguments);
        let told = [output.stdout, output.stderr].concat();
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&told).into_owned()) }
    }

    /// Pulls it with both programs, and compares the results.
    fn compare(&self, kind: &Kind) {
        let what = format!("{}, {}", self.generation(), kind.name);
        let run = self.dray(kind);
        assert!(run.status.success(), "{what}: {run}");
        self.ctr(kind).unwrap_or_else(|told| panic!("{what}: {told}"));

        let namespace = Self::namespace(kind);
        let (ours, theirs) = (State::of(&self.ours, &namespace), State::of(&self.theirs, &namespace));
        assert!(ours.is_at_rest(), "{what}: {ours}");
        ours.without_what_ctr_does_otherwise()
            .assert_same_as_ctr(&theirs.without_what_ctr_does_otherwise(), &what);

        let chain = kind.image.chain_ids();
        let top = chain.last().expect("an image has layers");
        let trees = |daemon| Tree::of_chain(daemon, &namespace, SNAPSHOTTER, top).into_iter();
        let (ours, theirs) = (trees(&self.ours), trees(&self.theirs));
        assert_eq!(ours.len(), chain.len(), "{what}: the chain of snapshots");
        for (index, (ours, theirs)) in ours.zip(theirs).enumerate() {
            let root = |tree: Tree| tree.without("mtime", &["."]);
            root(ours).assert_same(&root(theirs), &format!("{what}, layer {index}"));
        }
    }

    /// Checks that neither program can pull it, and that dray leaves nothing. Returns dray's run.
    fn refused_by_both(&self, kind: &Kind) -> Run {
        let what = format!("{}, {}", self.generation(), kind.name);
        let run = self.dray(kind);
        assert!(!run.status.success(), "{what}: {run}");
        assert!(self.ctr(kind).is_err(), "{what}");
        let state = State::of(&self.ours, &Self::namespace(kind));
        assert!(state.images.is_empty() && state.is_at_rest(), "{what}: {run}\n{state}");
        run
    }
}

on_each_generation!(
    every_kind_is_pulled_as_ctr_does,
    faulty_layers_are_refused_as_ctr_does,
    zstd_layers_of_docker_need_containerd_2,
    images_with_sha512_digests_are_pulled_or_refused,
    windows_images_are_chosen_by_version,
    foreign_layers_come_from_their_urls
);

fn every_kind_is_pulled_as_ctr_does(generation: Generation) {
    let Some(pair) = Pair::start(generation) else { return };
    for kind in kinds() {
        pair.compare(&kind);
    }
    let twice =
        kinds().into_iter().find(|kind| kind.name == "the same layer twice").expect("it is one of them");
    let namespace = Pair::namespace(&twice);
    let fresh = require!(Containerd::start(generation));
    let before = pair.registry.requests().len();
    Dray::with(&fresh, &namespace).run(["pull", &pair.reference(&twice)]).success();
    let fetched = pair.registry.requests().split_off(before);
    let of_layer = fetched.iter().filter(|request| request.path.contains(&twice.image.layers[0].digest));
    assert_eq!(of_layer.count(), 1, "a layer that stands twice in the manifest is fetched once");
}

/// Go's reader accepts only another member after the last one. And containerd trusts an OCI media type without
/// compression, while it inspects layers of every other type.
fn faulty_layers_are_refused_as_ctr_does(generation: Generation) {
    let Some(pair) = Pair::start(generation) else { return };
    let name = "garbage after gzip";
    let garbage =
        layer(name, 1, Compression::Gzip).alter_blob(|blob| [blob, b"garbage after gzip".to_vec()].concat());
    let run = pair.refused_by_both(&Kind::single(name, around(name, garbage))).failure(CONTAINERD);
    assert!(run.stderr.contains("gzip: invalid header"), "{run}");

    let name = "zeros after gzip";
    let zeros = layer(name, 1, Compression::Gzip).alter_blob(|blob| [blob, vec![0; 512]].concat());
    pair.refused_by_both(&Kind::single(name, around(name, zeros))).failure(CONTAINERD);

    let name = "gzip that says nothing";
    let gzip = retyped(around(name, layer(name, 1, Compression::Gzip)), 1, OCI_TAR);
    pair.refused_by_both(&Kind::single(name, gzip)).failure(CONTAINERD);
}

/// Docker's media type for zstd layers is newer than containerd 1.x, which cannot unpack them.
fn zstd_layers_of_docker_need_containerd_2(generation: Generation) {
    let Some(pair) = Pair::start(generation) else { return };
    let name = "Docker layers in zstd";
    let kind = Kind::single(name, around(name, layer(name, 1, Compression::Zstd)).flavour(Flavour::Docker));
    if generation == Generation::V2 {
        pair.compare(&kind);
    } else {
        let run = pair.refused_by_both(&kind).failure(CONTAINERD);
        assert!(run.stderr.contains("rootfs.diff.tar.zstd"), "it names the type: {run}");
    }
}

fn images_with_sha512_digests_are_pulled_or_refused(generation: Generation) {
    let Some(pair) = Pair::start(generation) else { return };
    let name = "sha512 digests";
    let everything = Kind::single(name, around(name, layer(name, 1, Compression::Gzip)).hash(Hash::Sha512));
    let name = "one sha512 layer";
    let other = Blob::hashed("", layer(name, 1, Compression::Gzip).into_blob(), Hash::Sha512);
    let digest = other.digest.clone();
    let image = around(name, layer(name, 1, Compression::Gzip))
        .alter_manifest(move |manifest| manifest["layers"][1]["digest"] = json!(digest))
        .build();
    let blobs = image.blobs().into_iter().cloned().chain([other]).collect();
    let bundle = Bundle { blobs, manifests: vec![image.manifest.clone()] };
    let one = Kind { name, image, content: Box::new(bundle) };

    for kind in [everything, one] {
        if generation == Generation::V2 {
            pair.compare(&kind);
            continue;
        }
        let run = pair.refused_by_both(&kind).failure(UNSUPPORTED);
        assert!(run.stderr.contains("sha512:") && run.stderr.contains("containerd 2.3"), "{run}");
        let mut fetched = pair.registry.requests_to("GET", "/blobs/");
        // `ctr` learns it from the commit. dray asks before the download.
        fetched.retain(|request| request.header("user-agent").is_some_and(|agent| agent.starts_with("dray")));
        fetched.retain(|request| kind.image.layers.iter().any(|layer| request.path.ends_with(&layer.digest)));
        assert!(fetched.is_empty(), "no layer was downloaded for nothing: {fetched:?}");
    }
}

/// Several entries of one architecture that differ only in the version of Windows.
fn windows_images_are_chosen_by_version(generation: Generation) {
    let daemon = require!(Containerd::start(generation));
    let registry = ScriptedRegistry::start();
    let versions = ["10.0.20348.2340", "10.0.17763.5458", "10.0.14393.6709"];
    let image = |version: &str| {
        let files = Layer::builder()
            .entry(Entry::directory("Files"))
            .entry(Entry::file("Files/License.txt", version))
            .entry(Entry::directory("Hives"));
        let version = version.to_owned();
        Image::builder("windows/amd64")
            .flavour(Flavour::Docker)
            .layer(files.build(Compression::Gzip))
            .alter_config(move |config| config["os.version"] = json!(version))
            .build()
    };
    let images: Vec<Image> = versions.into_iter().map(image).collect();
    let index = Index::altered(Flavour::Docker, images.clone(), |index| {
        for (entry, version) in versions.iter().enumerate() {
            index["manifests"][entry]["platform"]["os.version"] = json!(version);
        }
    });
    registry.add(&index, "windows", "1");
    for (wanted, number) in [("windows(10.0.17763)/amd64", 1), ("windows(10.0.20348)/amd64", 0)] {
        let namespace = format!("windows{number}");
        let dray = Dray::with(&daemon, &namespace);
        dray.run(["pull", "--platform", wanted, &registry.image("windows:1")]).success();
        let state = State::of(&daemon, &namespace);
        assert!(state.is_at_rest(), "{state}");
        for (other, image) in images.iter().enumerate() {
            let there = state.content.contains_key(&image.manifest.digest);
            assert_eq!(there, other == number, "{generation}, {wanted}: {}", versions[other]);
        }
        assert_eq!(state.chain(SNAPSHOTTER, &images[number].diff_ids[0]), images[number].chain_ids());
    }
    let dray = Dray::with(&daemon, "other");
    let run = dray.run(["pull", "--platform", "windows(10.0.19041)/amd64", &registry.image("windows:1")]);
    let run = run.failure(UNSUPPORTED);
    assert!(run.stderr.contains("no image for windows(10.0.19041)/amd64"), "{run}");
    assert!(versions.iter().all(|version| run.stderr.contains(version)), "it lists the versions: {run}");
    assert!(State::of(&daemon, "other").images.is_empty(), "{run}");
}

/// Layers that are not in the registry, and whose descriptors have URLs.
fn foreign_layers_come_from_their_urls(generation: Generation) {
    let name = "foreign layers";
    for (flavour, media_type) in [
        (Flavour::Docker, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        (Flavour::Oci, "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
    ] {
        let Some(pair) = Pair::start(generation) else { return };
        let elsewhere = ScriptedRegistry::start();
        let foreign = layer(name, 1, Compression::Gzip);
        elsewhere.add_file("/files/layer.tgz", foreign.clone().into_blob());
        let url = format!("http://{}/files/layer.tgz", elsewhere.address());
        let image = around(name, foreign).flavour(flavour).alter_manifest(move |manifest| {
            manifest["layers"][1]["mediaType"] = json!(media_type);
            manifest["layers"][1]["urls"] = json!([url]);
        });
        let image = image.build();
        let blobs = image.blobs().into_iter().filter(|blob| **blob != image.layers[1]).cloned().collect();
        let bundle = Bundle { blobs, manifests: vec![image.manifest.clone()] };
        pair.compare(&Kind { name, image, content: Box::new(bundle) });
        assert_eq!(elsewhere.requests_to("GET", "/files/").len(), 2, "one by each program");
    }
}
