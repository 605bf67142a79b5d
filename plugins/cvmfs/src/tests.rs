use dray_formats::samples;
use dray_plugin::snapshotter::Question;
use dray_plugin::testing;

use super::*;

fn plan(image: &Image) -> ImagePlan {
    testing::plan::<Cvmfs>("{}", image).unwrap()
}

#[test]
fn every_form_of_image_has_a_verdict() {
    let verdicts: Vec<String> = samples::all("cvmfs-snapshotter")
        .iter()
        .map(|(form, image)| format!("{form}: {}", samples::summary(&plan(image))))
        .collect();
    let unknown = "plain (repository-unknown) labels maybe error fetch, labels maybe error fetch";
    assert_eq!(
        verdicts,
        [
            &format!("plain: {unknown}"),
            "encrypted: plain (repository-unknown) ask mounts, ask mounts",
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
            &format!("unknown media type: {unknown}"),
            &format!("soci: {unknown}"),
        ]
    );
}

#[test]
fn a_layer_is_asked_for_by_its_own_digest_whatever_the_image_says() {
    let mut image = samples::image("cvmfs", "p");
    let key = "containerd.io/snapshot/cri.layer-digest";
    image.layers[0].descriptor.annotations = vec![(key.to_owned(), samples::digest(0xbad))];
    let plan = plan(&image);
    let Question::AskWithLabels(labels) = &plan.layers[0].question else { panic!("there are no labels") };
    let digests: Vec<&str> =
        labels.iter().filter(|(name, _)| name == key).map(|(_, value)| &**value).collect();
    assert_eq!(digests, [image.layers[0].descriptor.digest.as_str()]);
    assert_eq!(labels.len(), 4);
    assert!(plan.advice.is_empty() && !plan.verify);
}

#[test]
fn the_largest_image_is_planned() {
    assert_eq!(plan(&samples::image("cvmfs", &"p".repeat(512))).layers.len(), 512);
}

#[test]
fn there_is_no_configuration() {
    testing::check_config::<Cvmfs>("{}").unwrap();
    testing::check_config::<Cvmfs>(r#"{"repository": "x"}"#).unwrap_err();
}
