use dray_formats::samples;
use dray_plugin::snapshotter::Question;
use dray_plugin::testing::{self, ImageBuilder};

use super::*;

fn plan(config: &str, image: &Image) -> ImagePlan {
    testing::plan::<Nydus>(config, image).unwrap()
}

fn sent(plan: &ImagePlan, at: usize) -> Vec<(&str, &str)> {
    let Question::AskWithLabels(labels) = &plan.layers[at].question else {
        panic!("layer {at} has no labels")
    };
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

/// Those that are not sent with every layer.
fn own(plan: &ImagePlan, at: usize) -> Vec<(&str, &str)> {
    sent(plan, at).split_off(4)
}

fn verdicts(config: &str) -> Vec<String> {
    let forms = samples::all("nydus");
    forms.iter().map(|(form, image)| format!("{form}: {}", samples::summary(&plan(config, image)))).collect()
}

#[test]
fn every_form_of_image_has_a_verdict() {
    let plain = "plain (plain) ask mounts, ask mounts";
    assert_eq!(
        verdicts("{}"),
        [
            &format!("plain: {plain}"),
            &format!("encrypted: {plain}"),
            &format!("estargz: {plain}"),
            &format!("zstd:chunked: {plain}"),
            &format!("zstd:chunked of podman: {plain}"),
            &format!("estargz on plain: {plain}"),
            &format!("plain on estargz: {plain}"),
            "overlaybd: foreign (overlaybd-image)",
            "overlaybd with acceleration: foreign (overlaybd-image)",
            "overlaybd on plain: foreign (overlaybd-image)",
            "plain on overlaybd: foreign (overlaybd-image)",
            "turbo: foreign (turbo-oci-image)",
            "plain on turbo: foreign (turbo-oci-image)",
            "nydus: native (native) labels provided else fail, labels provided else fail, labels mounts",
            "nydus by reference: native (native) labels maybe, labels maybe, labels mounts",
            "nydus without bootstrap: foreign (no-bootstrap)",
            "plain on nydus: foreign (plain-on-nydus)",
            "plain in nydus: foreign (plain-in-nydus)",
            "erofs: foreign (erofs-image)",
            &format!("unknown media type: {plain}"),
            &format!("soci: {plain}"),
        ]
    );
}

#[test]
fn a_daemon_that_serves_ordinary_images_is_asked_for_them() {
    let verdicts = verdicts(r#"{"detect":true}"#);
    for form in ["plain", "estargz", "soci"] {
        assert!(
            verdicts.contains(&format!("{form}: plain (detect) labels maybe, labels maybe")),
            "{verdicts:#?}"
        );
    }
    let plan = plan(r#"{"detect":true}"#, &samples::image("nydus", "p"));
    assert!(own(&plan, 0).is_empty() && !plan.verify && plan.lazy_label.is_none());
}

#[test]
fn the_layer_that_cannot_stand_where_it_does_is_named() {
    for (layers, code, number) in [
        ("nnbp", "plain-on-nydus", 4),
        ("nbb", "plain-on-nydus", 3),
        ("nbn", "plain-on-nydus", 3),
        ("pnb", "plain-in-nydus", 1),
        ("npb", "plain-in-nydus", 2),
        ("pn", "no-bootstrap", 2),
        ("rp", "no-bootstrap", 1),
    ] {
        let image = samples::image("nydus", layers);
        let plan = plan("{}", &image);
        assert_eq!((plan.suitability, plan.code.as_str()), (Suitability::Foreign, code), "{layers}");
        let digest = &image.layers[number - 1].descriptor.digest;
        let named = format!("layer {number} of {} (`{digest}`)", layers.len());
        assert!(plan.reason.starts_with(&named), "{layers}: {}", plan.reason);
    }
    for layers in ["b", "nb", "rb", "nrb"] {
        assert_eq!(plan("{}", &samples::image("nydus", layers)).suitability, Suitability::Native, "{layers}");
    }
}

#[test]
fn a_layer_is_asked_for_as_what_it_is() {
    let image = samples::image("my-nydus", "nrb");
    let plan = plan("{}", &image);
    let digest = |at: usize| image.layers[at].descriptor.digest.as_str();
    let all = [digest(0), digest(1), digest(2)].join(",");
    assert_eq!(
        sent(&plan, 0),
        [
            ("containerd.io/snapshot/cri.image-ref", "example.org/image:tag"),
            ("containerd.io/snapshot/cri.manifest-digest", image.manifest.digest.as_str()),
            ("containerd.io/snapshot/cri.layer-digest", digest(0)),
            ("containerd.io/snapshot/cri.image-layers", &all),
            ("containerd.io/snapshot/nydus-blob", "true"),
        ]
    );
    assert_eq!(own(&plan, 1), [("containerd.io/snapshot/nydus-ref", &*samples::digest(0x4ef))]);
    assert_eq!(
        own(&plan, 2),
        [
            ("containerd.io/snapshot/nydus-bootstrap", "true"),
            ("containerd.io/snapshot/nydus-fs-version", "6")
        ]
    );
    assert_eq!(plan.lazy_label.as_deref(), Some("containerd.io/snapshot/nydus-blob"));
    assert_eq!((plan.advice.len(), plan.hints.len()), (5, 1));
}

#[test]
fn annotations_of_the_image_do_not_stand_in_for_labels() {
    let lie = samples::digest(0xbad);
    let bait = ImageBuilder::new("nydus")
        .layer()
        .annotated("containerd.io/snapshot/nydus-blob", "maybe")
        .annotated("containerd.io/snapshot/nydus-proxy-mode", "true")
        .annotated("containerd.io/snapshot/nydus-source-digest", &lie)
        .annotated("containerd.io/snapshot/pullusername", "me")
        .annotated("containerd.io/snapshot/pullsecret", "secret")
        .annotated("containerd.io/snapshot/cri.image-ref", "evil.example/image:tag")
        .annotated("containerd.io/snapshot/cri.layer-digest", &lie)
        .annotated("containerd.io/snapshot/tarfs-hint", "true")
        .layer()
        .annotated("containerd.io/snapshot/nydus-bootstrap", "1")
        .annotated("containerd.io/snapshot/nydus-fs-version", "7")
        .annotated("containerd.io/snapshot/nydus-signature", "c2lnbmVk+/==")
        .annotated("containerd.io/snapshot/cri.image-ref", "evil.example/image:tag")
        .build();
    let plan = plan("{}", &bait);
    assert_eq!(sent(&plan, 0)[0].1, "example.org/image:tag");
    assert_eq!(sent(&plan, 0)[2].1, bait.layers[0].descriptor.digest);
    assert_eq!(own(&plan, 0), [("containerd.io/snapshot/nydus-blob", "true")]);
    assert_eq!(
        own(&plan, 1),
        [
            ("containerd.io/snapshot/nydus-bootstrap", "true"),
            ("containerd.io/snapshot/nydus-signature", "c2lnbmVk+/==")
        ]
    );
}

#[test]
fn a_pull_in_nydus_format_is_verified_unless_the_configuration_says_no() {
    let image = samples::image("nydus", "nb");
    assert!(plan("{}", &image).verify);
    assert!(!plan(r#"{"verify":false}"#, &image).verify);
    assert!(!plan("{}", &samples::image("nydus", "p")).verify);
    for refused in [r#"{"verify":1}"#, r#"{"other":true}"#, "[]"] {
        testing::check_config::<Nydus>(refused).unwrap_err();
    }
}

#[test]
fn the_largest_image_is_planned() {
    let image = samples::image("nydus", &format!("{}b", "n".repeat(511)));
    assert_eq!(plan("{}", &image).layers.len(), 512);
}
