//! Images of which only some layers are lazy: what is fetched is what the plan needs.

use dray_tests::daemon::Generation;
use dray_tests::image::samples::of;
use dray_tests::image::{Compression, Entry, Image, Layer, estargz};
use dray_tests::require;
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;

use crate::{Scene, size_of, word};

/// Bytes that do not compress.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// Layers of 200, 150, 500 and 4 kB: eStargz, or ordinary ones that no other call makes.
fn image(seed: u64, is_estargz: [bool; 4]) -> Image {
    let layers = (0_u64..).zip([200_000, 150_000, 500_000, 3_600]).zip(is_estargz);
    of(layers.map(|((number, length), is_estargz)| {
        let file = [Entry::file(&format!("file{number}"), noise(1 + seed + number, length))];
        if is_estargz {
            estargz::layer(&file)
        } else {
            Layer::builder().entries(file).build(Compression::Gzip)
        }
    }))
}

#[test]
fn only_layers_that_are_not_lazy_are_fetched() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    for (name, image, letters, fetched, about) in [
        ("bottom", image(100, [false, false, true, true]), "ffLL", [0, 1], 350_000..360_000),
        ("turns", image(200, [true, false, true, false]), "LfLf", [1, 3], 153_000..160_000),
    ] {
        scene.add(name, &image);
        let report = scene.report(name, &["--snapshotter", "stargz"]);
        assert_eq!(word(&report), letters, "{report:#}");
        let documents = image.manifest.bytes.len() + image.config.bytes.len();
        let bytes = size_of(&image, fetched);
        assert!(about.contains(&bytes), "{bytes}");
        assert_eq!(report["totals"]["downloaded_bytes"], documents + bytes);

        let of_dray = scene
            .requests_for_layers(name, &image)
            .into_iter()
            .filter(|request| request.header("user-agent").is_some_and(|agent| agent.starts_with("dray/")));
        let mut asked: Vec<_> = of_dray.map(|request| request.path).collect();
        let mut wanted = fetched.map(|layer| format!("/v2/{name}/blobs/{}", image.layers[layer].digest));
        asked.sort();
        wanted.sort();
        assert_eq!(asked, wanted);
        let stored = State::of(&scene.node.containerd, name).content;
        assert_eq!(stored.len(), 2 + fetched.len(), "manifest, config, and what was fetched");
    }
}
