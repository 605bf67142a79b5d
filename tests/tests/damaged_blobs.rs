//! Blob files that were damaged below containerd: by a fault in another namespace, a power failure, or a bad disk.
//! The tests check which commands notice, what they say, and which command repairs it.

use std::fs;
use std::path::PathBuf;

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Blob, Compression, Entry, Flavour, Image, Index, Layer};
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use dray_tests::{on_each_generation, require};
use serde_json::{Value, json};

on_each_generation! {
    a_damaged_blob_of_another_namespace_fails_the_pull,
    damaged_blobs_are_found_and_fetched_again,
    a_damaged_blob_of_two_namespaces_is_not_replaced,
    a_damaged_image_does_not_hide_others,
}

/// The kind of damage to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Gone,
    Empty,
    Cut,
    LastByteChanged,
}

use Damage::{Cut, Empty, Gone, LastByteChanged};

const ALL: [Damage; 4] = [Gone, Empty, Cut, LastByteChanged];

struct World {
    daemon: Containerd,
    registry: ScriptedRegistry,
    index: Index,
    name: String,
}

impl World {
    fn new(generation: Generation) -> Option<Self> {
        let daemon = require!(Containerd::start(generation), None);
        let registry = ScriptedRegistry::start();
        let layer = |name: &str| {
            let content: Vec<u8> = (0..5000_u32).flat_map(|number| (number * number).to_le_bytes()).collect();
            Layer::builder().entry(Entry::file(name, content)).build(Compression::Gzip)
        };
        let image = Image::builder("linux/amd64").layer(layer("one")).layer(layer("two")).build();
        let index = Index::new(Flavour::Oci, vec![image]);
        registry.add(&index, "damaged", "1");
        let name = registry.image("damaged:1");
        Some(Self { daemon, registry, index, name })
    }

    fn dray(&self, namespace: &str) -> Dray {
        Dray::with(&self.daemon, namespace)
    }

    fn image(&self) -> &Image {
        &self.index.images[0]
    }

