use serde_json::{Value, json};

use super::*;
use dray_core::oci::Algorithm;
use dray_core::verify::digest_of;

fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor::new(MediaType::new(media_type), digest_of(Algorithm::Sha256, bytes), bytes.len() as u64)
}

fn read<T: Content>(descriptor: &Descriptor, bytes: &[u8]) -> Result<Document<T>, DocumentFault> {
    Document::read(descriptor, Bytes::copy_from_slice(bytes))
}

fn many(count: usize) -> Value {
    (0..count).map(|n| (n.to_string(), json!(""))).collect::<serde_json::Map<_, _>>().into()
}

fn blob(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": digest_of(Algorithm::Sha256, b"x"), "size": 1})
}

/// What there is too many of in a document that is altered.
#[track_caller]
fn too_many<T: Content + std::fmt::Debug>(
    good: &Value,
    alter: impl Fn(&mut Value, usize),
    limit: usize,
) -> &'static str {
    let altered = |count| {
        let mut document = good.clone();
        alter(&mut document, count);
        let bytes = document.to_string().into_bytes();
        read::<T>(&of("x", &bytes), &bytes)
    };
    altered(limit).expect("as many as that are accepted");
    match altered(limit + 1) {
        Err(DocumentFault::TooMany { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bounds() {
    let layer = || blob("application/vnd.oci.image.layer.v1.tar");
    let addresses = |count: usize| json!(vec!["http://example.com"; count]);
    let good = json!({"manifests": [blob(MediaType::OCI_MANIFEST)]});
    let entries = |index: &mut Value, count| index["manifests"] = json!(vec![layer(); count]);
    assert_eq!(too_many::<Index>(&good, entries, limits::INDEX_ENTRIES), "entries");
    let annotations = |index: &mut Value, count| index["manifests"][0]["annotations"] = many(count);
    assert_eq!(too_many::<Index>(&good, annotations, limits::ANNOTATIONS), "annotations of one descriptor");
    let urls = |index: &mut Value, count| index["manifests"][0]["urls"] = addresses(count);
    assert_eq!(too_many::<Index>(&good, urls, limits::URLS), "addresses of one blob");

    let good = json!({"config": blob(MediaType::OCI_CONFIG), "layers": [layer()]});
    let layers = |manifest: &mut Value, count| manifest["layers"] = json!(vec![layer(); count]);
    assert_eq!(too_many::<AnyManifest>(&good, layers, limits::LAYERS), "layers");
    let annotations = |manifest: &mut Value, count| manifest["annotations"] = many(count);
    assert_eq!(too_many::<AnyManifest>(&good, annotations, limits::ANNOTATIONS), "annotations");
    let urls = |manifest: &mut Value, count| manifest["layers"][0]["urls"] = addresses(count);
    assert_eq!(too_many::<AnyManifest>(&good, urls, limits::URLS), "addresses of one blob");

    let labels = |config: &mut Value, count| config["config"]["Labels"] = many(count);
    let good = json!({"config": {}});
    assert_eq!(too_many::<ImageConfig>(&good, labels, limits::ANNOTATIONS), "labels");
}

#[test]
fn what_no_byte_is_read_of() {
    let manifest = |media_type| acceptable(DocumentKind::Manifest, &of(media_type, b"x"));
    assert!(manifest(MediaType::DOCKER_MANIFEST).is_ok());
    let schema1 = manifest(MediaType::SCHEMA1);
    assert!(matches!(schema1, Err(DocumentFault::Unreadable(DocumentError::Schema1 { .. }))));
    assert!(matches!(manifest("text/plain"), Err(DocumentFault::NotAnImage { .. })));
    for kind in [DocumentKind::Index, DocumentKind::Manifest, DocumentKind::Config] {
        let sized = |size| Descriptor { size, ..of(MediaType::OCI_MANIFEST, b"x") };
        assert!(acceptable(kind, &sized(limits::DOCUMENT_BYTES)).is_ok());
        let refused = acceptable(kind, &sized(limits::DOCUMENT_BYTES + 1));
        assert!(matches!(refused, Err(DocumentFault::TooLarge { .. })), "{refused:?}");
    }
}

#[test]
fn bytes_are_checked_before_they_are_understood() {
    let stated = Descriptor { size: 1, ..of("x", b"{}") };
    assert!(matches!(read::<Index>(&stated, b"{}"), Err(DocumentFault::Mismatch(_))));
    assert!(matches!(read::<AnyManifest>(&stated, b"{}"), Err(DocumentFault::Mismatch(_))));
    assert!(matches!(read::<ImageConfig>(&stated, b"{}"), Err(DocumentFault::Mismatch(_))));
    assert!(matches!(read::<AnyManifest>(&of("x", b"{}"), b"{}"), Err(DocumentFault::Unreadable(_))));
}
