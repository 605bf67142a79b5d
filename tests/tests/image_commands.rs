//! `dray image` on a real containerd of each generation: finding, reading, measuring and checking images; and `dray
//! resolve` on a real registry.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::docker_registry::DockerRegistry;
use dray_tests::image::{Blob, Compression, Entry, Flavour, Image, Index, Layer};
use dray_tests::{on_each_generation, require};
use serde_json::{Value, json};

const NAMESPACE: &str = "reading";

fn image(platform: &str, name: &str, layers: usize) -> Image {
    let mut builder = Image::builder(platform);
    for number in 0..layers {
        let text = format!("layer {number} of {name}\n").repeat(5000);
        let layer = Layer::builder().entry(Entry::file(&format!("layer-{number}"), text));
        builder = builder.layer(layer.build(Compression::Gzip));
    }
    builder.build()
}

/// A containerd with two pulled images for linux/amd64: one of three platforms, and one of a single platform.
struct World {
    registry: DockerRegistry,
    daemon: Containerd,
    dray: Dray,
    several: Index,
    one: Image,
}

impl World {
    fn new(generation: Generation) -> Option<Self> {
        let registry = require!(DockerRegistry::start(), None);
        let daemon = require!(Containerd::start(generation), None);
        let images =
            ["linux/s390x", "linux/amd64", "linux/arm64"].map(|platform| image(platform, platform, 2));
        let several = Index::new(Flavour::Oci, images.into());
        let one = image("linux/amd64", "one", 1);
        registry.push(&several, "team/several:1");
        registry.push(&one, "team/one:1");
        let dray = Dray::with(&daemon, NAMESPACE).args(["--snapshotter", "overlayfs"]);
        let world = Self { registry, daemon, dray, several, one };
        for name in ["team/several:1", "team/one:1"] {
            world.dray.run(["pull", &world.name(name)]).success();
        }
        Some(world)
    }

    fn name(&self, name: &str) -> String {
        self.registry.reference(name)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let printed = self.dray.run([&["image"], arguments, &["--format", "json"]].concat()).success().json();
        assert_documented(&printed);
        printed
    }

    /// Removes blobs directly, as a collector without labels would.
    fn remove(&self, blobs: &[&Blob]) {
        for blob in blobs {
            self.daemon.ctr_ok(NAMESPACE, &["content", "rm", &blob.digest]);
        }
    }

    fn amd64(&self) -> &Image {
        &self.several.images[1]
    }
}

/// docs/cli.md describes every member of the output.
fn assert_documented(value: &Value) {
    let page = include_str!("../../docs/cli.md");
    for item in value.as_array().into_iter().flatten() {
        assert_documented(item);
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        assert!(page.contains(&format!("`{key}`")), "docs/cli.md does not tell of `{key}`");
        if key != "image" && key != "labels" {
            assert_documented(value);
        }
    }
}

fn rows(world: &World) -> Vec<Value> {
    world.json(&["ls"]).as_array().expect("the list is an array").clone()
}

fn images_are_listed(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let (one, several) = (world.name("team/one:1"), world.name("team/several:1"));

    let rows = rows(&world);
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, [one.as_str(), &several], "one row, for the platform that is there: {rows:#?}");
    let row = &rows[1];
    assert_eq!(row["platform"], json!({"os": "linux", "architecture": "amd64"}));
    assert_eq!(
        (&row["digest"], &row["manifest"]),
        (&json!(world.several.index.digest), &json!(world.amd64().manifest.digest))
    );
    let amd64 = world.amd64();
    let blobs = [&amd64.manifest, &amd64.config].into_iter().chain(&amd64.layers);
    assert_eq!(row["size"], blobs.map(|blob| blob.bytes.len()).sum::<usize>());
    assert!(row["unpacked_size"].as_u64().is_some_and(|size| size > 100_000), "{row:#}");
    assert_eq!(
        (&row["complete"], &row["unpacked"], &row["missing"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert!(row["created"].as_str().is_some_and(|time| time.len() == 20 && time.ends_with('Z')), "{row:#}");

    let quiet = world.dray.run(["image", "ls", "-q"]).success();
    assert_eq!(quiet.stdout, format!("{one}\n{several}\n"));
    let text = world.dray.run(["image", "ls"]).success().stdout;
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "PLATFORM", "DIGEST", "CREATED", "SIZE", "STATE"]);
    assert_eq!(
        (lines[2][0], lines[2][1], lines[2][6]),
        (several.as_str(), "linux/amd64", "complete"),
        "{text}"
    );

    let nothing = Dray::with(&world.daemon, "nothing");
    assert_eq!(nothing.run(["image", "ls", "--format", "json"]).success().stdout, "[]\n");
}

