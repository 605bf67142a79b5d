//! A pull from several servers, with a real containerd: the first dies in mid-blob, and received bytes are not
//! requested again.

use std::time::{Duration, Instant};

use dray::oci::Digest;
use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Flavour, Image, Index, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::{Rule, ScriptedRegistry};
use dray_tests::state::State;

const NAMESPACE: &str = "default";
const SIZE: usize = 24 << 20;

/// A directory with the first server as a mirror of `registry.example`, and the second as the registry itself.
fn hosts_dir(dray: &Dray, first: &ScriptedRegistry, second: &ScriptedRegistry) -> String {
    let directory = dray.directory().join("certs.d/registry.example");
    std::fs::create_dir_all(&directory).expect("a folder can be made");
    let toml = format!("server = 'http://{}'\n[host.'http://{}']", second.address(), first.address());
    std::fs::write(directory.join("hosts.toml"), toml).expect("a file can be written");
    dray.directory().join("certs.d").display().to_string()
}

#[test]
fn a_layer_continues_at_the_next_server() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let content: Vec<u8> = (0..SIZE).map(|n| u8::try_from(n % 251).unwrap_or_default()).collect();
    let layer = Layer::builder().entry(Entry::file("file", content)).build(Compression::None);
    let image = Image::builder("linux/amd64").layer(layer).build();
    let blob = Digest::parse(&image.layers[0].digest).expect("a digest is well-formed");
    let size = image.layers[0].bytes.len() as u64;
    let index = Index::new(Flavour::Oci, vec![image]);
    let (first, second) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    for registry in [&first, &second] {
        registry.add(&index, "team/app", "1");
    }
    first.on(Rule::get(blob.as_str()).throttle(4 << 20));

    let dray = Dray::with(&daemon, NAMESPACE);
    let certs_d = hosts_dir(&dray, &first, &second);
    let reference = "registry.example/team/app:1";
    let running = dray.spawn(["pull", "--format", "json", "--hosts-dir", &certs_d, reference]);
    let started = Instant::now();
    while first.bytes_of(&blob) < 6 << 20 {
        assert!(started.elapsed() < Duration::from_mins(1), "{:?}", first.requests());
        std::thread::sleep(Duration::from_millis(5));
    }
    first.kill();
    let run = running.wait().success();

    assert_eq!(run.json()["layers"][0]["downloaded"], size, "{run}");
    let asked = second.requests_to("GET", blob.as_str());
    assert_eq!(asked.len(), 1, "{asked:?}");
    let range = asked[0].header("range").expect("only the rest is asked for");
    let start = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix('-'));
    let start: u64 = start.and_then(|start| start.parse().ok()).expect("a range has a start");
    assert!(start > 1 << 20 && start <= first.bytes_of(&blob), "{start}");
    assert_eq!(asked[0].bytes_sent, size - start, "the second sends the rest and nothing else");
    assert_eq!(second.requests_to("GET", "/manifests/").len(), 0, "what is there is not asked for again");

    let state = State::of(&daemon, NAMESPACE);
    assert!(state.images.contains_key(reference) && state.is_at_rest(), "{state}");
}

/// Wrong bytes from a mirror cost time, but do not fail the pull.
#[test]
fn wrong_bytes_are_fetched_from_the_next_server() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let layer =
        |name: &str| Layer::builder().entry(Entry::file(name, vec![7; 300_000])).build(Compression::None);
    let image = Image::builder("linux/amd64").layer(layer("a")).layer(layer("b")).build();
    let (first, second) = (ScriptedRegistry::start(), ScriptedRegistry::start());
    for registry in [&first, &second] {
        registry.add(&image, "team/app", "1");
    }
    let layers: Vec<String> = image.layers.iter().map(|layer| format!("/blobs/{}", layer.digest)).collect();
    let config = format!("/blobs/{}", image.config.digest);
    first.on(Rule::get(&layers[1]).wrong_bytes());
    first.on(Rule::get(&config).wrong_bytes());

    let dray = Dray::with(&daemon, NAMESPACE);
    let certs_d = hosts_dir(&dray, &first, &second);
    let pull = ["pull", "--hosts-dir", &certs_d, "registry.example/team/app:1"];
    let run = dray.run(pull).success();
    assert_eq!(run.stderr.matches("asking another server for the blob").count(), 2, "{run}");
    for (registry, expected) in [(&first, [1, 1, 1]), (&second, [1, 0, 1])] {
        let asked = [&config, &layers[0], &layers[1]].map(|blob| registry.requests_to("GET", blob).len());
        assert_eq!(asked, expected, "{run}");
    }
    let state = State::of(&daemon, NAMESPACE);
    assert!(state.images.contains_key("registry.example/team/app:1") && state.is_at_rest(), "{state}");

    // If no server has the right bytes, the pull says so.
    second.on(Rule::get(&layers[0]).wrong_bytes());
    first.on(Rule::get(&layers[0]).wrong_bytes());
    let other = require!(Containerd::start(Generation::Debian16));
    let run = Dray::with(&other, NAMESPACE).run(pull).failure(7);
    assert!(run.stderr.contains("error: the registry serves a wrong layer"), "{run}");
    assert!(State::of(&other, NAMESPACE).is_at_rest(), "{run}");
}
