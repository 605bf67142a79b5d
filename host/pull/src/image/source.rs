//! Where the documents of an image come from: a store, a registry, or memory.

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

/// What a source has of a document.
#[derive(Debug)]
pub enum Brought {
    /// Its bytes.
    Bytes(Bytes),
    /// Nothing.
    Missing,
    /// It has the document, and its bytes are lost or others.
    Damaged(Damage),
}

/// Brings the bytes of documents. The caller verifies and parses them, in the same way for every source.
#[async_trait]
pub trait DocumentSource: Send {
    /// Why a source fails.
    type Error: From<ImageError>;

    /// Brings the bytes of a document, [`DOCUMENT_BYTES`](dray_core::limits::DOCUMENT_BYTES) at most.
    ///
    /// # Errors
    ///
    /// Fails if the source does.
    async fn bytes(&mut self, kind: DocumentKind, descriptor: &Descriptor) -> Result<Brought, Self::Error>;

    /// Takes note that the bytes which it brought last are those of the descriptor, and understood. `children` is
    /// what the document lists.
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

    /// Takes note that documents turned out to be of nothing that is wanted.
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
    /// The repository. A tag or digest in it is not looked at.
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

/// Documents at hand.
#[derive(Clone, Debug, Default)]
pub struct HeldDocuments(pub HashMap<Digest, Bytes>);

#[async_trait]
impl DocumentSource for HeldDocuments {
    type Error = ImageError;

    async fn bytes(&mut self, _: DocumentKind, descriptor: &Descriptor) -> Result<Brought, ImageError> {
        Ok(self.0.get(&descriptor.digest).cloned().map_or(Brought::Missing, Brought::Bytes))
    }
}
