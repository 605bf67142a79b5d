use dray_formats::samples;
use dray_plugin::snapshotter::{Expectation, Question, RegistryAccess};
use dray_plugin::testing::{self, ImageBuilder};

use super::*;

fn plan(config: &str, image: &Image) -> ImagePlan {
    testing::plan::<Stargz>(config, image).unwrap()
}

/// The labels of a layer, those without a prefix of their own by the last part of their keys.
fn sent(plan: &ImagePlan, at: usize) -> Vec<(&str, &str)> {
    let Question::AskWithLabels(labels) = &plan.layers[at].question else {
        panic!("layer {at} has no labels")
    };
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[test]
fn every_form_of_image_has_a_verdict() {
    let verdicts: Vec<String> = samples::all("stargz")
        .iter()
        .map(|(form, image)| format!("{form}: {}", samples::summary(&plan("{}", image))))
        .collect();
    assert_eq!(
        verdicts,
        [
            "plain: plain (plain) ask mounts, ask mounts",
            "encrypted: plain (plain) ask mounts, ask mounts",
            "estargz: native (native) labels provided else stop error stop, labels provided else stop error stop",
            "zstd:chunked: native (native) labels provided else stop error stop, labels provided else stop error stop",
            "zstd:chunked of podman: plain (plain) ask mounts, ask mounts",
            "estargz on plain: partial (partial) ask mounts, labels provided else stop error stop",
            "plain on estargz: partial (partial) labels provided else stop error stop, ask mounts",
            "overlaybd: foreign (overlaybd-image)",
            "overlaybd with acceleration: foreign (overlaybd-image)",
            "overlaybd on plain: foreign (overlaybd-image)",
            "plain on overlaybd: foreign (overlaybd-image)",
            "turbo: foreign (turbo-oci-image)",
            "plain on turbo: foreign (turbo-oci-image)",
            "nydus: foreign (nydus-image)",
            "nydus by reference: foreign (nydus-image)",
            "nydus without bootstrap: foreign (nydus-image)",
            "plain on nydus: foreign (nydus-image)",
            "plain in nydus: foreign (nydus-image)",
            "erofs: foreign (erofs-image)",
            "unknown media type: plain (plain) ask mounts, ask mounts",
            "soci: plain (plain) ask mounts, ask mounts",
        ]
    );
}

#[test]
fn a_layer_is_asked_for_as_containerds_client_does() {
    let image = samples::image("my-stargz", "ee");
    let plan = plan("{}", &image);
    let digest = |at: usize| image.layers[at].descriptor.digest.as_str();
    let both = format!("{},{}", digest(0), digest(1));
    let toc = samples::digest(0x70c);
    let expected = |at: usize, from_here| {
        vec![
            ("containerd.io/snapshot/cri.image-ref", "example.org/image:tag"),
            ("containerd.io/snapshot/cri.manifest-digest", image.manifest.digest.as_str()),
            ("containerd.io/snapshot/cri.layer-digest", digest(at)),
            ("containerd.io/snapshot/cri.image-layers", from_here),
            ("containerd.io/snapshot/stargz/toc.digest", toc.as_str()),
            ("containerd.io/snapshot/remote/stargz.prefetch", "10485760"),
        ]
    };
    assert_eq!(sent(&plan, 0), expected(0, &*both));
    assert_eq!(sent(&plan, 1), expected(1, digest(1)));
    assert_eq!(plan.lazy_label.as_deref(), Some("containerd.io/snapshot/remote"));
    assert!(!plan.verify);
}

#[test]
fn the_daemon_is_told_of_layers_that_it_can_serve_and_of_no_others() {
    // It looks into every layer that is listed, in the registry.
    let image = samples::image("stargz", "epepe");
    let plan = plan("{}", &image);
    let digest = |at: usize| image.layers[at].descriptor.digest.as_str();
    assert_eq!(sent(&plan, 0)[3].1, [digest(0), digest(2), digest(4)].join(","));
    assert_eq!(sent(&plan, 2)[3].1, [digest(2), digest(4)].join(","));
    let fetched: Vec<usize> = (0..5).filter(|&at| plan.layers[at].question == Question::Ask).collect();
    assert_eq!(fetched, [1, 3]);
    assert!(plan.layers.iter().all(|layer| layer.expectation != Expectation::Maybe));
}

#[test]
fn annotations_of_the_image_do_not_stand_in_for_labels() {
    let lie = samples::digest(0xbad);
    let bait = ImageBuilder::new("stargz")
        .layer()
        .annotated("containerd.io/snapshot/stargz/toc.digest", &samples::digest(0x70c))
        .annotated("containerd.io/snapshot/cri.image-ref", "evil.example/image:tag")
        .annotated("containerd.io/snapshot/cri.layer-digest", &lie)
        .annotated("containerd.io/snapshot/cri.manifest-digest", &lie)
        .annotated("containerd.io/snapshot/cri.image-layers", &lie)
        .annotated("containerd.io/snapshot/remote/stargz.reference", "evil.example/image:tag")
        .annotated("containerd.io/snapshot/remote/stargz.digest", &lie)
        .annotated("containerd.io/snapshot/remote/stargz.prefetch", "1")
        .annotated("containerd.io/snapshot/remote/stargz.skipverify", "true")
        .annotated("containerd.io/snapshot/remote/urls", "https://evil.example/")
        .build();
    assert_eq!(sent(&plan("{}", &bait), 0), sent(&plan("{}", &samples::image("stargz", "e")), 0));
}

#[test]
fn places_of_a_layer_in_ipfs_are_passed_on() {
    let mut image = samples::image("stargz", "ee");
    let urls = ["ipfs://a", "https://evil.example/b", "ipfs://c"];
    image.layers[0].descriptor.urls = urls.map(str::to_owned).into();
    let plan = plan("{}", &image);
    assert_eq!(sent(&plan, 0)[6..], [("containerd.io/snapshot/remote/urls", "ipfs://a,ipfs://c")]);
    assert_eq!(sent(&plan, 1).len(), 6);
}

#[test]
fn the_largest_image_is_planned() {
    let mut image = samples::image("stargz", &"e".repeat(512));
    for layer in &mut image.layers {
        layer.descriptor.urls = vec![format!("ipfs://{}", "x".repeat(2000)); 64];
    }
    let plan = plan("{}", &image);
    // `testing` has checked the sizes. What fits is 56 digests, and two of the places.
    assert_eq!(sent(&plan, 0)[3].1.split(',').count(), 56);
    assert_eq!(sent(&plan, 0)[6].1.split(',').count(), 2);
}

#[test]
fn the_configuration_sets_how_much_is_read_ahead_and_whether_hints_are_given() {
    let image = samples::image("stargz", "e");
    for (config, prefetch) in
        [("{}", "10485760"), (r#"{"prefetchSize":0}"#, "0"), (r#"{"prefetchSize":4294967295}"#, "4294967295")]
    {
        assert_eq!(sent(&plan(config, &image), 0)[5].1, prefetch);
    }
    for refused in [
        r#"{"prefetchSize":-1}"#,
        r#"{"prefetchSize":4294967296}"#,
        r#"{"prefetch-size":1}"#,
        r#"{"hints":1}"#,
        r#"{"other":1}"#,
        "[]",
    ] {
        testing::check_config::<Stargz>(refused).unwrap_err();
    }
    let hints = |config, layers| plan(config, &samples::image("stargz", layers)).hints;
    assert_eq!(hints("{}", "ee"), [""; 0]);
    assert!(hints("{}", "pe")[0].starts_with("1 of 2 layers have no annotation"));
    assert!(
        hints("{}", "PP")[0]
            .starts_with("2 of 2 layers are zstd:chunked with the annotations of Podman only")
    );
    assert_eq!(hints(r#"{"hints":false}"#, "pP"), [""; 0]);
}

#[test]
fn the_verdict_says_what_is_fetched() {
    let mut image = samples::image("lazy", "pep");
    image.layers[0].descriptor.size = 2_000_000;
    image.layers[2].descriptor.size = 1_500_000;
    let reason = plan("{}", &image).reason;
    assert_eq!(reason, "1 of 3 layers are eStargz or zstd:chunked, 2 layers of 3500000 bytes are fetched");
    let reason = plan("{}", &samples::image("lazy", "p")).reason;
    assert!(reason.contains("snapshotter `lazy` is used as a plain one"), "{reason}");
}

#[test]
fn there_is_advice_for_every_way_to_a_registry() {
    use RegistryAccess::{Credentials, Mirror, PlainHttp, PrivateCa, Unreachable};
    let plan = plan("{}", &samples::image("stargz", "e"));
    let about: Vec<RegistryAccess> = plan.advice.iter().map(|advice| advice.about).collect();
    assert_eq!(about, [PlainHttp, PrivateCa, Mirror, Credentials, Unreachable]);
    assert!(
        plan.advice
            .iter()
            .all(|advice| advice.text.contains("`example.org`") || advice.text.contains("\"example.org\""))
    );
}
