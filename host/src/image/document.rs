//! What an index, a manifest and an image config must be like to be used, wherever their bytes come from.

use crate::limits;
use crate::oci::{
    Descriptor, DocumentError, DocumentKind, ImageConfig, Index, Manifest, MediaKind, MediaType,
};
use crate::verify::{self, Mismatch};

/// Why a document of an image cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentFault {
    /// It is larger than what is read.
    #[error("it has {size} bytes, at most {limit} are accepted")]
    TooLarge {
        /// Its size.
        size: u64,
        /// The bound.
        limit: u64,
    },
    /// It has too many of something.
    #[error("it has {found} {what}, at most {limit} are accepted")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The bound.
        limit: usize,
    },
    /// It is part of something else than an image.
    #[error("it is not of a container image but of type `{media_type}`")]
    NotAnImage {
        /// What it is.
        media_type: MediaType,
    },
    /// Its bytes are others than its descriptor says.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Its bytes cannot be understood.
    #[error(transparent)]
    Unreadable(#[from] DocumentError),
}

/// Refuses what no byte need be read of.
pub(crate) fn acceptable(kind: DocumentKind, descriptor: &Descriptor) -> Result<(), DocumentFault> {
    let media_type = &descriptor.media_type;
    match (kind, media_type.kind()) {
        (DocumentKind::Manifest, MediaKind::Schema1) => {
            return Err(DocumentError::Schema1 { kind }.into());
        }
        // The type of an index has been looked at to know that it is one, and the type of a config with its manifest.
        (DocumentKind::Index | DocumentKind::Config, _) | (DocumentKind::Manifest, MediaKind::Manifest) => {}
        (DocumentKind::Manifest, _) => {
            return Err(DocumentFault::NotAnImage { media_type: media_type.clone() });
        }
    }
    let (size, limit) = (descriptor.size, limits::DOCUMENT_BYTES);
    if size > limit { Err(DocumentFault::TooLarge { size, limit }) } else { Ok(()) }
}

/// Checks and understands an index.
pub(crate) fn index(descriptor: &Descriptor, bytes: &[u8]) -> Result<Index, DocumentFault> {
    verify::check(descriptor, bytes)?;
    let index = Index::parse(bytes)?;
    bounded("entries", index.manifests.len(), limits::INDEX_ENTRIES)?;
    index.manifests.iter().try_for_each(bounded_descriptor)?;
    Ok(index)
}

/// Checks and understands the manifest of an image.
pub(crate) fn manifest(descriptor: &Descriptor, bytes: &[u8]) -> Result<Manifest, DocumentFault> {
    verify::check(descriptor, bytes)?;
    let manifest = Manifest::parse(bytes)?;
    if !manifest.config.media_type.is_image_config() {
        let media_type = manifest.artifact_type.unwrap_or(manifest.config.media_type);
        return Err(DocumentFault::NotAnImage { media_type });
    }
    bounded("layers", manifest.layers.len(), limits::LAYERS)?;
    bounded("annotations", manifest.annotations.len(), limits::ANNOTATIONS)?;
    bounded_descriptor(&manifest.config)?;
    manifest.layers.iter().try_for_each(bounded_descriptor)?;
    Ok(manifest)
}

/// Checks and understands an image config.
pub(crate) fn config(descriptor: &Descriptor, bytes: &[u8]) -> Result<ImageConfig, DocumentFault> {
    verify::check(descriptor, bytes)?;
    let config = ImageConfig::parse(bytes)?;
    bounded("labels", config.labels.len(), limits::ANNOTATIONS)?;
    Ok(config)
}

fn bounded_descriptor(descriptor: &Descriptor) -> Result<(), DocumentFault> {
    bounded("annotations of one descriptor", descriptor.annotations.len(), limits::ANNOTATIONS)?;
    bounded("addresses of one blob", descriptor.urls.len(), limits::URLS)
}

/// Refuses too many of something.
pub(super) fn bounded(what: &'static str, found: usize, limit: usize) -> Result<(), DocumentFault> {
    if found > limit { Err(DocumentFault::TooMany { what, found, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oci::Algorithm;
    use crate::verify::digest_of;

    fn of(media_type: &str, bytes: &[u8]) -> Descriptor {
        Descriptor::new(MediaType::new(media_type), digest_of(Algorithm::Sha256, bytes), bytes.len() as u64)
    }

    fn many(count: usize) -> Value {
        (0..count).map(|n| (n.to_string(), json!(""))).collect::<serde_json::Map<_, _>>().into()
    }

    fn blob(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": digest_of(Algorithm::Sha256, b"x"), "size": 1})
    }

    /// What there is too many of in a document that is altered.
    #[track_caller]
    fn too_many<T: std::fmt::Debug>(
        understand: impl Fn(&Descriptor, &[u8]) -> Result<T, DocumentFault>,
        good: &Value,
        alter: impl Fn(&mut Value, usize),
        limit: usize,
    ) -> &'static str {
        let read = |count| {
            let mut document = good.clone();
            alter(&mut document, count);
            let bytes = document.to_string().into_bytes();
            understand(&of("x", &bytes), &bytes)
        };
        read(limit).expect("as many as that are accepted");
        match read(limit + 1) {
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
        assert_eq!(too_many(index, &good, entries, limits::INDEX_ENTRIES), "entries");
        let annotations = |index: &mut Value, count| index["manifests"][0]["annotations"] = many(count);
        assert_eq!(too_many(index, &good, annotations, limits::ANNOTATIONS), "annotations of one descriptor");
        let urls = |index: &mut Value, count| index["manifests"][0]["urls"] = addresses(count);
        assert_eq!(too_many(index, &good, urls, limits::URLS), "addresses of one blob");

        let good = json!({"config": blob(MediaType::OCI_CONFIG), "layers": [layer()]});
        let layers = |manifest: &mut Value, count| manifest["layers"] = json!(vec![layer(); count]);
        assert_eq!(too_many(manifest, &good, layers, limits::LAYERS), "layers");
        let annotations = |manifest: &mut Value, count| manifest["annotations"] = many(count);
        assert_eq!(too_many(manifest, &good, annotations, limits::ANNOTATIONS), "annotations");
        let urls = |manifest: &mut Value, count| manifest["layers"][0]["urls"] = addresses(count);
        assert_eq!(too_many(manifest, &good, urls, limits::URLS), "addresses of one blob");

        let labels = |config: &mut Value, count| config["config"]["Labels"] = many(count);
        let good = json!({"config": {}});
        assert_eq!(too_many(config, &good, labels, limits::ANNOTATIONS), "labels");
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
        assert!(matches!(index(&stated, b"{}"), Err(DocumentFault::Mismatch(_))));
        assert!(matches!(manifest(&stated, b"{}"), Err(DocumentFault::Mismatch(_))));
        assert!(matches!(config(&stated, b"{}"), Err(DocumentFault::Mismatch(_))));
        assert!(matches!(manifest(&of("x", b"{}"), b"{}"), Err(DocumentFault::Unreadable(_))));
    }
}
