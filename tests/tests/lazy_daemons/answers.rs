//! The answers of each daemon for each format, and the files of the snapshots.

use dray_tests::daemon::Generation;
use dray_tests::image::estargz::TOC_DIGEST;
use dray_tests::image::samples::{self, content, entries, estargz, of, plain, zstd_chunked};
use dray_tests::image::{Flavour, Image, nydus, overlaybd, sha256};
use dray_tests::snapshotter::Kind;
use dray_tests::state::State;
use dray_tests::{on_each_generation, puller, require};

use crate::Scene;

on_each_generation!(each_daemon_provides_its_own_image);

/// With all daemons under one containerd.
fn each_daemon_provides_its_own_image(generation: Generation) {
    let kinds: Vec<_> = Kind::ALL.into_iter().filter(|kind| kind.works_under(generation)).collect();
    let scene = require!(Scene::start(generation, &kinds));

    let image = of((0..3).map(|number| estargz("estargz", number)));
    assert_eq!(scene.answers(Kind::Stargz, "estargz", &image), "PPP");
    scene.assert_file(Kind::Stargz, "estargz", &image, "data/estargz0", &content("estargz", 0));

    let image = of((0..2).map(|number| zstd_chunked("chunked", number)));
    assert_eq!(scene.answers(Kind::Stargz, "chunked", &image), "PP");
    scene.assert_file(Kind::Stargz, "chunked", &image, "data/chunked1", &content("chunked", 1));

    if kinds.contains(&Kind::Soci) {
        let (image, bundle) = samples::soci_v2("soci2", 2, 2);
        assert_eq!(puller::word(&scene.pull(Kind::Soci, "soci2", &image, &bundle)), "PP");
        scene.assert_file(Kind::Soci, "soci2", &image, "data/soci21", &content("soci2", 1));
        let snapshots = &State::of(&scene.node.containerd, "soci2").snapshots["soci"];
        let marks = image
            .chain_ids()
            .into_iter()
            .filter(|chain| snapshots[chain].labels.contains_key("containerd.io/snapshot/remote"));
        assert_eq!(marks.count(), 2, "the daemon unpacked a layer itself: {snapshots:#?}");
    }

    let image = of([overlaybd::native(1), overlaybd::native(2), overlaybd::acceleration(3)]);
    assert_eq!(scene.answers(Kind::Overlaybd, "overlaybd", &image), "PPm");

    let image = of(require!(nydus::layers(&[entries("nydus", 0), entries("nydus", 1)])));
    assert_eq!(scene.answers(Kind::Nydus, "nydus", &image), "PPm");
    scene.assert_file(Kind::Nydus, "nydus", &image, "data/nydus0", &content("nydus", 0));

    let fetched = State::of(&scene.node.containerd, "estargz").content;
    assert_eq!(fetched.len(), 2, "only manifest and config: {fetched:#?}");
}

#[test]
fn stargz_leaves_layers_of_other_forms_to_the_client() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    let stargz = |name: &str, image: &Image| scene.answers(Kind::Stargz, name, image);

    let image = of([plain("a", 0), plain("a", 1), estargz("a", 2), estargz("a", 3)]);
    assert_eq!(stargz("bottom", &image), "mmPP");
    scene.assert_file(Kind::Stargz, "bottom", &image, "data/a3", &content("a", 3));
    let image = of([estargz("b", 0), plain("b", 1), estargz("b", 2), plain("b", 3)]);
    assert_eq!(stargz("mixed", &image), "PmPm");
    scene.assert_file(Kind::Stargz, "mixed", &image, "data/b2", &content("b", 2));

    // The daemon serves no layer whose TOC it cannot verify.
    let unsigned = |number| estargz("c", number).without_annotation(TOC_DIGEST);
    assert_eq!(stargz("unsigned", &of([unsigned(0), unsigned(1)])), "mm");
    // A push with Docker's media types drops annotations.
    let docker = Image::builder("linux/amd64").flavour(Flavour::Docker);
    let docker = docker.layer(estargz("d", 0).without_annotation(TOC_DIGEST));
    assert_eq!(stargz("docker", &docker.build()), "m");
    let nothing = sha256(b"");
    let wrong = estargz("e", 1).annotation(TOC_DIGEST, nothing);
    assert_eq!(stargz("wrong", &of([estargz("e", 0), wrong, estargz("e", 2)])), "PmP");
}

/// Each `Prepare` lists the layers from its own up, and each listed plain layer costs three requests: 3 * (4 + 3 + 2 + 1).
#[test]
fn stargz_sends_three_requests_per_listed_plain_layer() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Stargz]));
    assert_eq!(scene.answers(Kind::Stargz, "plain", &of((0..4).map(|number| plain("p", number)))), "mmmm");
    assert_eq!(scene.requests(), 30);
}

#[test]
fn soci_unpacks_layers_without_a_ztoc_itself() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Soci]));
    let (image, bundle) = samples::soci_v2("partly", 3, 2);
    assert_eq!(puller::word(&scene.pull(Kind::Soci, "partly", &image, &bundle)), "PPP");
    scene.assert_file(Kind::Soci, "partly", &image, "data/partly2", &content("partly", 2));

    let (image, index, tag) = samples::soci_v1("beside", 2);
    scene.registry.add(&index, "beside", &tag);
    assert_eq!(scene.answers(Kind::Soci, "beside", &image), "PP");
    scene.assert_file(Kind::Soci, "beside", &image, "data/beside0", &content("beside", 0));

    assert_eq!(scene.answers(Kind::Soci, "without", &of([plain("w", 0), plain("w", 1)])), "mm");
}

#[test]
fn overlaybd_provides_without_requests_and_fails_on_top_of_plain_layers() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Overlaybd]));
    let overlaybd = |name: &str, image: &Image| scene.answers(Kind::Overlaybd, name, image);
    assert_eq!(overlaybd("native", &of((1..4).map(overlaybd::native))), "PPP");
    assert_eq!(scene.requests(), 0);

    let target = sha256(plain("t", 0).blob());
    assert_eq!(overlaybd("turbo", &of((4..7).map(|seed| overlaybd::turbo(seed, &target)))), "mmm");
    assert_eq!(overlaybd("plain", &of([plain("o", 0), plain("o", 1)])), "mm");
    // No error, but a container does not see the files of the native layers.
    assert_eq!(overlaybd("below", &of([overlaybd::native(8), overlaybd::native(9), plain("o", 2)])), "PPm");
    assert_eq!(overlaybd("above", &of([plain("o", 3), plain("o", 4), overlaybd::native(7)])), "mmE");
}

#[test]
fn nydus_provides_data_layers_and_leaves_the_bootstrap_to_the_client() {
    let scene = require!(Scene::start(Generation::V17, &[Kind::Nydus]));
    assert_eq!(scene.answers(Kind::Nydus, "stand-in", &of(nydus::stand_in(4))), "PPPPm");
    assert_eq!(scene.requests(), 0, "nydus does not check that the blobs exist");
    let on_top = nydus::stand_in(2).into_iter().chain([plain("n", 0)]);
    assert_eq!(scene.answers(Kind::Nydus, "on-top", &of(on_top)), "PPmm");
    assert_eq!(scene.answers(Kind::Nydus, "plain", &of([plain("n", 1), plain("n", 2)])), "mm");
}