fn check_lists_what_is_missing(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let (one, several) = (world.name("team/one:1"), world.name("team/several:1"));
    let check =
        |arguments: &[&str]| world.dray.run([&["image", "check", "--format", "json"], arguments].concat());

    let found = check(&[&several]).success().json();
    assert_eq!((&found["complete"], &found["unpacked"]), (&json!(true), &json!(true)), "{found:#}");
    assert_documented(&found);
    let run = check(&["--all-platforms", &several]).failure(4);
    let found = run.json();
    assert_documented(&found);
    let missing = |platform: &Value| -> Vec<String> {
        let blobs = platform["missing_blobs"].as_array().expect("a list").iter();
        blobs
            .map(|blob| {
                format!(
                    "{} {}",
                    blob["role"].as_str().unwrap_or_default(),
                    blob["digest"].as_str().unwrap_or_default()
                )
            })
            .collect()
    };
    let platforms = found["platforms"].as_array().expect("a list");
    assert_eq!(platforms.len(), 3, "{found:#}");
    assert_eq!(missing(&platforms[1]), [""; 0]);
    assert_eq!(missing(&platforms[2]), [format!("manifest {}", world.several.images[2].manifest.digest)]);
    assert!(
        run.stderr.contains("missing: 2 manifests") && run.stderr.contains(r#""kind":"not-found""#),
        "{run}"
    );

    // The layers are unpacked, so their blobs are not needed.
    let amd64 = world.amd64();
    world.remove(&[&amd64.layers[1]]);
    let found = check(&[&several]).success().json();
    assert_eq!(missing(&found["platforms"][0]), [format!("layer {}", amd64.layers[1].digest)]);
    assert_eq!(found["platforms"][0]["missing_blobs"][0]["unpacked"], json!(true));
    // Another snapshotter needs them.
    let elsewhere = Dray::with(&world.daemon, NAMESPACE).args(["--snapshotter", "native"]);
    let run = elsewhere.run(["image", "check", &several]).failure(4);
    assert!(run.stdout.contains(&format!("snapshot  {}  not in native", amd64.chain_ids()[0])), "{run}");
    assert!(
        run.stderr.ends_with("missing: 1 layer\nhint: `dray image fetch` fetches the missing blobs\n"),
        "{run}"
    );
    let rows = elsewhere.run(["image", "ls"]).success().stdout;
    assert!(rows.contains("complete, not unpacked") && rows.contains("missing: 1 layer"), "{rows}");

    world.remove(&[&amd64.config]);
    check(&[&several]).failure(4);
    world.dray.run(["image", "inspect", &several]).failure(4);
    world.remove(&[&amd64.manifest]);
    let row = &self::rows(&world)[1];
    assert_eq!((&row["platform"], &row["complete"]), (&Value::Null, &json!(false)), "{row:#}");
    assert_eq!(row["missing"].as_array().map(Vec::len), Some(3), "{row:#}");
    world.remove(&[&world.several.index]);
    let run = check(&[&several]).failure(4);
    assert_eq!(run.json()["missing_indexes"][0]["digest"], json!(world.several.index.digest), "{run}");
    check(&[&one]).success();
}

fn images_are_found_by_name_and_id(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let (one, several) = (world.name("team/one:1"), world.name("team/several:1"));
    let (digest, repository) = (world.several.index.digest.clone(), world.name("team/several"));
    let hex = digest.trim_start_matches("sha256:");
    let name_of = |name: &str| world.json(&["inspect", name])["name"].clone();
    for name in [
        several.clone(),
        digest.clone(),
        hex.to_owned(),
        hex[..12].to_owned(),
        digest[..19].to_owned(),
        format!("{repository}@{digest}"),
        format!("{repository}:1@{digest}"),
        format!("{repository}:other@{digest}"),
    ] {
        assert_eq!(name_of(&name), several.as_str(), "{name}");
    }
    for name in [
        world.name("team/several:2"),
        format!("{}@{digest}", world.name("team/one")),
        format!("{repository}@{}", world.one.manifest.digest),
        // A filter of containerd would split this at the comma.
        "a,b".to_owned(),
        "/.*/".to_owned(),
    ] {
        let run = world.dray.run(["image", "inspect", &name]).failure(4);
        assert!(run.stderr.starts_with(&format!("error: there is no image `{name}`")), "{run}");
    }

    // A name that is also the beginning of a digest counts as a name.
    let short = &hex[..7];
    world.daemon.ctr_ok(NAMESPACE, &["images", "tag", &one, &format!("docker.io/library/{short}:latest")]);
    assert_eq!(name_of(short), format!("docker.io/library/{short}:latest"));
    assert_eq!(name_of(&hex[..8]), several.as_str());
}

/// Enough images that two digests start with the same digit.
fn an_id_of_two_images_is_refused(generation: Generation) {
    let registry = require!(DockerRegistry::start());
    let daemon = require!(Containerd::start(generation));
    let dray = Dray::with(&daemon, NAMESPACE);
    let mut digests: Vec<String> = Vec::new();
    let shared = (0..17).find_map(|number| {
        let image = image("linux/amd64", &format!("image {number}"), 1);
        let name = format!("ids/{number}:1");
        registry.push(&image, &name);
        dray.run(["pull", "-q", &registry.reference(&name)]).success();
        let first = image.manifest.digest[..8].to_owned();
        let other = digests.iter().find(|digest| digest.starts_with(&first)).cloned();
        digests.push(image.manifest.digest.clone());
        other.map(|other| (first, other, image.manifest.digest))
    });
    let (first, one, two) = shared.expect("there are only sixteen digits");
    for id in [first.as_str(), first.trim_start_matches("sha256:")] {
        let run = dray.run(["image", "inspect", id]).failure(2);
        assert!(run.stderr.contains("is the beginning of the digest of 2 images"), "{run}");
        assert!(run.stderr.contains(&one) && run.stderr.contains(&two), "{run}");
    }
    dray.run(["image", "inspect", &one]).success();
}

/// Names and indexes do not depend on platform or snapshotter.
fn commands_without_plugins_load_none(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let several = world.name("team/several:1");
    let dray = Dray::with(&world.daemon, NAMESPACE).args(["--snapshotter", "missing"]);
    dray.run(["image", "ls", "-q"]).success();
    dray.run(["image", "inspect", "--raw", "index", &several]).success();
    assert!(!dray.cache().join("dray").exists(), "a plugin was compiled");
    dray.run(["image", "inspect", "--raw", "manifest", &several]).success();
    assert!(dray.cache().join("dray").exists(), "this is not where compiled plugins are kept");
}

/// Without the default snapshotter, the other facts are printed. A snapshotter that the user names must exist.
fn the_default_snapshotter_need_not_be_loaded(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let several = world.name("team/several:1");
    let label = "containerd.io/defaults/snapshotter=absent";
    world.daemon.ctr_ok(NAMESPACE, &["namespaces", "label", NAMESPACE, label]);
    let dray = Dray::with(&world.daemon, NAMESPACE);
    let note = "note: the store has no snapshotter `absent`; dray cannot tell what is unpacked\n";
    for command in ["ls", "inspect", "check"] {
        let name: &[&str] = if command == "ls" { &[] } else { &[&several] };
        let run = dray.run([&["image", command], name].concat()).success();
        assert_eq!(run.stderr, note, "{command}");
        assert!(run.stdout.contains(&several), "{run}");
        let named = dray.run([&["--snapshotter", "absent", "image", command], name].concat());
        assert!(named.failure(3).stderr.contains("the store has no snapshotter `absent`"));
    }
    let found = dray.run(["image", "check", "--format", "json", &several]).success().json();
    assert_documented(&found);
    assert_eq!((&found["snapshotter"], &found["complete"]), (&Value::Null, &json!(true)));
    for arguments in [&["inspect", "--raw", "config"] as &[&str], &["fetch"]] {
        let run = dray.run([&["image"], arguments, &[&several]].concat()).success();
        assert!(!run.stderr.contains("note:"), "{run}");
    }
    dray.run(["image", "size", &several]).failure(3);
}

fn documents_are_printed_byte_for_byte(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let (one, several) = (world.name("team/one:1"), world.name("team/several:1"));
    let raw = |document: &str, name: &str| world.dray.run(["image", "inspect", "--raw", document, name]);
    let amd64 = world.amd64();
    for (document, name, expected) in [
        ("index", &several, &world.several.index),
        ("manifest", &several, &amd64.manifest),
        ("config", &several, &amd64.config),
        ("manifest", &one, &world.one.manifest),
        ("config", &one, &world.one.config),
    ] {
        assert_eq!(raw(document, name).success().stdout.as_bytes(), expected.bytes, "{document} of {name}");
    }
    raw("index", &one).failure(4);
    for command in ["inspect", "size", "check"] {
        let run = world.dray.run(["image", command, "--platform", "linux/arm64", &one]).success();
        assert_eq!(
            run.stderr, "note: the image is for linux/amd64 only, linux/arm64 is wanted\n",
            "{command}"
        );
    }
    let other =
        world.dray.run(["image", "inspect", "--raw", "manifest", "--platform", "linux/arm64", &several]);
    let other = other.failure(4);
    assert!(other.stderr.contains(&world.several.images[2].manifest.digest), "{other}");
    let none = world.dray.run(["image", "inspect", "--platform", "linux/riscv64", &several]).failure(10);
    assert!(none.stderr.contains("`linux/s390x`, `linux/amd64`, `linux/arm64`"), "{none}");

    let found = world.json(&["inspect", &several]);
    assert_eq!(found["config"]["digest"], json!(amd64.config.digest));
    let config: Value = serde_json::from_slice(&amd64.config.bytes).expect("a config is JSON");
    assert_eq!(found["image"], config);
    assert_eq!(found["layers"][1]["chain_id"], json!(amd64.chain_ids()[1]));
    assert_eq!(
        (&found["layers"][1]["present"], &found["layers"][1]["unpacked"]),
        (&json!(true), &json!(true))
    );
    let text = world.dray.run(["image", "inspect", &one]).success().stdout;
    assert!(text.contains("state        complete\n") && text.contains(&world.one.layers[0].digest), "{text}");
}

fn images_are_measured(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let several = world.name("team/several:1");
    let run = world.dray.run(["image", "size", &several]).success();
    let bytes: u64 = run.stdout.trim_end().parse().expect("a number");
    assert!((200_000..2_000_000).contains(&bytes) && run.stderr.is_empty(), "{run}");
    let size = world.json(&["size", &several]);
    assert_eq!((&size["bytes"], &size["unpacked"]), (&json!(bytes), &json!(true)), "{size:#}");

    let elsewhere = Dray::with(&world.daemon, NAMESPACE).args(["--snapshotter", "native"]);
    let run = elsewhere.run(["image", "size", &several]).success();
    assert_eq!(run.stdout, "0\n");
    assert_eq!(run.stderr, "note: the image is not unpacked in snapshotter `native`\n");
    let nobody = Dray::with(&world.daemon, NAMESPACE).args(["--snapshotter", "nobody"]);
    nobody.run(["image", "size", &several]).failure(3);
}

/// A record for an artifact, beside the images.
fn an_artifact_does_not_disturb_other_images(generation: Generation) {
    let Some(world) = World::new(generation) else { return };
    let chart = Image::builder("linux/amd64").alter_manifest(|manifest| {
        manifest["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    });
    let chart = chart.build();
    world.registry.push(&chart, "team/chart:1");
    let name = world.name("team/chart:1");
    world.daemon.ctr_ok(NAMESPACE, &["content", "fetch", "--plain-http", &name]);
    let rows = rows(&world);
    assert_eq!(rows.len(), 3, "{rows:#?}");
    let error = rows[0]["error"].as_str().expect("an artifact is no image");
    assert!(error.contains("application/vnd.cncf.helm.config.v1+json"), "{error}");
    world.dray.run(["image", "inspect", &name]).failure(10);
}

on_each_generation!(
    images_are_listed,
    check_lists_what_is_missing,
    images_are_found_by_name_and_id,
    an_id_of_two_images_is_refused,
    documents_are_printed_byte_for_byte,
    commands_without_plugins_load_none,
    the_default_snapshotter_need_not_be_loaded,
    images_are_measured,
    an_artifact_does_not_disturb_other_images,
);

#[test]
fn a_name_is_resolved_by_the_registry() {
    let registry = require!(DockerRegistry::start());
    let image = image("linux/amd64", "resolved", 1);
    registry.push(&image, "resolved:1");
    let name = registry.reference("resolved:1");
    let dray = Dray::new().knowing(&registry);
    let answer = dray.run(["resolve", "--format", "json", &name]).success().json();
    assert_eq!(
        answer,
        json!({
            "name": name,
            "digest": image.manifest.digest,
            "media_type": image.manifest.media_type,
            "size": image.manifest.bytes.len(),
        })
    );
    let quiet = dray.run(["resolve", "-q", &name]).success();
    assert_eq!(quiet.stdout, format!("{}\n", image.manifest.digest));
    let text = dray.run(["resolve", &name]).success().stdout;
    assert!(text.contains(&format!("digest       {}\n", image.manifest.digest)), "{text}");
    assert!(
        registry.requests().iter().all(|request| !request.contains("/blobs/sha256:")),
        "nothing is downloaded"
    );
    let absent = registry.reference("resolved:2");
    let run = dray.run(["resolve", &absent]).failure(4);
    assert!(run.stderr.contains("error: cannot resolve `"), "{run}");
    dray.run(["resolve", "Resolved"]).failure(2);
}
