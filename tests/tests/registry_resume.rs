//! A download that is broken off again and again, in a whole pull: what has arrived is never asked for twice.

use dray_tests::command::Dray;
use dray_tests::daemon::{Containerd, Generation};
use dray_tests::image::{Compression, Entry, Image, Layer};
use dray_tests::require;
use dray_tests::scripted_registry::ScriptedRegistry;

const MIB: usize = 1 << 20;

#[test]
fn every_connection_is_reset_after_a_mebibyte() {
    let daemon = require!(Containerd::start(Generation::Debian16));
    let registry = ScriptedRegistry::start();
    let layers = [4, 60, 36].map(|size| {
        let content: Vec<u8> = (0..size * MIB).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
        Layer::builder().entry(Entry::file(&format!("file{size}"), content)).build(Compression::None)
    });
    let image =
        layers.into_iter().fold(Image::builder("linux/amd64"), |image, layer| image.layer(layer)).build();
    registry.add(&image, "large", "1");
    registry.reset_connections_after(MIB as u64);

    let dray = Dray::with(&daemon, "default");
    let report = dray.run(["pull", "--format", "json", &registry.image("large:1")]).success().json();
    let (mut size, mut sent) = (0, 0);
    for layer in &image.layers {
        size += layer.bytes.len() as u64;
        sent += registry.bytes_of(&layer.digest.parse().expect("a digest is one"));
    }
    assert!(size > 100 * MIB as u64);
    assert_eq!(sent, size, "{report}");
    assert!(registry.connections() > 100);
    // The test runner keeps it, and shows it when asked to.
    #[expect(clippy::print_stdout, reason = "the figure is what the test is about")]
    {
        println!("{size} bytes of layers, {sent} sent over {} connections", registry.connections());
    }
}
