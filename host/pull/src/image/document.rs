//! What an index, a manifest and an image config must be like to be used, wherever their bytes come from.

#[cfg(test)]
mod tests;

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use dray_core::limits;
use dray_core::oci::{
    AnyManifest, Descriptor, DocumentError, DocumentKind, ImageConfig, Index, Manifest, MediaKind, MediaType,
    Platform, in_unicode, spec,
};
use dray_core::verify::{self, Mismatch};

/// Why a document of an image cannot be used.
#[derive(Debug, thiserror::Error)]
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

/// Why a document is none of the `oci-spec` crate's.
#[derive(Debug, thiserror::Error)]
#[error("the {kind} does not fit the type that the oci-spec crate has for it")]
pub struct SpecError {
    /// Which document.
    pub kind: DocumentKind,
    /// Where and why.
    #[source]
    pub source: serde_json::Error,
}

/// A document of an image: what it means, and its bytes as they were received.
#[derive(Clone, Debug)]
pub struct Document<T> {
    descriptor: Arc<Descriptor>,
    bytes: Bytes,
    content: T,
}

/// What a document can mean to a pull.
pub(crate) trait Content: Sized + Send + Sync {
    const KIND: DocumentKind;

    /// Understands bytes that are verified, as far as they are used.
    fn understand(bytes: &[u8]) -> Result<Self, DocumentFault>;

    /// What the document lists.
    fn children(&self) -> Vec<&Descriptor> {
        Vec::new()
    }
}

impl<T> Document<T> {
    /// Verifies and understands a document, wherever its bytes come from.
    pub(crate) fn read(descriptor: &Descriptor, bytes: Bytes) -> Result<Self, DocumentFault>
    where
        T: Content,
    {
        verify::check(descriptor, &bytes)?;
        let content = T::understand(&bytes)?;
        Ok(Self { descriptor: Arc::new(descriptor.clone()), bytes, content })
    }

    /// Understands more of the same bytes.
    pub(crate) fn again<U: Content>(self) -> Result<Document<U>, DocumentFault> {
        let Self { descriptor, bytes, .. } = self;
        let content = U::understand(&bytes)?;
        Ok(Document { descriptor, bytes, content })
    }

    /// Media type, digest and size, and whatever else is said of the document where it is listed.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The bytes as they were received. They are those of the descriptor.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn specified<S: DeserializeOwned>(&self, kind: DocumentKind) -> Result<S, SpecError> {
        let specified = serde_json::from_str(&in_unicode(&self.bytes));
        specified.map_err(|source| SpecError { kind, source })
    }

    /// The descriptor, to be kept without the bytes.
    pub(crate) fn shared_descriptor(&self) -> Arc<Descriptor> {
        self.descriptor.clone()
    }

    /// The meaning, without the bytes.
    pub(crate) fn into_content(self) -> T {
        self.content
    }
}

impl<T> Deref for Document<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.content
    }
}

impl Document<AnyManifest> {
    /// The manifest, if it is that of an image; else the type of what it is.
    pub(crate) fn image(self) -> Result<Document<Manifest>, MediaType> {
        let Self { descriptor, bytes, content } = self;
        match content {
            AnyManifest::Image(content) => Ok(Document { descriptor, bytes, content: *content }),
            AnyManifest::Artifact { media_type } => Err(media_type),
        }
    }
}

impl Content for Index {
    const KIND: DocumentKind = DocumentKind::Index;

    fn understand(bytes: &[u8]) -> Result<Self, DocumentFault> {
        let index = Self::parse(bytes)?;
        bounded("entries", index.manifests.len() + index.unusable.len(), limits::INDEX_ENTRIES)?;
        index.manifests.iter().try_for_each(bounded_descriptor)?;
        Ok(index)
    }

    fn children(&self) -> Vec<&Descriptor> {
        self.manifests.iter().collect()
    }
}

impl Content for AnyManifest {
    const KIND: DocumentKind = DocumentKind::Manifest;

    fn understand(bytes: &[u8]) -> Result<Self, DocumentFault> {
        let manifest = Self::parse(bytes)?;
        if let Self::Image(manifest) = &manifest {
            bounded("layers", manifest.layers.len(), limits::LAYERS)?;
            bounded("annotations", manifest.annotations.len(), limits::ANNOTATIONS)?;
            bounded_descriptor(&manifest.config)?;
            manifest.layers.iter().try_for_each(bounded_descriptor)?;
        }
        Ok(manifest)
    }

    fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Image(manifest) => std::iter::once(&manifest.config).chain(&manifest.layers).collect(),
            Self::Artifact { .. } => Vec::new(),
        }
    }
}

impl Content for ImageConfig {
    const KIND: DocumentKind = DocumentKind::Config;

    fn understand(bytes: &[u8]) -> Result<Self, DocumentFault> {
        let config = Self::parse(bytes)?;
        bounded("labels", config.labels.len(), limits::ANNOTATIONS)?;
        Ok(config)
    }
}

/// The platform that an image config states, all that is used of the config of an image that turns out to be for
/// another one.
impl Content for Platform {
    const KIND: DocumentKind = DocumentKind::Config;

    fn understand(bytes: &[u8]) -> Result<Self, DocumentFault> {
        Ok(ImageConfig::platform_of(bytes)?)
    }
}

impl Document<Index> {
    /// The index in the type of the `oci-spec` crate.
    ///
    /// # Errors
    ///
    /// Fails if that type cannot hold it, which is stricter than what is needed to use an index.
    pub fn spec(&self) -> Result<spec::ImageIndex, SpecError> {
        self.specified(DocumentKind::Index)
    }
}

impl Document<Manifest> {
    /// The manifest in the type of the `oci-spec` crate.
    ///
    /// # Errors
    ///
    /// Fails if that type cannot hold it, which is stricter than what is needed to use a manifest.
    pub fn spec(&self) -> Result<spec::ImageManifest, SpecError> {
        self.specified(DocumentKind::Manifest)
    }
}

impl Document<ImageConfig> {
    /// The image config in the type of the `oci-spec` crate.
    ///
    /// # Errors
    ///
    /// Fails if that type cannot hold it, which is stricter than what is needed to use an image config.
    pub fn spec(&self) -> Result<spec::ImageConfiguration, SpecError> {
        self.specified(DocumentKind::Config)
    }
}

fn bounded_descriptor(descriptor: &Descriptor) -> Result<(), DocumentFault> {
    bounded("annotations of one descriptor", descriptor.annotations.len(), limits::ANNOTATIONS)?;
    bounded("addresses of one blob", descriptor.urls.len(), limits::URLS)
}

/// Refuses too many of something.
pub(super) fn bounded(what: &'static str, found: usize, limit: usize) -> Result<(), DocumentFault> {
    if found > limit { Err(DocumentFault::TooMany { what, found, limit }) } else { Ok(()) }
}
