//! The support crate itself, checked with containerd's own client.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Compression, Content as _, Entry, Flavour, Image, Index, Layer};
use dray_tests::require;
use dray_tests::state::State;
use dray_tests::terminal::Screen;
use dray_tests::tree::Tree;

const NAMESPACE: &str = "support";

fn image(flavour: Flavour, compression: Compression) -> Image {
    let bottom = Layer::builder()
        .entry(Entry::directory("etc"))
        .entry(
            Entry::file("etc/motd", "hello\n").owner(3, 4).mtime(1_000_000_000, 5).xattr("user.key", "value"),
        )
        .entry(Entry::hard_link("etc/motd.twin", "etc/motd").owner(3, 4).mtime(1_000_000_000, 5))
        .entry(Entry::symlink("etc/link", "motd"))
        .entry(Entry::directory("data"))
        .entry(Entry::file("data/old", "old"));
    let top = Layer::builder().entry(Entry::whiteout("etc/link")).entry(Entry::opaque("data"));
    let (bottom, top) = (bottom.build(compression), top.build(compression));
    Image::builder("linux/amd64").flavour(flavour).layer(bottom).layer(top).build()
}

fn pull_by_ctr(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let mut daemon = require!(Containerd::start(generation));
    let image = image(Flavour::Oci, Compression::Gzip);
    let digest = image.manifest.digest.clone();
    let chain = image.chain_ids();
    let index = Index::new(Flavour::Oci, vec![image]);
    registry.push(&index, "demo:1");
    let reference = registry.reference("demo:1");

    assert!(State::of(&daemon, NAMESPACE).is_empty());
    daemon.ctr_ok(NAMESPACE, &["images", "pull", "--platform", "linux/amd64", "--plain-http", &reference]);
    assert!(registry.requests().contains(&format!("GET /v2/demo/manifests/{digest} 200")));

    let state = State::of(&daemon, NAMESPACE);
    assert_eq!(state.images[&reference].digest, index.index.digest);
    assert_eq!(state.content.len(), 5, "{state}");
    assert_eq!(state.chain("overlayfs", &chain[1]), chain);
    let snapshots = &state.snapshots["overlayfs"];
    assert_eq!((snapshots[&chain[1]].kind, &snapshots[&chain[1]].parent), ("committed", &chain[0]));

    let layers = Tree::of_chain(&daemon, NAMESPACE, "overlayfs", &chain[1]);
    let motd = layers[0].get("etc/motd").expect("the file is unpacked");
    assert_eq!((motd["owner"].as_str(), motd["mtime"].as_str()), ("3:4", "1000000000.000000005"));
    assert_eq!((motd["same file as"].as_str(), motd["xattr user.key"].as_str()), ("./etc/motd", "value"));
    assert_eq!(layers[1].get("etc/link").expect("the whiteout is there")["device"], "0:0");
    assert_eq!(layers[1].get("data").expect("the directory is there")["xattr trusted.overlay.opaque"], "y");
    let seen = Tree::of_snapshot(&daemon, NAMESPACE, "overlayfs", &chain[1]);
    assert!(
        seen.get("etc/motd.twin").is_some()
            && seen.get("etc/link").is_none()
            && seen.get("data/old").is_none()
    );

    daemon.kill9();
    daemon.restart();
    assert_eq!(State::of(&daemon, NAMESPACE).images, state.images);
    daemon.ctr_ok(NAMESPACE, &["images", "rm", "--sync", &reference]);
    daemon.collect_garbage();
    assert!(State::of(&daemon, NAMESPACE).is_empty(), "{}", State::of(&daemon, NAMESPACE));
}

#[test]
fn debians_containerd_pulls_what_was_pushed() {
    pull_by_ctr(Generation::Debian16);
}

#[test]
fn containerd_1_7_pulls_what_was_pushed() {
    pull_by_ctr(Generation::V17);
}

#[test]
fn containerd_2_pulls_what_was_pushed() {
    pull_by_ctr(Generation::V2);
}

#[test]
fn every_compression_unpacks_to_the_same_tree() {
    let registry = require!(DockerRegistry::start());
    let daemon = require!(Containerd::start(Generation::Debian16));
    let mut first: Option<Tree> = None;
    for (number, (flavour, compression)) in [
        (Flavour::Oci, Compression::None),
        (Flavour::Oci, Compression::Gzip),
        (Flavour::Oci, Compression::Zstd),
        (Flavour::Docker, Compression::None),
        (Flavour::Docker, Compression::Gzip),
    ]
    .into_iter()
    .enumerate()
    {
        let image = image(flavour, compression);
        let (namespace, name) = (format!("kind-{number}"), format!("kind:{number}"));
        registry.push(&image, &name);
        let reference = registry.reference(&name);
        daemon.ctr_ok(&namespace, &["images", "pull", "--plain-http", &reference]);
        let tree = Tree::of_snapshot(&daemon, &namespace, "overlayfs", &image.chain_ids()[1]);
        let tree = tree.without("mtime", &[".", "etc", "data"]);
        match &first {
            None => first = Some(tree),
            Some(first) => first.assert_same(&tree, &format!("{flavour:?} {compression:?}")),
        }
    }
}

#[test]
fn skopeo_copies_a_layout_to_the_registry() {
    let registry = require!(DockerRegistry::start());
    let image = image(Flavour::Oci, Compression::Gzip);
    let layout = dray_tests::scratch::Scratch::new(dray_tests::scratch::Place::Memory);
    image.write_layout(layout.path(), "one").expect("a layout can be written");
    require!(registry.push_oci_layout(layout.path(), "one", "copied:two"));
    let daemon = require!(Containerd::start(Generation::Debian16));
    let reference = registry.reference("copied:two");
    daemon.ctr_ok(NAMESPACE, &["images", "pull", "--plain-http", &reference]);
    assert_eq!(State::of(&daemon, NAMESPACE).images[&reference].digest, image.manifest.digest);
}

#[test]
fn the_program_runs_with_and_without_a_terminal() {
    let dray = Dray::new();
    let run = dray.run(["--version"]).success();
    assert!(run.to_string().starts_with("exit code: 0\n--- stdout\n"), "{run}");
    let (status, printed) = dray.spawn_on_terminal(["--version"], Screen::default()).wait();
    assert!(status.success(), "{printed}");
    assert_eq!(printed.replace("\r\n", "\n"), run.stdout);
}
