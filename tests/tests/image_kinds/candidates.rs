//! Indexes with entries that are not images, or that state no platform. A pull, its modes, and commands that read the
//! store all choose the first entry that fits.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Blob, Bundle, Compression, Content, Image};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;
use dray_tests::state::State;
use serde_json::{Value, json};

use super::artifacts::chart;
use super::{UNSUPPORTED, layer};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn image(platform: &str) -> Image {
    Image::builder(platform).layer(layer(platform, 0, Compression::Gzip)).build()
}

fn index(entries: &[Value], images: &[&Image]) -> Bundle {
    let chart = chart();
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
    let blobs = images.iter().flat_map(|image| image.blobs()).cloned().chain(chart.blobs);
    let manifests = images.iter().flat_map(|image| image.manifests()).cloned().chain(chart.manifests);
    Bundle { blobs: blobs.collect(), manifests: manifests.chain([Blob::json(OCI_INDEX, &index)]).collect() }
}

fn stated(image: &Image, architecture: &str) -> Value {
    let mut entry = image.manifest.descriptor();
    entry["platform"] = json!({"os": "linux", "architecture": architecture});
    entry
}

#[test]
fn the_first_fitting_entry_is_the_image() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let (amd64, arm64) = (image("linux/amd64"), image("linux/arm64"));
    let (silent, other) = (amd64.manifest.descriptor(), arm64.manifest.descriptor());
    let chart = chart().manifests[0].descriptor();
    let mut chart_for_amd64 = chart.clone();
    chart_for_amd64["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let indexes = [
        ("chart-silent", vec![chart.clone(), silent.clone()]),
        ("chart-stated", vec![chart.clone(), stated(&amd64, "amd64")]),
        ("other-silent", vec![other.clone(), silent.clone()]),
        ("other-chart-silent", vec![other, chart, silent]),
        ("chart-says-amd64", vec![chart_for_amd64, stated(&amd64, "amd64")]),
    ];
    for (tag, entries) in &indexes {
        registry.add(&index(entries, &[&amd64, &arm64]), "candidates", tag);
        let name = registry.image(&format!("candidates:{tag}"));
        let dray = Dray::with(&daemon, tag);

        let report =
            dray.run(["pull", "--platform", "linux/amd64", "--format", "json", &name]).success().json();
        assert_eq!(report["manifest"], amd64.manifest.digest, "{tag}");
        let state = State::of(&daemon, tag);
        // The index, the manifest, the config and the layer. A chart is kept if the index calls it an image.
        let blobs = if *tag == "chart-says-amd64" { 5 } else { 4 };
        assert!(state.is_at_rest() && state.content.len() == blobs, "{tag}: {state}");
        for platforms in ["linux/amd64", "linux/amd64,linux/amd64"] {
            let never = ["pull", "--mode", "never", "--platform", platforms, "--format", "json", &name];
            assert_eq!(dray.run(never).success().json()["manifest"], amd64.manifest.digest, "{tag}");
        }
        let inspect = ["image", "inspect", "--platform", "linux/amd64", "--format", "json", &name];
        assert_eq!(dray.run(inspect).success().json()["manifest"]["digest"], amd64.manifest.digest, "{tag}");
        dray.run(["image", "check", "--platform", "linux/amd64", &name]).success();
    }

    // A pull of several or all platforms finds the same image.
    for (tag, _) in &indexes {
        let name = registry.image(&format!("candidates:{tag}"));
        for (more, options) in
            [("several", vec!["--platform", "linux/amd64,linux/riscv64"]), ("all", vec!["--all-platforms"])]
        {
            let dray = Dray::with(&daemon, &format!("{tag}-{more}"));
            let arguments = |command: &[&'static str]| [command, &options, &[]].concat();
            let run = |command: &[&'static str]| {
                let mut arguments: Vec<String> = arguments(command).into_iter().map(str::to_owned).collect();
                arguments.push(name.clone());
                dray.run(arguments).success()
            };
            let report = run(&["pull", "--format", "json"]).json();
            let more = report["more"].as_array().into_iter().flatten();
            let digests: Vec<&Value> = std::iter::once(&report).chain(more).map(|i| &i["manifest"]).collect();
            assert!(digests.contains(&&json!(amd64.manifest.digest)), "{tag}: {digests:?}");
            run(&["pull", "--mode", "never"]);
            run(&["image", "check"]);
        }
    }
}

#[test]
fn an_unverifiable_digest_matters_only_if_it_is_wanted() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let (amd64, arm64) = (image("linux/amd64"), image("linux/arm64"));
    for (tag, digest) in [
        ("blake3", "blake3:0d6cbcd1d8b1ae8b2b3f8a9ed8bd7ae4a4ed1d2b7dfc9d4f7dbd4d6f8a2b9c1e"),
        ("multihash", "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"),
    ] {
        let mut other = stated(&arm64, "arm64");
        other["digest"] = json!(digest);
        let mut silent = other.clone();
        silent.as_object_mut().expect("it is a descriptor").remove("platform");
        registry.add(&index(&[other, silent, stated(&amd64, "amd64")], &[&amd64]), "digests", tag);
        let name = registry.image(&format!("digests:{tag}"));
        let dray = Dray::with(&daemon, tag);
        dray.run(["pull", "--platform", "linux/amd64", &name]).success();
        dray.run(["pull", "--mode", "never", "--platform", "linux/amd64", &name]).success();
        dray.run(["image", "check", "--platform", "linux/amd64", &name]).success();
        let rows = dray.run(["image", "ls", "--format", "json"]).success().json();
        assert_eq!(
            (&rows[0]["manifest"], &rows[0]["complete"]),
            (&json!(amd64.manifest.digest), &json!(true))
        );

        let run = dray.run(["pull", "--platform", "linux/arm64", &name]).failure(UNSUPPORTED);
        let algorithm = digest.split(':').next().unwrap_or_default();
        assert!(run.stderr.contains(&format!("digest algorithm `{algorithm}` is not supported")), "{run}");
        assert!(run.stderr.contains("hint: "), "{run}");
        dray.run(["pull", "--all-platforms", &name]).failure(UNSUPPORTED);
    }
}
