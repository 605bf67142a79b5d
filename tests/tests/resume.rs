//! Downloads that break off go on where they stopped, and no byte comes twice.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Blob, Compression, Entry, Image, Layer};
use dray_tests::require;
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

/// Where an answer begins and how many bytes of it were sent.
fn stretch(request: &Recorded) -> (u64, u64) {
    let start =
        request.header("range").map_or("0", |range| range.trim_start_matches("bytes=").trim_end_matches('-'));
    (start.parse().expect("a range begins with a number"), request.bytes_sent)
}

/// Fails unless the stretches follow one another from the first byte to the last. Returns their sum.
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
fn every_connection_is_reset_after_a_mebibyte() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let image = image();
    registry.add(&image, "large", "1");
    registry.on(Rule::get("/blobs/").reset_after(MIB));

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
    assert!(size > 100 * MIB && connections > 100);
    #[expect(clippy::print_stdout, reason = "the figures are what this test is for")]
    {
        println!("{size} bytes of layers, {downloaded} downloaded, over {connections} connections");
    }
}
