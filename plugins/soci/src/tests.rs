use dray_formats::samples;
use dray_plugin::snapshotter::Question;
use dray_plugin::testing::{self, ImageBuilder};

use super::*;

fn plan(config: &str, image: &Image) -> ImagePlan {
    testing::plan::<Soci>(config, image).unwrap()
}

fn with_index() -> String {
    format!(r#"{{"indexDigest":"{}"}}"#, samples::digest(0x1d))
}

fn sent(plan: &ImagePlan, at: usize) -> Vec<(&str, &str)> {
    let Question::AskWithLabels(labels) = &plan.layers[at].question else {
        panic!("layer {at} has no labels")
    };
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn verdicts(config: &str) -> Vec<String> {
    let forms = samples::all("soci");
    forms.iter().map(|(form, image)| format!("{form}: {}", samples::summary(&plan(config, image)))).collect()
}

#[test]
fn every_form_of_image_has_a_verdict() {
    let unknown = "plain (index-unknown) labels maybe error stop, labels maybe error stop";
    assert_eq!(
        verdicts("{}"),
        [
            &format!("plain: {unknown}"),
            "encrypted: plain (index-unknown) ask mounts, ask mounts",
            &format!("estargz: {unknown}"),
            &format!("zstd:chunked: {unknown}"),
            &format!("zstd:chunked of podman: {unknown}"),
            &format!("estargz on plain: {unknown}"),
            &format!("plain on estargz: {unknown}"),
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
            "unknown media type: plain (index-unknown) ask mounts, ask mounts",
            "soci: native (index-annotated) labels provided else stop error stop, labels provided else stop error stop",
        ]
    );
}

#[test]
fn an_index_of_the_configuration_comes_first() {
    let native = "native (index-configured) labels provided else stop error stop, labels provided else stop error stop";
    let verdicts = verdicts(&with_index());
    for form in ["plain", "soci", "estargz"] {
        assert!(verdicts.contains(&format!("{form}: {native}")), "{form}: {verdicts:#?}");
    }
    assert!(verdicts.contains(&"encrypted: plain (index-configured) ask mounts, ask mounts".to_owned()));
    let mixed = plan(&with_index(), &samples::image("soci", "px"));
    assert_eq!(
        samples::summary(&mixed),
        "partial (index-configured) labels provided else stop error stop, ask mounts"
    );
}

#[test]
fn a_layer_is_asked_for_as_containerds_client_does() {
    let mut image = samples::soci("my-soci");
    image.layers[0].descriptor.size = 7;
    image.layers[1].descriptor.size = 123;
    let digest = |at: usize| image.layers[at].descriptor.digest.as_str();
    let both = format!("{},{}", digest(0), digest(1));
    let common = |at: usize, from_here| {
        vec![
            ("containerd.io/snapshot/cri.image-ref", "example.org/image:tag"),
            ("containerd.io/snapshot/cri.manifest-digest", image.manifest.digest.as_str()),
            ("containerd.io/snapshot/cri.layer-digest", digest(at)),
            ("containerd.io/snapshot/cri.image-layers", from_here),
        ]
    };
    let sizes = |size, sizes| {
        [
            ("containerd.io/snapshot/remote/soci.size", size),
            ("containerd.io/snapshot/remote/image.layers.size", sizes),
        ]
    };
    // The daemon finds the index that the manifest names by itself.
    let plan_of_annotated = plan("{}", &image);
    assert_eq!(sent(&plan_of_annotated, 0), [common(0, &both), sizes("7", "7,123").into()].concat());
    assert_eq!(sent(&plan_of_annotated, 1), [common(1, digest(1)), sizes("123", "123").into()].concat());
    let plan_of_configured = plan(&with_index(), &image);
    let index = samples::digest(0x1d);
    let named = vec![("containerd.io/snapshot/remote/soci.index.digest", index.as_str())];
    assert_eq!(sent(&plan_of_configured, 0), [common(0, &both), named, sizes("7", "7,123").into()].concat());
}

#[test]
fn there_are_as_many_sizes_as_digests() {
    for (layers, listed) in [(1, 1), (56, 56), (57, 56), (60, 56), (512, 56)] {
        let mut image = samples::image("soci", &"p".repeat(layers));
        for layer in &mut image.layers {
            layer.descriptor.size = u64::MAX;
        }
        let plan = plan("{}", &image);
        for at in [0, layers / 2, layers - 1] {
            let counts: Vec<usize> = sent(&plan, at)
                .iter()
                .filter(|(key, _)| key.ends_with("image-layers") || key.ends_with("image.layers.size"))
                .map(|(_, value)| value.split(',').count())
                .collect();
            let listed = listed.min(layers - at);
            assert_eq!(counts, [listed, listed], "layer {at} of {layers}");
        }
    }
}

#[test]
fn annotations_of_the_image_do_not_stand_in_for_labels() {
    let lie = samples::digest(0xbad);
    let bait = ImageBuilder::new("soci")
        .layer()
        .annotated("containerd.io/snapshot/cri.image-ref", "evil.example/image:tag")
        .annotated("containerd.io/snapshot/cri.layer-digest", &lie)
        .annotated("containerd.io/snapshot/cri.manifest-digest", &lie)
        .annotated("containerd.io/snapshot/cri.image-layers", &lie)
        .annotated("containerd.io/snapshot/remote/soci.index.digest", &lie)
        .annotated("containerd.io/snapshot/remote/soci.size", "1")
        .build();
    assert_eq!(sent(&plan("{}", &bait), 0), sent(&plan("{}", &samples::image("soci", "p")), 0));
}

#[test]
fn a_layer_may_take_long() {
    let plan = plan("{}", &samples::soci("soci"));
    assert_eq!(plan.answer_within_s, 1800);
    assert_eq!(plan.lazy_label.as_deref(), Some("containerd.io/snapshot/remote"));
    assert_eq!(plan.advice.len(), 5);
    assert!(!plan.verify);
}

#[test]
fn the_index_of_the_configuration_is_a_digest() {
    testing::check_config::<Soci>(&with_index()).unwrap();
    for refused in [
        r#"{"indexDigest":""}"#,
        r#"{"indexDigest":"latest"}"#,
        r#"{"index-digest":"x"}"#,
        r#"{"indexDigest":7}"#,
        "[]",
    ] {
        testing::check_config::<Soci>(refused).unwrap_err();
    }
    let error = testing::check_config::<Soci>(r#"{"indexDigest":"sha256:12"}"#).unwrap_err();
    assert_eq!(error.detail().code, "not-a-digest");
}
