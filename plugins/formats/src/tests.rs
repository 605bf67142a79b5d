use dray_plugin::snapshotter::{Descriptor, Suitability};
use dray_plugin::testing::ImageBuilder;

use super::*;

const OCI: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar";

fn descriptor(media_type: &str, annotations: &[(&str, &str)]) -> Descriptor {
    let layer = ImageBuilder::new("some").layer().media_type(media_type);
    let layer = annotations.iter().fold(layer, |layer, (key, value)| layer.annotated(key, value));
    layer.build().layers.remove(0).descriptor
}

/// A digest as it has to be, with a name of its own in the tables below.
const D: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000007";
const OF_PODMAN: (&str, &str) = ("io.containers.zstd-chunked.manifest-checksum", D);

/// Media type, annotations, and what they make of a layer.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Format<'a>);

#[test]
fn each_form_of_a_layer_is_told_by_its_descriptor() {
    use annotations::*;
    let gzip = &format!("{OCI}+gzip");
    let zstd = &format!("{OCI}+zstd");
    let turbo = |target_media_type, is_early| Format::Turbo { target: D, target_media_type, is_early };
    let nydus = "application/vnd.oci.image.layer.nydus.blob.v1";
    let table: &[Case<'_>] = &[
        // Archives.
        (OCI, &[], Format::Plain),
        (gzip, &[], Format::Plain),
        (zstd, &[], Format::Plain),
        (DOCKER, &[], Format::Plain),
        (&format!("{DOCKER}.gzip"), &[], Format::Plain),
        (&format!("{DOCKER}.zstd"), &[], Format::Plain),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", &[], Format::Plain),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", &[], Format::Plain),
        (gzip, &[("org.example.note", "x")], Format::Plain),
        // Encrypted ones. Nothing can be read from within.
        (&format!("{OCI}+encrypted"), &[], Format::Encrypted),
        (&format!("{OCI}+gzip+encrypted"), &[], Format::Encrypted),
        (&format!("{OCI}+gzip+encrypted"), &[(TOC_DIGEST, D)], Format::Encrypted),
        // eStargz and zstd:chunked.
        (gzip, &[(TOC_DIGEST, D)], Format::Estargz { toc: D }),
        (&format!("{DOCKER}.gzip"), &[(TOC_DIGEST, D)], Format::Estargz { toc: D }),
        (gzip, &[("io.containers.estargz.uncompressed-size", "9")], Format::Plain),
        (zstd, &[(TOC_DIGEST, D)], Format::ZstdChunked { toc: D }),
        (zstd, &[(TOC_DIGEST, D), OF_PODMAN], Format::ZstdChunked { toc: D }),
        (zstd, &[OF_PODMAN], Format::ZstdChunkedOfPodman),
        (gzip, &[OF_PODMAN], Format::Plain),
        (OCI, &[(TOC_DIGEST, D)], Format::Plain),
        (gzip, &[(TOC_DIGEST, "")], Format::Plain),
        (gzip, &[(TOC_DIGEST, "sha256:7")], Format::Plain),
        (gzip, &[(TOC_DIGEST, &D.to_uppercase())], Format::Plain),
        // overlaybd. Half of the annotations is enough to be no archive.
        (OCI, &[(OVERLAYBD_DIGEST, D), (OVERLAYBD_SIZE, "9")], Format::Overlaybd),
        (OCI, &[(OVERLAYBD_DIGEST, D)], Format::Overlaybd),
        (OCI, &[(OVERLAYBD_SIZE, "9")], Format::Overlaybd),
        (OCI, &[(OVERLAYBD_DIGEST, "x"), (OVERLAYBD_SIZE, "x")], Format::Overlaybd),
        (DOCKER, &[(OVERLAYBD_DIGEST, D), (OVERLAYBD_SIZE, "9")], Format::Overlaybd),
        (
            OCI,
            &[(OVERLAYBD_DIGEST, D), (OVERLAYBD_SIZE, "9"), (OVERLAYBD_ACCELERATION, "yes")],
            Format::OverlaybdAcceleration,
        ),
        (OCI, &[(OVERLAYBD_ACCELERATION, "yes")], Format::OverlaybdAcceleration),
        (OCI, &[(OVERLAYBD_DIGEST, D), (OVERLAYBD_ACCELERATION, "no")], Format::Overlaybd),
        (OCI, &[(OVERLAYBD_ACCELERATION, "no")], Format::Plain),
        // TurboOCI.
        (gzip, &[(TURBO_DIGEST, D), (TURBO_MEDIA_TYPE, gzip)], turbo(gzip, false)),
        (gzip, &[(TURBO_DIGEST, D), (OVERLAYBD_DIGEST, D), (OVERLAYBD_SIZE, "9")], turbo("", false)),
        (gzip, &[(FAST_DIGEST, D), (FAST_MEDIA_TYPE, gzip)], turbo(gzip, true)),
        (gzip, &[(TURBO_MEDIA_TYPE, gzip)], Format::Plain),
        // nydus.
        (nydus, &[], Format::NydusData),
        (nydus, &[(NYDUS_BLOB, "true")], Format::NydusData),
        (gzip, &[(NYDUS_BLOB, "true")], Format::NydusData),
        (gzip, &[(NYDUS_REFERENCE, D)], Format::NydusReference { archive: D }),
        (gzip, &[(NYDUS_REFERENCE, D), (NYDUS_BLOB, "true")], Format::NydusReference { archive: D }),
        (gzip, &[(NYDUS_BOOTSTRAP, "true")], Format::NydusBootstrap),
        (gzip, &[(NYDUS_BOOTSTRAP, "")], Format::NydusBootstrap),
        // EROFS.
        ("application/vnd.erofs.layer.v1", &[], Format::Erofs),
        ("application/vnd.erofs.layer.v1+zstd", &[], Format::Erofs),
        // Anything else.
        ("application/vnd.example.layer.v1", &[], Format::Unknown),
        (&format!("{OCI}+br"), &[], Format::Unknown),
        (&format!("{OCI}+br"), &[(TOC_DIGEST, D)], Format::Unknown),
        ("", &[], Format::Unknown),
    ];
    for (media_type, annotations, format) in table {
        assert_eq!(Format::of(&descriptor(media_type, annotations)), *format, "{media_type} {annotations:?}");
    }
}

