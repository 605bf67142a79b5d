use dray_formats::samples;
use dray_plugin::snapshotter::Question;
use dray_plugin::testing::{self, ImageBuilder};

use super::*;

fn plan(config: &str, image: &Image) -> ImagePlan {
    testing::plan::<Overlaybd>(config, image).unwrap()
}

fn sent(plan: &ImagePlan, at: usize) -> Vec<(&str, &str)> {
    let Question::AskWithLabels(labels) = &plan.layers[at].question else {
        panic!("layer {at} has no labels")
    };
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

#[test]
fn every_form_of_image_has_a_verdict() {
    let verdicts: Vec<String> = samples::all("overlaybd")
        .iter()
        .map(|(form, image)| format!("{form}: {}", samples::summary(&plan("{}", image))))
        .collect();
    let plain = "plain (plain) ask mounts, ask mounts";
    assert_eq!(
        verdicts,
        [
            &format!("plain: {plain}"),
            &format!("encrypted: {plain}"),
            &format!("estargz: {plain}"),
            &format!("zstd:chunked: {plain}"),
            &format!("zstd:chunked of podman: {plain}"),
            &format!("estargz on plain: {plain}"),
            &format!("plain on estargz: {plain}"),
            "overlaybd: native (native) labels provided, labels provided",
            "overlaybd with acceleration: native (native) labels provided, labels provided, labels mounts",
            "overlaybd on plain: foreign (overlaybd-on-plain)",
            "plain on overlaybd: foreign (plain-on-overlaybd)",
            "turbo: native (native) labels mounts, labels mounts",
            "plain on turbo: foreign (plain-on-overlaybd)",
            "nydus: foreign (nydus-image)",
            "nydus by reference: foreign (nydus-image)",
            "nydus without bootstrap: foreign (nydus-image)",
            "plain on nydus: foreign (nydus-image)",
            "plain in nydus: foreign (nydus-image)",
            "erofs: foreign (erofs-image)",
            &format!("unknown media type: {plain}"),
            &format!("soci: {plain}"),
        ]
    );
}

#[test]
fn the_layer_that_cannot_stand_where_it_does_is_named() {
    for (layers, code, number) in [
        ("ppo", "overlaybd-on-plain", 3),
        ("opo", "plain-on-overlaybd", 2),
        ("oop", "plain-on-overlaybd", 3),
        ("pt", "overlaybd-on-plain", 2),
        ("ooe", "plain-on-overlaybd", 3),
        ("a", "acceleration-misplaced", 1),
        ("pa", "acceleration-misplaced", 2),
        ("oao", "acceleration-misplaced", 3),
        ("oap", "acceleration-misplaced", 3),
    ] {
        let image = samples::image("overlaybd", layers);
        let plan = plan("{}", &image);
        assert_eq!((plan.suitability, plan.code.as_str()), (Suitability::Foreign, code), "{layers}");
        let digest = &image.layers[number - 1].descriptor.digest;
        let named = format!("layer {number} of {} (`{digest}`)", layers.len());
        assert!(plan.reason.starts_with(&named), "{layers}: {}", plan.reason);
    }
    for layers in ["o", "oa", "t", "ta", "to", "ot"] {
        assert_eq!(
            plan("{}", &samples::image("overlaybd", layers)).suitability,
            Suitability::Native,
            "{layers}"
        );
    }
}

#[test]
fn a_layer_is_asked_for_with_digest_and_size_that_the_host_verified() {
    let lie = samples::digest(0xbad);
    let bait = ImageBuilder::new("overlaybd")
        .layer()
        .size(4096)
        .annotated("containerd.io/snapshot/overlaybd/blob-digest", &lie)
        .annotated("containerd.io/snapshot/overlaybd/blob-size", "1")
        .annotated("containerd.io/snapshot/overlaybd/blob-fs-type", "erofs")
        .annotated("containerd.io/snapshot/overlaybd/version", "0.1.0")
        .annotated("containerd.io/snapshot/overlaybd/download-remote-blob", "download")
        .annotated("containerd.io/snapshot/overlaybd/convert2turbo-oci", "yes")
        .annotated("containerd.io/snapshot/image-ref", "evil.example/image:tag")
        .annotated("containerd.io/snapshot/cri.image-ref", "evil.example/image:tag")
        .annotated("containerd.io/snapshot/cri.layer-digest", &lie)
        .build();
    let digest = bait.layers[0].descriptor.digest.as_str();
    let plan = plan("{}", &bait);
    assert_eq!(
        sent(&plan, 0),
        [
            ("containerd.io/snapshot/cri.image-ref", "example.org/image:tag"),
            ("containerd.io/snapshot/cri.manifest-digest", bait.manifest.digest.as_str()),
            ("containerd.io/snapshot/cri.layer-digest", digest),
            ("containerd.io/snapshot/cri.image-layers", digest),
            ("containerd.io/snapshot/overlaybd/blob-digest", digest),
            ("containerd.io/snapshot/overlaybd/blob-size", "4096"),
            ("containerd.io/snapshot/overlaybd/blob-fs-type", "erofs"),
            ("containerd.io/snapshot/overlaybd/version", "0.1.0"),
        ]
    );
    assert_eq!(plan.lazy_label.as_deref(), Some("containerd.io/snapshot/remote"));
    assert_eq!(plan.advice.len(), 5);
}

#[test]
fn what_is_passed_on_is_a_word() {
    for value in ["", "ext4 ", "a/b", "ä", &"x".repeat(65)] {
        let mut image = samples::image("overlaybd", "o");
        let annotations = &mut image.layers[0].descriptor.annotations;
        annotations.push(("containerd.io/snapshot/overlaybd/blob-fs-type".to_owned(), value.to_owned()));
        let plan = plan("{}", &image);
        assert!(!sent(&plan, 0).iter().any(|(key, _)| key.ends_with("fs-type")), "{value}");
    }
}

#[test]
fn what_is_fetched_is_told_apart_by_its_labels() {
    let last = |layers: &str| {
        let plan = plan("{}", &samples::image("overlaybd", layers));
        let labels = sent(&plan, layers.len() - 1).split_off(7);
        labels.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(last("oa"), ["containerd.io/snapshot/overlaybd/acceleration-layer=yes"]);
    let target = samples::digest(0x707);
    assert_eq!(
        last("t"),
        [
            format!("containerd.io/snapshot/overlaybd/turbo-oci/target-digest={target}"),
            "containerd.io/snapshot/overlaybd/turbo-oci/target-media-type=application/vnd.oci.image.layer.v1.tar+gzip"
                .to_owned(),
        ]
    );
    let early = ImageBuilder::new("overlaybd")
        .layer()
        .annotated("containerd.io/snapshot/overlaybd/fastoci/target-digest", &target)
        .annotated("containerd.io/snapshot/overlaybd/fastoci/target-media-type", "application/x")
        .build();
    let plan = plan("{}", &early);
    let keys: Vec<&str> = sent(&plan, 0).split_off(6).into_iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "containerd.io/snapshot/overlaybd/fastoci/target-digest",
            "containerd.io/snapshot/overlaybd/fastoci/target-media-type"
        ]
    );
}

