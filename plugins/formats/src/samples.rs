//! One image of each form, for the tests of plugins.

use dray_plugin::snapshotter::{
    Expectation, Image, ImagePlan, LayerPlan, OnError, OnMounts, Question, Suitability,
};
use dray_plugin::testing::{ImageBuilder, LayerBuilder};

use crate::{SOCI_INDEX, annotations};

const OVERLAYBD_MEDIA_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const NYDUS_MEDIA_TYPE: &str = "application/vnd.oci.image.layer.nydus.blob.v1";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// A digest that no image of this module has as its own.
pub fn digest(number: u64) -> String {
    format!("sha256:{number:064x}")
}

/// The forms of layers, by one letter each, bottom layer first: an image of them.
///
/// | letter | layer |
/// |---|---|
/// | `p` | plain |
/// | `x` | encrypted |
/// | `e` | eStargz |
/// | `z` | zstd:chunked |
/// | `P` | zstd:chunked as of Podman |
/// | `o` | overlaybd |
/// | `a` | acceleration layer of overlaybd |
/// | `t` | TurboOCI |
/// | `n` | blob of nydus |
/// | `r` | archive that nydus refers to |
/// | `b` | bootstrap of nydus |
/// | `f` | EROFS |
/// | `u` | unknown media type |
///
/// # Panics
///
/// For another letter, and for none.
pub fn image(snapshotter: &str, layers: &str) -> Image {
    with_layers(ImageBuilder::new(snapshotter), layers)
}

/// Plain layers under a manifest that names an index of SOCI.
pub fn soci(snapshotter: &str) -> Image {
    with_layers(ImageBuilder::new(snapshotter).manifest_annotation(SOCI_INDEX, &digest(0x50c1)), "pp")
}

/// Each form of image by its name.
pub fn all(snapshotter: &str) -> Vec<(&'static str, Image)> {
    let forms = [
        ("plain", "pp"),
        ("encrypted", "xx"),
        ("estargz", "ee"),
        ("zstd:chunked", "zz"),
        ("zstd:chunked of podman", "PP"),
        ("estargz on plain", "pe"),
        ("plain on estargz", "ep"),
        ("overlaybd", "oo"),
        ("overlaybd with acceleration", "ooa"),
        ("overlaybd on plain", "po"),
        ("plain on overlaybd", "op"),
        ("turbo", "tt"),
        ("plain on turbo", "tp"),
        ("nydus", "nnb"),
        ("nydus by reference", "rrb"),
        ("nydus without bootstrap", "nn"),
        ("plain on nydus", "nbp"),
        ("plain in nydus", "npb"),
        ("erofs", "ff"),
        ("unknown media type", "uu"),
    ];
    let mut images: Vec<_> =
        forms.into_iter().map(|(name, layers)| (name, image(snapshotter, layers))).collect();
    images.push(("soci", soci(snapshotter)));
    images
}

/// A plan in a line: verdict, code, and for each layer what is asked, what is expected, and what follows if
/// something else happens, where that is not the usual.
pub fn summary(plan: &ImagePlan) -> String {
    let verdict = match plan.suitability {
        Suitability::Native => "native",
        Suitability::Partial => "partial",
        Suitability::Plain => "plain",
        Suitability::Foreign => "foreign",
    };
    let layers: Vec<String> = plan.layers.iter().map(layer_summary).collect();
    format!("{verdict} ({}) {}", plan.code, layers.join(", ")).trim_end().to_owned()
}

fn layer_summary(plan: &LayerPlan) -> String {
    let question = match plan.question {
        Question::AskWithLabels(_) => "labels",
        Question::Ask => "ask",
        Question::Fetch => "fetch",
    };
    let expectation = match plan.expectation {
        Expectation::Provided => "provided",
        Expectation::Maybe => "maybe",
        Expectation::Mounts => "mounts",
    };
    let on_mounts = match plan.on_mounts {
        OnMounts::Fetch => "",
        OnMounts::FetchAndStopAsking => " else stop",
        OnMounts::Fail => " else fail",
    };
    let on_error = match plan.on_error {
        OnError::Fail => "",
        OnError::Fetch => " error fetch",
        OnError::FetchAndStopAsking => " error stop",
    };
    format!("{question} {expectation}{on_mounts}{on_error}")
}

fn with_layers(image: ImageBuilder, layers: &str) -> Image {
    let mut letters = layers.chars();
    let first = form(image.layer(), letters.next().expect("an image has layers"));
    letters.fold(first, |image, letter| form(image.layer(), letter)).build()
}

fn form(layer: LayerBuilder, letter: char) -> LayerBuilder {
    let toc = digest(0x70c);
    match letter {
        'p' => layer,
        'x' => layer.media_type("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
        'e' => layer.annotated(annotations::TOC_DIGEST, &toc),
        'z' => layer.media_type(ZSTD).annotated(annotations::TOC_DIGEST, &toc),
        'P' => layer.media_type(ZSTD).annotated("io.containers.zstd-chunked.manifest-checksum", &toc),
        'o' => overlaybd(layer),
        'a' => overlaybd(layer).annotated(annotations::OVERLAYBD_ACCELERATION, "yes"),
        't' => overlaybd(layer)
            .media_type("application/vnd.oci.image.layer.v1.tar+gzip")
            .annotated(annotations::TURBO_DIGEST, &digest(0x707))
            .annotated(annotations::TURBO_MEDIA_TYPE, "application/vnd.oci.image.layer.v1.tar+gzip"),
        'n' => layer.media_type(NYDUS_MEDIA_TYPE).annotated(annotations::NYDUS_BLOB, "true"),
        'r' => layer.annotated(annotations::NYDUS_REFERENCE, &digest(0x4ef)),
        'b' => layer
            .annotated(annotations::NYDUS_BOOTSTRAP, "true")
            .annotated("containerd.io/snapshot/nydus-fs-version", "6"),
        'f' => layer.media_type("application/vnd.erofs.layer.v1+zstd"),
        'u' => layer.media_type("application/vnd.example.layer.v1"),
        other => panic!("there is no form `{other}`"),
    }
}

/// As a converter writes it: with digest and size of the layer itself.
fn overlaybd(layer: LayerBuilder) -> LayerBuilder {
    let image = layer.clone().build();
    let descriptor = &image.layers[image.layers.len() - 1].descriptor;
    layer
        .media_type(OVERLAYBD_MEDIA_TYPE)
        .annotated(annotations::OVERLAYBD_DIGEST, &descriptor.digest)
        .annotated(annotations::OVERLAYBD_SIZE, &descriptor.size.to_string())
        .annotated("containerd.io/snapshot/overlaybd/version", "0.1.0")
}
