//! Interrupted downloads resume where they stopped, and no byte is stored twice.

use std::fs;

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Blob, Compression, Entry, Image, Layer};
use dray_tests::moment::wait_until;
use dray_tests::require;
use dray_tests::scratch::{Place, Scratch};
use dray_tests::scripted_registry::{Recorded, Rule, ScriptedRegistry};
use dray_tests::state::State;

const NAMESPACE: &str = "default";
const MIB: usize = 1 << 20;

/// Four layers of 25 MiB.
fn image() -> Image {
    let layer = |number: usize| {
        let content: Vec<u8> =
            (0..25 * MIB).map(|n| u8::try_from((n / 509 + n + number) % 256).unwrap_or(0)).collect();
        Layer::builder().entry(Entry::file(&format!("file{number}"), content)).build(Compression::None)
    };
    (0..4).fold(Image::builder("linux/amd64"), |image, number| image.layer(layer(number))).build()
}

/// The offset of a response, and the number of bytes sent.
fn stretch(request: &Recorded) -> (u64, u64) {
    let start =
        request.header("range").map_or("0", |range| range.trim_start_matches("bytes=").trim_end_matches('-'));
    (start.parse().expect("a range begins with a number"), request.bytes_sent)
}

/// Fails unless the stretches cover the blob without gap or overlap. Returns their sum.
#[track_caller]
fn assert_once(blob: &Blob, stretches: &[(u64, u64)]) -> u64 {
    let mut position = 0;
    for (start, length) in stretches {
        assert_eq!(*start, position, "{} of {} bytes: {stretches:?}", blob.digest, blob.bytes.len());
        position += length;
    }
    assert_eq!(position, blob.bytes.len() as u64, "{}", blob.digest);
    position
}

#[test]
fn a_pull_survives_a_reset_after_every_mebibyte() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let image = image();
    registry.add(&image, "large", "1");
    registry.reset_connections_after(MIB as u64);

    let reference = registry.image("large:1");
    let pull = Dray::with(&daemon, NAMESPACE).run(["pull", "--format", "json", &reference]);
    let report = pull.success().json();
    assert!(State::of(&daemon, NAMESPACE).images.contains_key(&reference));

    let (mut downloaded, mut connections) = (0, 0);
    for (index, layer) in image.layers.iter().enumerate() {
        let requests = registry.requests_to("GET", &layer.digest);
        let stretches: Vec<_> = requests.iter().map(stretch).collect();
        downloaded += assert_once(layer, &stretches);
        connections += requests.len();
        assert_eq!(report["layers"][index]["downloaded"], layer.bytes.len());
    }
    let size: usize = image.layers.iter().map(|layer| layer.bytes.len()).sum();
    assert!(size > 100 * MIB && connections >= 100);
    println!("{size} bytes of layers, {downloaded} downloaded, over {connections} connections");
}

/// A registry with two servers. The first dies in the middle of a layer.
#[test]
fn a_pull_survives_the_death_of_its_mirror() {
    // A multiple of the message size to containerd: a partial message appears in the store only when the download
    // ends.
    const SENT: u32 = 10 << 20;
    let daemon = require!(Containerd::start(Generation::Debian16));
    let (first, second, image) = (ScriptedRegistry::start(), ScriptedRegistry::start(), image());
    for registry in [&first, &second] {
        registry.add(&image, "large", "1");
    }
    let hosts = Scratch::new(Place::Memory);
    let directory = hosts.path().join("registry.example.test");
    fs::create_dir(&directory).expect("a directory can be made");
    let (a, b) = (first.address(), second.address());
    let file = format!("server = 'http://{b}'\n[host.'http://{a}']\ncapabilities = ['pull', 'resolve']\n");
    fs::write(directory.join("hosts.toml"), file).expect("a file can be written");

    let cut = &image.layers[1];
    first.on(Rule::get(&cut.digest).stall_after(SENT as usize));
    let hosts = hosts.path().display().to_string();
    let dray = Dray::with(&daemon, NAMESPACE).args(["pull", "--format", "json", "--hosts-dir", &hosts]);
    let pull = dray.spawn(["registry.example.test/large:1"]);
    // The first server has sent all, and the store has received all.
    wait_until("what the first server sends has been stored", || {
        let state = State::of(&daemon, NAMESPACE);
        let stored = |blob: &Blob| match state.ingests.values().next() {
            Some(ingest) if blob == cut => ingest.offset == i64::from(SENT),
            _ => state.content.contains_key(&blob.digest),
        };
        state.ingests.len() == 1 && image.layers.iter().all(stored)
    });
    first.kill();
    let report = pull.wait().success().json();

    let mut downloaded = 0;
    for (index, layer) in image.layers.iter().enumerate() {
        let requests = [first.requests_to("GET", &layer.digest), second.requests_to("GET", &layer.digest)];
        downloaded += assert_once(layer, &requests.iter().flatten().map(stretch).collect::<Vec<_>>());
        assert_eq!(report["layers"][index]["downloaded"], layer.bytes.len());
    }
    let asked: Vec<_> = second.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked.len(), 1, "the second server is asked for the rest of one layer: {asked:?}");
    let (here, there) = (first.bytes(), second.bytes());
    println!("{downloaded} bytes of layers, {here} bytes from the first server, {there} from the second");
}