#[test]
fn the_configuration_sets_whether_blobs_are_fetched_and_the_device_is_attached() {
    let image = samples::image("overlaybd", "ooa");
    let downloaded = plan(r#"{"download":true}"#, &image);
    assert_eq!(samples::summary(&downloaded), "native (native) labels mounts, labels mounts, labels mounts");
    let label = ("containerd.io/snapshot/overlaybd/download-remote-blob", "download");
    let asking: Vec<bool> = (0..3).map(|at| sent(&downloaded, at).contains(&label)).collect();
    assert_eq!(asking, [true, true, false]);
    let usual = plan("{}", &image);
    assert!(!usual.verify && usual.hints[0].starts_with("the pull attached no block device"));
    let verified = plan(r#"{"verify":true}"#, &image);
    assert!(verified.verify && verified.hints.is_empty());
    let plain = plan(r#"{"verify":true}"#, &samples::image("overlaybd", "p"));
    assert!(!plain.verify && plain.hints.is_empty() && plain.advice.is_empty());
    for refused in [r#"{"verify":1}"#, r#"{"other":true}"#, "[]"] {
        testing::check_config::<Overlaybd>(refused).unwrap_err();
    }
}

#[test]
fn the_largest_image_is_planned() {
    assert_eq!(plan("{}", &samples::image("overlaybd", &"o".repeat(512))).layers.len(), 512);
}
