//! Sources of an image's documents: a store, a registry, or memory.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::damage::read_undamaged;
use super::{Damage, ImageError};
use crate::stream::read_document;
use dray_core::oci::{Descriptor, Digest, DocumentKind, Reference};
use dray_core::verify::ReadError;
use dray_ports::{Class, ContentStore, Registry};

/// The answer of a source for a document.
#[derive(Debug)]
pub enum Brought {
    /// Its bytes.
    Bytes(Bytes),
    /// Nothing.
    Missing,
    /// The document is damaged.
    Damaged(Damage),
}

/// Brings the bytes of documents. The caller verifies and parses them, in the same way for every source.
#[async_trait]
pub trait DocumentSource: Send {
    /// Why a source fails.
    type Error: From<ImageError>;

    /// Returns the bytes of a document, at most [`DOCUMENT_BYTES`](dray_core::limits::DOCUMENT_BYTES).
    ///
    /// # Errors
    ///
    /// Fails if the source does.
    async fn bytes(&mut self, kind: DocumentKind, descriptor: &Descriptor) -> Result<Brought, Self::Error>;

    /// Notes that the last returned bytes were verified and parsed. `children` are the descriptors in the document.
    ///
    /// # Errors
    ///
    /// Fails if the source does.
    async fn understood(
        &mut self,
        kind: DocumentKind,
        descriptor: &Descriptor,
        bytes: &Bytes,
        children: &[&Descriptor],
    ) -> Result<(), Self::Error> {
        let _ = (kind, descriptor, bytes, children);
        Ok(())
    }

    /// Notes that documents are not wanted.
    ///
    /// # Errors
    ///
    /// Fails if the source does.
    async fn unwanted(&mut self, descriptors: &[&Descriptor]) -> Result<(), Self::Error> {
        let _ = descriptors;
        Ok(())
    }
}

/// The documents in a content store.
#[derive(Clone, Copy)]
pub struct StoredDocuments<'a>(pub &'a dyn ContentStore);

#[async_trait]
impl DocumentSource for StoredDocuments<'_> {
    type Error = ImageError;

    async fn bytes(&mut self, kind: DocumentKind, descriptor: &Descriptor) -> Result<Brought, ImageError> {
        let digest = &descriptor.digest;
        match read_undamaged(self.0, descriptor).await {
            Ok(Ok(bytes)) => Ok(Brought::Bytes(bytes)),
            Ok(Err(damage)) => Ok(Brought::Damaged(damage)),
            Err(error) if error.class() == Class::NotFound => Ok(Brought::Missing),
            Err(source) => Err(ImageError::store(format!("reading {kind} {digest}"))(source)),
        }
    }
}

/// The documents of one repository of a registry. Nothing is stored.
#[derive(Clone)]
pub struct ServedDocuments {
    /// The registry.
    pub registry: Arc<dyn Registry>,
    /// The repository. Its tag or digest is ignored.
    pub reference: Reference,
}

#[async_trait]
impl DocumentSource for ServedDocuments {
    type Error = ImageError;

    async fn bytes(&mut self, kind: DocumentKind, descriptor: &Descriptor) -> Result<Brought, ImageError> {
        let digest = &descriptor.digest;
        match read_document(self.registry.as_ref(), &self.reference, descriptor).await {
            Ok(bytes) => Ok(Brought::Bytes(bytes)),
            Err(ReadError::Source(source)) => Err(ImageError::Fetch { kind, digest: digest.clone(), source }),
            Err(ReadError::Mismatch(source)) => Err(ImageError::unusable(kind, descriptor)(source.into())),
        }
    }
}

/// Documents in memory.
#[derive(Clone, Debug, Default)]
pub struct HeldDocuments(pub HashMap<Digest, Bytes>);

#[async_trait]
impl DocumentSource for HeldDocuments {
    type Error = ImageError;

    async fn bytes(&mut self, _: DocumentKind, descriptor: &Descriptor) -> Result<Brought, ImageError> {
        Ok(self.0.get(&descriptor.digest).cloned().map_or(Brought::Missing, Brought::Bytes))
    }
}