#[test]
fn an_image_is_told_by_all_its_layers() {
    let image = samples::image("some", "pez");
    let toc = samples::digest(0x70c);
    let expected = [Format::Plain, Format::Estargz { toc: &toc }, Format::ZstdChunked { toc: &toc }];
    assert_eq!(of_layers(&image), expected);
}

#[test]
fn an_index_of_soci_is_named_by_an_annotation_of_the_manifest() {
    assert_eq!(soci_index(&samples::soci("some")), Some(&*samples::digest(0x50c1)));
    assert_eq!(soci_index(&samples::image("some", "p")), None);
    for value in ["", "sha256:7", "latest"] {
        let image = ImageBuilder::new("some").manifest_annotation(SOCI_INDEX, value).layer().build();
        assert_eq!(soci_index(&image), None, "{value}");
    }
    let on_layer = ImageBuilder::new("some").layer().annotated(SOCI_INDEX, D).build();
    assert_eq!(soci_index(&on_layer), None);
}

#[test]
fn a_digest_has_as_many_digits_as_its_algorithm() {
    for (algorithm, digits) in [("sha256", 64), ("sha384", 96), ("sha512", 128)] {
        assert!(is_digest(&format!("{algorithm}:{}", "a".repeat(digits))));
        for other in [digits - 1, digits + 1] {
            assert!(!is_digest(&format!("{algorithm}:{}", "a".repeat(other))));
        }
        assert!(!is_digest(&format!("{algorithm}:{}", "A".repeat(digits))));
        assert!(!is_digest(&format!("{algorithm}:{}", "g".repeat(digits))));
    }
    for text in ["", "sha256", "sha256:", "md5:00", &"a".repeat(64)] {
        assert!(!is_digest(text), "{text}");
    }
}

#[test]
fn a_refusal_names_the_first_layer_and_the_snapshotter_that_it_needs() {
    let image = samples::image("overlayfs", "poo");
    let plan = refusal(&image, &of_layers(&image), &[]).unwrap();
    assert_eq!((plan.suitability, plan.code.as_str()), (Suitability::Foreign, "overlaybd-image"));
    assert_eq!(
        plan.reason,
        format!(
            "2 of 3 layers are in a format that snapshotter `overlayfs` would not unpack to files, the first is \
             layer 2 (`{}`) in overlaybd format; use snapshotter `overlaybd`, or another tag of the image",
            image.layers[1].descriptor.digest
        )
    );
    assert_eq!(refusal(&image, &of_layers(&image), &[Family::Overlaybd]), None);
    for (layers, code) in [
        ("n", "nydus-image"),
        ("r", "nydus-image"),
        ("b", "nydus-image"),
        ("f", "erofs-image"),
        ("t", "turbo-oci-image"),
        ("a", "overlaybd-image"),
    ] {
        let image = samples::image("some", layers);
        let plan = refusal(&image, &of_layers(&image), &[]).unwrap();
        assert_eq!(plan.code, code, "{layers}");
    }
    for layers in ["p", "x", "e", "z", "P", "u"] {
        let image = samples::image("some", layers);
        assert_eq!(refusal(&image, &of_layers(&image), &[]), None, "{layers}");
    }
}
