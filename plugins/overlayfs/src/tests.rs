use dray_plugin::snapshotter::{Expectation, Image, ImagePlan, OnMounts, Question, Suitability};
use dray_plugin::testing::{self, ImageBuilder};

use super::Overlayfs;

const SNAPSHOT: &str = "containerd.io/snapshot";

fn plan(image: &Image) -> ImagePlan {
    testing::plan::<Overlayfs>("{}", image).unwrap()
}

fn assert_plain(image: &Image) {
    let plan = plan(image);
    assert_eq!((plan.suitability, plan.code.as_str()), (Suitability::Plain, "plain"), "{}", plan.reason);
    assert_eq!(plan.layers.len(), image.layers.len());
    for layer in &plan.layers {
        assert_eq!(layer.question, Question::Ask);
        assert_eq!(layer.expectation, Expectation::Mounts);
        assert_eq!(layer.on_mounts, OnMounts::Fetch);
        assert!(!layer.keep_blob);
    }
    assert!(plan.hints.is_empty() && plan.extensions.is_empty());
}

fn assert_foreign(image: &Image, code: &str, words: &[&str]) {
    let plan = plan(image);
    assert_eq!((plan.suitability, plan.code.as_str()), (Suitability::Foreign, code), "{}", plan.reason);
    for word in words {
        assert!(plan.reason.contains(word), "`{word}` is not in: {}", plan.reason);
    }
}

#[test]
fn ordinary_images_are_plain_by_whatever_name() {
    for name in ["overlayfs", "native", "btrfs", "zfs", "devmapper", "fuse-overlayfs", "my-own"] {
        let image = ImageBuilder::new(name)
            .layer()
            .layer()
            .media_type("application/vnd.docker.image.rootfs.diff.tar.gzip")
            .layer()
            .media_type("application/vnd.oci.image.layer.v1.tar+zstd")
            .build();
        assert_plain(&image);
        assert!(plan(&image).reason.contains(&format!("`{name}`")));
    }
}

#[test]
fn archives_with_an_index_are_plain() {
    let estargz = ImageBuilder::new("overlayfs")
        .layer()
        .annotated(&format!("{SNAPSHOT}/stargz/toc.digest"), &format!("sha256:{:064x}", 7))
        .annotated("io.containers.estargz.uncompressed-size", "1024")
        .build();
    assert_plain(&estargz);
    let zstd_chunked = ImageBuilder::new("overlayfs")
        .layer()
        .media_type("application/vnd.oci.image.layer.v1.tar+zstd")
        .annotated("io.containers.zstd-chunked.manifest-checksum", &format!("sha256:{:064x}", 7))
        .build();
    assert_plain(&zstd_chunked);
    let soci = ImageBuilder::new("overlayfs")
        .manifest_annotation("com.amazon.soci.index-digest", &format!("sha256:{:064x}", 7))
        .layer()
        .build();
    assert_plain(&soci);
}

#[test]
fn encrypted_layers_are_plain() {
    let image = ImageBuilder::new("overlayfs")
        .layer()
        .media_type("application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
        .build();
    assert_plain(&image);
}

#[test]
fn nydus_images_are_foreign() {
    let image = ImageBuilder::new("overlayfs")
        .layer()
        .media_type("application/vnd.oci.image.layer.nydus.blob.v1")
        .annotated(&format!("{SNAPSHOT}/nydus-blob"), "true")
        .layer()
        .annotated(&format!("{SNAPSHOT}/nydus-bootstrap"), "true")
        .build();
    assert_foreign(&image, "nydus-image", &["2 of 2 layers", "layer 1 (", "`overlayfs`", "`nydus`"]);
    let media_type_only = ImageBuilder::new("native")
        .layer()
        .layer()
        .media_type("application/vnd.oci.image.layer.nydus.blob.v1")
        .build();
    assert_foreign(&media_type_only, "nydus-image", &["1 of 2 layers", "layer 2 (", "`native`"]);
    for key in ["nydus-blob", "nydus-bootstrap", "nydus-ref"] {
        let image =
            ImageBuilder::new("native").layer().annotated(&format!("{SNAPSHOT}/{key}"), "true").build();
        assert_foreign(&image, "nydus-image", &["nydus format"]);
    }
}

#[test]
fn overlaybd_images_are_foreign() {
    let native = ImageBuilder::new("overlayfs")
        .layer()
        .media_type("application/vnd.oci.image.layer.v1.tar")
        .annotated(&format!("{SNAPSHOT}/overlaybd/blob-digest"), &format!("sha256:{:064x}", 7))
        .annotated(&format!("{SNAPSHOT}/overlaybd/blob-size"), "4096")
        .annotated(&format!("{SNAPSHOT}/overlaybd/version"), "0.1.0")
        .build();
    assert_foreign(&native, "overlaybd-image", &["1 of 1 layers", "`overlaybd`"]);
    let plain_below_and_above = ImageBuilder::new("overlayfs")
        .layer()
        .layer()
        .annotated(&format!("{SNAPSHOT}/overlaybd/blob-digest"), &format!("sha256:{:064x}", 7))
        .layer()
        .build();
    assert_foreign(&plain_below_and_above, "overlaybd-image", &["1 of 3 layers", "layer 2 ("]);
}

#[test]
fn turbo_images_are_foreign_also_by_the_earlier_spelling() {
    for kind in ["turbo-oci", "fastoci"] {
        let image = ImageBuilder::new("overlayfs")
            .layer()
            .annotated(&format!("{SNAPSHOT}/overlaybd/blob-digest"), &format!("sha256:{:064x}", 7))
            .annotated(&format!("{SNAPSHOT}/overlaybd/blob-size"), "4096")
            .annotated(&format!("{SNAPSHOT}/overlaybd/{kind}/target-digest"), &format!("sha256:{:064x}", 8))
            .build();
        assert_foreign(&image, "turbo-oci-image", &["TurboOCI format", "`overlaybd`"]);
    }
}

#[test]
fn erofs_images_are_foreign() {
    for media_type in ["application/vnd.erofs.layer.v1", "application/vnd.erofs.layer.v1+zstd"] {
        let image = ImageBuilder::new("overlayfs").layer().media_type(media_type).build();
        assert_foreign(&image, "erofs-image", &["EROFS format", "`erofs`"]);
    }
}

#[test]
fn the_largest_image_is_planned() {
    let mut image = ImageBuilder::new("overlayfs").layer();
    for _ in 1..512 {
        image = image.layer();
    }
    assert_plain(&image.build());
}

#[test]
fn there_is_no_configuration() {
    testing::check_config::<Overlayfs>("{}").unwrap();
    testing::check_config::<Overlayfs>(r#"{"allow": true}"#).unwrap_err();
}
