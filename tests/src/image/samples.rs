//! Small images in all formats. Each name gives other layers, because snapshotters remember chain ids.

use super::soci::{self, Indexed};
use super::{Bundle, Compression, Entry, Image, ImageBuilder, Layer, estargz, zstd_chunked};

/// The entries of the nth layer of an image: a directory, a file of some 40 KiB, and a link to it.
pub fn entries(name: &str, number: usize) -> Vec<Entry> {
    let file = format!("data/{name}{number}");
    vec![
        Entry::directory("data"),
        Entry::file(&file, content(name, number)),
        Entry::symlink(&format!("{file}.link"), &format!("{name}{number}")),
    ]
}

/// The content of that file.
pub fn content(name: &str, number: usize) -> String {
    format!("{name} {number}\n").repeat(5_000)
}

/// A statically linked program at `/sbin/ldconfig`, which runs in an otherwise empty container.
pub fn program() -> Vec<Entry> {
    let content = std::fs::read("/sbin/ldconfig").expect("libc-bin is an essential package");
    vec![Entry::directory("sbin"), Entry::file("sbin/ldconfig", content).mode(0o755)]
}

/// A layer of ordinary gzip with these entries.
pub fn plain(name: &str, number: usize) -> Layer {
    Layer::builder().entries(entries(name, number)).build(Compression::Gzip)
}

/// An eStargz layer with these entries.
pub fn estargz(name: &str, number: usize) -> Layer {
    estargz::layer(&entries(name, number))
}

/// A zstd:chunked layer with these entries.
pub fn zstd_chunked(name: &str, number: usize) -> Layer {
    zstd_chunked::layer(&entries(name, number))
}

/// An image of these layers, from the bottom.
pub fn of(layers: impl IntoIterator<Item = Layer>) -> Image {
    layers.into_iter().fold(Image::builder("linux/amd64"), ImageBuilder::layer).build()
}

/// An image with `layers` layers and a version 2 index, which has a zTOC for the first `indexed` of them.
pub fn soci_v2(name: &str, layers: usize, indexed: usize) -> (Image, Bundle) {
    let all: Vec<_> = (0..layers).map(|number| Indexed::new(&entries(name, number))).collect();
    let in_index: Vec<_> = all.iter().take(indexed).collect();
    soci::v2(&in_index, |index| {
        let image = Image::builder("linux/amd64").alter_manifest(soci::naming(index));
        all.iter().fold(image, |image, layer| image.layer(layer.layer.clone())).build()
    })
}

/// An image; its version 1 index; and the tag for the index.
pub fn soci_v1(name: &str, layers: usize) -> (Image, Bundle, String) {
    let all: Vec<_> = (0..layers).map(|number| Indexed::new(&entries(name, number))).collect();
    let image = of(all.iter().map(|layer| layer.layer.clone()));
    let (bundle, tag) = soci::v1(&all.iter().collect::<Vec<_>>(), &image);
    (image, bundle, tag)
}
