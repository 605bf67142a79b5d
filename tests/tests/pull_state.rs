//! What a pull leaves behind, on each generation of containerd, against what the same daemon's own `ctr`
//! leaves: records, labels, snapshot chains, and the unpacked trees to the byte.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Compression, Content, Entry, Flavour, Image, Index, Layer};
use dray_tests::state::State;
use dray_tests::tree::Tree;
use dray_tests::{on_each_generation, require};

const NAMESPACE: &str = "default";
const SNAPSHOTTER: &str = "overlayfs";

/// Every kind of entry, in three layers that build on each other.
fn image(platform: &str, flavour: Flavour) -> Image {
    let bottom = Layer::builder()
        .entry(Entry::directory("etc").mode(0o751))
        .entry(Entry::file("etc/motd", "hello\n").owner(7, 8))
        .entry(Entry::file("etc/gone", "soon\n"))
        .entry(Entry::directory("var").mode(0o1777).owner(3, 4))
        .entry(Entry::directory("var/old"))
        .entry(Entry::file("var/old/a", "a"))
        .entry(Entry::file("bin/tool", vec![0x7f; 70_000]).mode(0o4755).mtime(1_400_000_000, 123_456_789))
        .entry(Entry::hard_link("bin/same", "bin/tool"))
        .entry(Entry::symlink("lib", "usr/lib"))
        .entry(Entry::fifo("run/pipe"))
        .entry(Entry::character_device("dev/zero", 1, 5))
        .entry(Entry::file("bin/ping", "ping").xattr("user.note", "kept"));
    let middle = Layer::builder()
        .entry(Entry::whiteout("etc/gone"))
        .entry(Entry::directory("var/old"))
        .entry(Entry::opaque("var/old"))
        .entry(Entry::file("var/old/b", "b"))
        // The directory above is not in this layer.
        .entry(Entry::file("var/new", "new"));
    let top = Layer::builder()
        .entry(Entry::file("etc/motd", "hello again\n").mode(0o600))
        .entry(Entry::file("unicode/grüße", "ü"));
    Image::builder(platform)
        .flavour(flavour)
        .layer(bottom.build(Compression::Gzip))
        .layer(middle.build(if flavour == Flavour::Oci { Compression::Zstd } else { Compression::Gzip }))
        .layer(top.build(Compression::None))
        .build()
}

/// One pull by `dray` and one by `ctr`, each into a daemon of its own.
struct Pulled {
    dray: (Containerd, State),
    ctr: (Containerd, State),
    top: String,
}

fn pull(generation: Generation, registry: &DockerRegistry, name: &str, image: &Image) -> Option<Pulled> {
    let reference = registry.reference(name);
    let ours = require!(Containerd::start(generation), None);
    let theirs = require!(Containerd::start(generation), None);
    Dray::with(&ours, NAMESPACE).run(["pull", &reference]).success();
    let mut arguments = vec!["images", "pull", "--plain-http"];
    if generation == Generation::V2 {
        // Without it `ctr` 2 also stores the manifests and configs of the platforms that nobody wants.
        arguments.push("--skip-metadata");
    }
    arguments.push(&reference);
    theirs.ctr_ok(NAMESPACE, &arguments);
    let top = image.chain_ids().last().cloned().unwrap_or_default();
    let (dray, ctr) = (State::of(&ours, NAMESPACE), State::of(&theirs, NAMESPACE));
    Some(Pulled { dray: (ours, dray), ctr: (theirs, ctr), top })
}

