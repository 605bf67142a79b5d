//! A pull from several servers, against a real containerd: the first dies in mid-blob, and nothing that has
//! arrived is asked for again.

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

#[test]
fn the_first_mirror_dies_in_the_middle_of_a_layer() {
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
    let directory = dray.directory().join("certs.d/registry.example");
    std::fs::create_dir_all(&directory).expect("a folder can be made");
    let toml = format!("server = 'http://{}'\n[host.'http://{}']", second.address(), first.address());
    std::fs::write(directory.join("hosts.toml"), toml).expect("a file can be written");
    let certs_d = dray.directory().join("certs.d").display().to_string();
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