    /// Index, manifest, config and the upper layer, each with its name in messages.
    fn blobs(&self) -> [(&'static str, &Blob); 4] {
        let Image { manifest, config, layers, .. } = self.image();
        let layer = layers.last().expect("the image has layers");
        [
            ("image index", &self.index.index),
            ("image manifest", manifest),
            ("image config", config),
            ("layer", layer),
        ]
    }

    fn file(&self, blob: &Blob) -> PathBuf {
        let store = self.daemon.root().join("io.containerd.content.v1.content/blobs");
        store.join(blob.digest.replace(':', "/"))
    }

    fn damage(&self, blob: &Blob, damage: Damage) {
        let (file, bytes) = (self.file(blob), &blob.bytes);
        let mut changed = bytes.to_vec();
        *changed.last_mut().expect("a blob has bytes") ^= 1;
        let left = match damage {
            Gone => return fs::remove_file(file).expect("containerd has a file of the blob"),
            Empty => &[],
            Cut => &bytes[..50],
            LastByteChanged => &changed[..],
        };
        fs::write(file, left).expect("the file can be written");
    }

    #[track_caller]
    fn assert_sound(&self, blob: &Blob) {
        assert!(fs::read(self.file(blob)).expect("the file is there") == blob.bytes, "it is still damaged");
    }
}

/// A pull does not trust a blob of another namespace, and names the namespace.
fn a_damaged_blob_of_another_namespace_fails_the_pull(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let pull = |namespace: &str| world.dray(namespace).run(["pull", &world.name]);
    pull("one").success();
    let one = State::of(&world.daemon, "one");
    for (what, blob) in world.blobs() {
        for damage in ALL {
            world.damage(blob, damage);
            let run = pull("two");
            if damage == Gone {
                // A missing file cannot be mistaken for the blob.
                run.success();
                world.assert_sound(blob);
                world.daemon.delete_images("two");
                world.daemon.collect_garbage();
                continue;
            }
            let run = run.failure(7);
            let said = format!("error: {what} {} is damaged in the store\n", blob.digest);
            assert!(run.stderr.contains(&said), "{damage:?}: {run}");
            let cure = format!("`ctr -n one content rm {}`", blob.digest);
            assert!(run.stderr.contains(&cure), "{damage:?}: {run}");
            assert!(State::of(&world.daemon, "two").is_empty(), "{what}, {damage:?}");

            world.dray("one").run(["image", "fetch", &world.name]).success();
            world.assert_sound(blob);
            assert_eq!(State::of(&world.daemon, "one"), one, "{what}, {damage:?}");
        }
    }
    pull("two").success();
    world.dray("two").run(["image", "check", "--deep", &world.name]).success();
}

/// The image is in one namespace only.
fn damaged_blobs_are_found_and_fetched_again(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let dray = world.dray("one");
    dray.run(["pull", &world.name]).success();
    let whole = State::of(&world.daemon, "one");
    let check =
        |deep: &[&str]| dray.run([&["image", "check", "--format", "json", &world.name], deep].concat());
    assert_eq!(check(&[]).success().json()["read"], json!("last-byte"));
    assert_eq!(check(&["--deep"]).success().json()["read"], json!("every-byte"));
    for (what, blob) in world.blobs() {
        for damage in ALL {
            world.damage(blob, damage);
            let is_document = what != "layer";
            // Of a layer, only a wrong length shows without `--deep`.
            let is_hidden = !is_document && damage == LastByteChanged;
            for deep in [&[] as &[&str], &["--deep"]] {
                let run = check(deep);
                if is_hidden && deep.is_empty() {
                    run.success();
                    continue;
                }
                let run = run.failure(7);
                assert_eq!(
                    damaged(&run.json()),
                    std::slice::from_ref(&blob.digest),
                    "{what}, {damage:?}: {run}"
                );
                assert!(run.stderr.contains("`dray image fetch`"), "{run}");
            }
            if is_document {
                for command in [&["pull"] as &[&str], &["pull", "--mode", "never"], &["image", "inspect"]] {
                    let run = dray.run([command, &[&world.name]].concat()).failure(7);
                    assert!(run.stderr.contains("`dray image fetch"), "{what}, {damage:?}: {run}");
                }
            }
            let fetched = dray.run(["image", "fetch", "--format", "json", &world.name]).success().json();
            assert_eq!(fetched["totals"]["downloaded_blobs"], 1, "{what}, {damage:?}: {fetched:#}");
            world.assert_sound(blob);
            check(&["--deep"]).success();
            assert_eq!(State::of(&world.daemon, "one"), whole, "{what}, {damage:?}");
        }
    }
}

/// Digests that a check reports as damaged.
fn damaged(checked: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut blobs = list(&checked["damaged_indexes"]);
    for platform in list(&checked["platforms"]) {
        blobs.extend(list(&platform["damaged_blobs"]));
    }
    blobs.iter().map(|blob| blob["digest"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The file belongs to both namespaces. Only the operator can decide to remove it from the other one.
fn a_damaged_blob_of_two_namespaces_is_not_replaced(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    for namespace in ["one", "two"] {
        world.dray(namespace).run(["pull", &world.name]).success();
    }
    let fetch = |namespace: &str| world.dray(namespace).run(["image", "fetch", &world.name]);
    for (what, blob) in world.blobs() {
        world.damage(blob, Cut);
        let states = ["one", "two"].map(|namespace| State::of(&world.daemon, namespace));
        let run = fetch("two").failure(7);
        let command = ["-n", "one", "content", "rm", &blob.digest].join(" ");
        assert!(run.stderr.contains(&format!("`ctr {command}`")), "{run}");
        assert_eq!(["one", "two"].map(|namespace| State::of(&world.daemon, namespace)), states, "{what}");

        world.daemon.ctr_ok("one", &["content", "rm", &blob.digest]);
        fetch("two").success();
        fetch("one").success();
        world.assert_sound(blob);
    }
    for namespace in ["one", "two"] {
        world.dray(namespace).run(["image", "check", "--deep", &world.name]).success();
    }
}

fn a_damaged_image_does_not_hide_others(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let layer = Layer::builder().entry(Entry::file("sound", "sound")).build(Compression::Gzip);
    let sound = Image::builder("linux/amd64").layer(layer).build();
    world.registry.add(&sound, "sound", "1");
    let name = world.registry.image("sound:1");
    let dray = world.dray("one");
    for name in [&world.name, &name] {
        dray.run(["pull", name]).success();
    }
    for (what, blob) in &world.blobs()[..3] {
        for damage in ALL {
            world.damage(blob, damage);
            let listed = dray.run(["image", "ls"]).success().stdout;
            let state = format!("damaged: {}", what.trim_start_matches("image "));
            assert_eq!(listed.matches(&state).count(), 1, "{damage:?}: {listed}");
            assert_eq!(listed.matches("  complete").count(), 1, "{damage:?}: {listed}");
            dray.run(["pull", "--mode", "missing", &name]).success();
            dray.run(["pull", "--mode", "missing", &world.name]).failure(7);
            dray.run(["image", "fetch", &world.name]).success();
        }
    }
    // The name now refers to another digest.
    world.damage(&world.index.index, Cut);
    world.registry.add(&sound, "damaged", "1");
    dray.run(["pull", "--mode", "missing", &world.name]).success();
}