fn compare(generation: Generation, registry: &DockerRegistry, name: &str, image: &Image) {
    let Some(pulled) = pull(generation, registry, name, image) else { return };
    let (daemon, state) = &pulled.dray;
    assert!(state.is_at_rest(), "{generation}: {state}");

    let chain = state.chain(SNAPSHOTTER, &pulled.top);
    assert_eq!(chain, image.chain_ids(), "{generation}: the chain of snapshots");
    for key in &chain {
        let snapshot = &state.snapshots[SNAPSHOTTER][key];
        assert_eq!(snapshot.labels.get("containerd.io/snapshot.ref"), Some(key), "{generation}");
        assert_eq!(snapshot.labels.len(), 1, "{generation}: {:?}", snapshot.labels);
    }

    let ours = state.clone().without_what_ctr_does_otherwise();
    let theirs = pulled.ctr.1.clone().without_what_ctr_does_otherwise();
    ours.assert_same_as_ctr(&theirs, &format!("{generation}, {name}"));

    // Directories that the archive of a layer does not list get the time of the unpacking, and so does a whiteout.
    let implied: [&[&str]; 3] =
        [&[".", "bin", "dev", "run"], &[".", "etc", "etc/gone", "var"], &[".", "etc", "unicode"]];
    let trees = |daemon| {
        let trees = Tree::of_chain(daemon, NAMESPACE, SNAPSHOTTER, &pulled.top).into_iter();
        trees.zip(implied).map(|(tree, implied)| tree.without("mtime", implied)).collect::<Vec<_>>()
    };
    let (ours, theirs) = (trees(daemon), trees(&pulled.ctr.0));
    assert_eq!(ours.len(), image.layers.len(), "{generation}");
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        ours.assert_same(theirs, &format!("{generation}, {name}, layer {index}"));
    }
}

fn index_of_docker_types(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let image = image("linux/amd64", Flavour::Docker);
    let other = self::image("linux/s390x", Flavour::Docker);
    registry.push(&Index::new(Flavour::Docker, vec![other, image.clone()]), "kinds/docker:1");
    compare(generation, &registry, "kinds/docker:1", &image);
}

fn single_manifest_of_oci_types(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let image = image("linux/amd64", Flavour::Oci);
    registry.push(&image as &dyn Content, "kinds/oci:1");
    compare(generation, &registry, "kinds/oci:1", &image);
}

on_each_generation!(
    index_of_docker_types,
    single_manifest_of_oci_types,
    second_pull_fetches_nothing,
    foreign_labels_stay,
    two_pulls_at_once
);

fn second_pull_fetches_nothing(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let daemon = require!(Containerd::start(generation));
    registry.push(&image("linux/amd64", Flavour::Oci), "twice:1");
    let reference = registry.reference("twice:1");
    let dray = Dray::with(&daemon, NAMESPACE);
    dray.run(["pull", &reference]).success();
    let (first, requests) = (State::of(&daemon, NAMESPACE), registry.requests().len());

    let report = dray.run(["pull", "--format", "json", &reference]).success().json();
    assert_eq!(report["totals"]["downloaded_blobs"], 0);
    for layer in report["layers"].as_array().expect("layers are a list") {
        assert_eq!(layer["outcome"], "existed");
    }
    assert_eq!(State::of(&daemon, NAMESPACE), first);
    let requests = registry.requests().split_off(requests);
    assert!(requests.iter().all(|request| !request.contains("/blobs/")), "{requests:?}");
}

fn foreign_labels_stay(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let daemon = require!(Containerd::start(generation));
    registry.push(&image("linux/amd64", Flavour::Oci), "labels:1");
    let reference = registry.reference("labels:1");
    let dray = Dray::with(&daemon, NAMESPACE);
    dray.run(["pull", &reference]).success();
    daemon.ctr_ok(NAMESPACE, &["images", "label", &reference, "io.cri-containerd.image=managed"]);
    dray.run(["pull", &reference]).success();
    let state = State::of(&daemon, NAMESPACE);
    assert_eq!(state.images[&reference].labels["io.cri-containerd.image"], "managed");
}

fn two_pulls_at_once(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let daemon = require!(Containerd::start(generation));
    let image = image("linux/amd64", Flavour::Oci);
    registry.push(&image, "together:1");
    let reference = registry.reference("together:1");
    let dray = Dray::with(&daemon, NAMESPACE);
    let (one, two) = (dray.spawn(["pull", &reference]), dray.spawn(["pull", &reference]));
    one.wait().success();
    two.wait().success();
    let state = State::of(&daemon, NAMESPACE);
    assert!(state.is_at_rest(), "{state}");
    for layer in &image.layers {
        let fetched = registry
            .requests()
            .iter()
            .filter(|request| request.starts_with("GET") && request.contains(&layer.digest))
            .count();
        assert_eq!(fetched, 1, "{}: {:?}", layer.digest, registry.requests());
    }
}
