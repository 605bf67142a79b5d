//! Rules for index, manifest and image config, independent of their source.

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
    /// It exceeds the size limit.
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
    /// It belongs to an artifact.
    #[error("it is not of a container image but of type `{media_type}`")]
    NotAnImage {
        /// What it is.
        media_type: MediaType,
    },
    /// Its bytes differ from its descriptor.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Its bytes are not valid.
    #[error(transparent)]
    Unreadable(#[from] DocumentError),
}

/// Refuses documents by their descriptor, before a byte is read.
pub(crate) fn acceptable(kind: DocumentKind, descriptor: &Descriptor) -> Result<(), DocumentFault> {
    let media_type = &descriptor.media_type;
    match (kind, media_type.kind()) {
        (DocumentKind::Manifest, MediaKind::Schema1) => {
            return Err(DocumentError::Schema1 { kind }.into());
        }
        // The types of an index and of a config were checked before.
        (DocumentKind::Index | DocumentKind::Config, _) | (DocumentKind::Manifest, MediaKind::Manifest) => {}
        (DocumentKind::Manifest, _) => {
            return Err(DocumentFault::NotAnImage { media_type: media_type.clone() });
        }
    }
    let (size, limit) = (descriptor.size, limits::DOCUMENT_BYTES);
    if size > limit { Err(DocumentFault::TooLarge { size, limit }) } else { Ok(()) }
}

/// Why a document does not fit a type of the `oci-spec` crate.
#[derive(Debug, thiserror::Error)]
#[error("the {kind} does not fit the type that the oci-spec crate has for it")]
pub struct SpecError {
    /// Which document.
    pub kind: DocumentKind,
    /// Where and why.
    #[source]
    pub source: serde_json::Error,
}

/// A document of an image: its parsed content, and its bytes as received.
#[derive(Clone, Debug)]
pub struct Document<T> {
    descriptor: Arc<Descriptor>,
    bytes: Bytes,
    content: T,
}

/// The parsed content of a document.
pub(crate) trait Content: Sized + Send + Sync {
    const KIND: DocumentKind;

    /// Parses the used members of verified bytes.
    fn understand(bytes: &[u8]) -> Result<Self, DocumentFault>;

    /// The children of the document.
    fn children(&self) -> Vec<&Descriptor> {
        Vec::new()
    }
}

impl<T> Document<T> {
    /// Verifies and parses a document from any source.
    pub(crate) fn read(descriptor: &Descriptor, bytes: Bytes) -> Result<Self, DocumentFault>
    where
        T: Content,
    {
        verify::check(descriptor, &bytes)?;
        let content = T::understand(&bytes)?;
        Ok(Self { descriptor: Arc::new(descriptor.clone()), bytes, content })
    }

    /// Parses the same bytes as another type.
    pub(crate) fn again<U: Content>(self) -> Result<Document<U>, DocumentFault> {
        let Self { descriptor, bytes, .. } = self;
        let content = U::understand(&bytes)?;
        Ok(Document { descriptor, bytes, content })
    }

    /// The descriptor of the document, as listed in its parent.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The bytes as received. They match the descriptor.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    fn specified<S: DeserializeOwned>(&self, kind: DocumentKind) -> Result<S, SpecError> {
        let specified = serde_json::from_str(&in_unicode(&self.bytes));
        specified.map_err(|source| SpecError { kind, source })
    }

    /// The descriptor, without the bytes.
    pub(crate) fn shared_descriptor(&self) -> Arc<Descriptor> {
        self.descriptor.clone()
    }

    /// The parsed content, without the bytes.
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
    /// The manifest, if it is one of an image; else the type of the artifact.
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

/// The platform of an image config, the only part that is used of an image for another platform.
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
    /// Fails if that type cannot hold it. The type is stricter than a pull.
    pub fn spec(&self) -> Result<spec::ImageIndex, SpecError> {
        self.specified(DocumentKind::Index)
    }
}

impl Document<Manifest> {
    /// The manifest in the type of the `oci-spec` crate.
    ///
    /// # Errors
    ///
    /// Fails if that type cannot hold it. The type is stricter than a pull.
    pub fn spec(&self) -> Result<spec::ImageManifest, SpecError> {
        self.specified(DocumentKind::Manifest)
    }
}

impl Document<ImageConfig> {
    /// The image config in the type of the `oci-spec` crate.
    ///
    /// # Errors
    ///
    /// Fails if that type cannot hold it. The type is stricter than a pull.
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
