//! Index, manifest and image config: fetched, verified, parsed, and then stored byte for byte.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::blob::Blob;
use super::fetch::{BlobFetcher, Existing, FetchEvent};
use super::{PullError, World};
use crate::image::{
    Brought, Candidate, Candidates, DocumentSource, HeldDocuments, ImageDocuments, ImageError, ImageLayer,
    LayerCount, Missing, NoImage, Platforms, layers,
};
use dray_core::limits;
use dray_core::oci::{Descriptor, DocumentKind, ImageConfig, Manifest, Platform};
use dray_ports::{
    BlobFacts, DocumentState, Event, ImageToPlan, Ingest, LayerToPlan, Progress, Resolved, SnapshotterName,
};

/// The documents of one image, all of them in the store.
pub(super) struct Documents {
    /// The index that the manifest was chosen from; the innermost of nested indexes.
    pub(super) index: Option<Arc<Descriptor>>,
    pub(super) manifest_descriptor: Arc<Descriptor>,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
    /// The platform: that of the index entry, else that of the config.
    pub(super) platform: Platform,
    /// Whether the platform is wanted. An image without index is pulled for any platform.
    pub(super) fits: bool,
}

/// The wanted images of a reference.
pub(super) struct Images {
    /// The best match.
    pub(super) best: Documents,
    /// The other matches, if several are wanted.
    pub(super) others: Vec<Documents>,
    /// Sizes of the documents that came from the registry, also where another client stored them first.
    pub(super) downloaded: Vec<u64>,
}

impl Images {
    /// All images, the best match first.
    pub(super) fn images(&self) -> impl Iterator<Item = &Documents> {
        std::iter::once(&self.best).chain(&self.others)
    }
}

impl From<ImageDocuments> for Documents {
    fn from(image: ImageDocuments) -> Self {
        Self {
            index: image.indexes.last().map(|index| index.shared_descriptor()),
            manifest_descriptor: image.manifest.shared_descriptor(),
            manifest: image.manifest.into_content(),
            config: image.config.into_content(),
            platform: image.platform,
            fits: image.fits,
        }
    }
}

impl Documents {
    /// The image as a planner is told of it. `typed` is the name as the user typed it, `canonical` in normal form.
    pub(super) fn to_plan(
        &self,
        typed: &str,
        canonical: &str,
        snapshotter: &SnapshotterName,
    ) -> Result<ImageToPlan, PullError> {
        let layer = |layer: ImageLayer<'_>| LayerToPlan {
            descriptor: layer.descriptor.clone(),
            diff_id: layer.diff_id.clone(),
            chain_id: layer.chain_id,
        };
        let layers = self.layers()?.into_iter().map(layer).collect();
        Ok(ImageToPlan {
            reference: typed.to_owned(),
            canonical: canonical.to_owned(),
            snapshotter: snapshotter.clone(),
            index: self.index.as_deref().cloned(),
            manifest: Descriptor::clone(&self.manifest_descriptor),
            manifest_annotations: self.manifest.annotations.clone(),
            config: self.manifest.config.clone(),
            config_labels: self.config.labels.clone(),
            platform: self.platform.clone(),
            layers,
        })
    }

    /// The layers, bottom-up.
    pub(super) fn layers(&self) -> Result<Vec<ImageLayer<'_>>, LayerCount> {
        layers(&self.manifest, &self.config)
    }
}

/// Goes from the target of the reference to the image configs.
///
/// Documents are stored after the first image config below them was parsed, so that an artifact leaves no trace.
/// Documents of another namespace are stored at once, and collected after the lease if nothing refers to them.
pub(super) async fn fetch(
    name: &str,
    blobs: &BlobFetcher,
    world: &World,
    platforms: &Platforms,
    resolved: Resolved,
) -> Result<Images, PullError> {
    let Resolved { descriptor: target, document } = resolved;
    let source = FetchedDocuments::new(blobs, world.progress.as_ref(), &target, document, platforms.is_one());
    let mut candidates = Candidates::new(source, world.matcher.as_ref(), platforms, &target);
    let images = images(name, &mut candidates).await;
    match images {
        Ok((best, others)) => Ok(Images { best, others, downloaded: candidates.source.downloaded }),
        Err(error) => {
            let echo = blobs.stop.fail(error);
            candidates.source.abandon().await;
            Err(echo)
        }
    }
}

async fn images(
    name: &str,
    candidates: &mut Candidates<'_, FetchedDocuments<'_>>,
) -> Result<(Documents, Vec<Documents>), PullError> {
    let mut images = Vec::new();
    while let Some(candidate) = candidates.next_image().await? {
        match candidate {
            Candidate::Found(image) => {
                candidates.source.store().await?;
                images.push(Documents::from(image));
            }
            Candidate::Missing(missing) => {
                let Missing { kind, descriptor, .. } = *missing;
                return Err(PullError::Absent { what: kind.as_str(), digest: descriptor.digest });
            }
            Candidate::Unusable(unusable) => return Err(ImageError::from(unusable).into()),
        }
    }
    let mut images = images.into_iter();
    match images.next() {
        Some(best) => Ok((best, images.collect())),
        None => Err(match candidates.none() {
            NoImage::Artifact { media_type, .. } => {
                PullError::NotAnImage { name: name.to_owned(), media_type }
            }
            NoImage::Platform { wanted, offered } => {
                PullError::NoPlatform { name: name.to_owned(), wanted, offered }
            }
            NoImage::Unusable(unusable) => ImageError::from(unusable).into(),
        }),
    }
}

/// The documents of a pull: from resolving, from the store, and from the registry. Documents outside of the store
/// wait in their locked ingests until they are [stored](FetchedDocuments::store).
struct FetchedDocuments<'a> {
    blobs: &'a BlobFetcher,
    progress: &'a dyn Progress,
    /// The document from resolving.
    held: HeldDocuments,
    /// The place of the last returned document.
    place: Place,
    /// Parsed documents that are not in the store yet, each after its parent.
    pending: Vec<Pending>,
    /// Whether one image is wanted.
    is_one: bool,
    /// Whether the target is in the store, and protects its children.
    has_stored: bool,
    downloaded: Vec<u64>,
}

/// The place of a document.
enum Place {
    Store,
    /// Among the pending documents.
    Pending,
    /// It must be written into this ingest.
    Ingest(Box<dyn Ingest>, Box<Descriptor>),
}

/// A document that is complete in its ingest.
struct Pending {
    kind: DocumentKind,
    descriptor: Descriptor,
    ingest: Box<dyn Ingest>,
    bytes: Bytes,
    facts: BlobFacts,
}

#[async_trait]
impl DocumentSource for FetchedDocuments<'_> {
    type Error = PullError;

    async fn bytes(&mut self, kind: DocumentKind, descriptor: &Descriptor) -> Result<Brought, PullError> {
        let is_this = |pending: &&Pending| pending.descriptor.digest == descriptor.digest;
        if let Some(Pending { bytes, .. }) = self.pending.iter().find(is_this) {
            // This client itself holds the lock.
            self.place = Place::Pending;
            return Ok(Brought::Bytes(bytes.clone()));
        }
        let blob = Blob::document(kind, descriptor);
        self.place = Place::Store;
        let mut existing = Existing::IsUsed;
        while let Place::Store = self.place {
            if let Some(ingest) = open(self.blobs, self.progress, kind, blob, existing).await? {
                self.place = Place::Ingest(ingest, Box::new(descriptor.clone()));
                break;
            }
            // Even if resolving returned the bytes, because other clients will read the stored ones.
            match self.blobs.stored(blob).await? {
                Ok(bytes) => return Ok(Brought::Bytes(bytes)),
                Err(damage) => self.blobs.may_repair(blob, damage).await?,
            }
            existing = Existing::IsReplaced;
        }
        if let Brought::Bytes(held) = self.held.bytes(kind, descriptor).await? {
            return Ok(Brought::Bytes(held));
        }
        if self.blobs.source.is_none() {
            return Ok(Brought::Missing);
        }
        self.blobs.stop.or_cancelled(self.blobs.read(blob)).await.map(Brought::Bytes)
    }

    async fn understood(
        &mut self,
        kind: DocumentKind,
        descriptor: &Descriptor,
        bytes: &Bytes,
        children: &[&Descriptor],
    ) -> Result<(), PullError> {
        let blob = Blob::document(kind, descriptor);
        let children = children.iter().map(|&child| child.clone()).collect();
        let facts = BlobFacts { children, ..BlobFacts::default() };
        match &mut self.place {
            Place::Pending => return Ok(()),
            Place::Store => return self.blobs.note_existing(blob, facts).await,
            Place::Ingest(ingest, _) => {
                // The bytes of another client in the ingest may be wrong, and all bytes are in memory.
                ingest.restart();
                let write =
                    async { ingest.write(bytes.clone()).await.map_err(|source| blob.storing(source)) };
                self.blobs.stop.or_cancelled(write).await?;
            }
        }
        if let Place::Ingest(ingest, descriptor) = std::mem::replace(&mut self.place, Place::Pending) {
            self.downloaded.push(descriptor.size);
            let bytes = bytes.clone();
            self.pending.push(Pending { kind, descriptor: *descriptor, ingest, bytes, facts });
        }
        Ok(())
    }

    /// Unwanted documents are given up. Exceptions are those that an index lists for a wanted platform, and all where
    /// several images are wanted: without them the store could not tell later that nothing is missing.
    async fn unwanted(&mut self, descriptors: &[&Descriptor]) -> Result<(), PullError> {
        if self.has_stored {
            return self.store().await;
        }
        let tells = !self.is_one || descriptors.iter().any(|descriptor| descriptor.platform.is_some());
        if tells && self.pending.len() <= limits::PENDING_DOCUMENTS {
            return Ok(());
        }
        let is_unwanted = |pending: &mut Pending| {
            descriptors.iter().any(|descriptor| descriptor.digest == pending.descriptor.digest)
        };
        let unwanted: Vec<Pending> = self.pending.extract_if(.., is_unwanted).collect();
        for Pending { descriptor, ingest, .. } in unwanted {
            self.blobs.abandon(ingest, &descriptor).await;
        }
        Ok(())
    }
}

impl<'a> FetchedDocuments<'a> {
    fn new(
        blobs: &'a BlobFetcher,
        progress: &'a dyn Progress,
        target: &Descriptor,
        document: Option<Bytes>,
        is_one: bool,
    ) -> Self {
        let held = document.map(|bytes| (target.digest.clone(), bytes));
        Self {
            blobs,
            progress,
            held: HeldDocuments(held.into_iter().collect()),
            place: Place::Store,
            pending: Vec::new(),
            is_one,
            has_stored: false,
            downloaded: Vec::new(),
        }
    }

    /// Commits what waits, from the top down: a child must not be in the store without a document that keeps it.
    async fn store(&mut self) -> Result<(), PullError> {
        self.has_stored = true;
        let mut pending = std::mem::take(&mut self.pending).into_iter();
        while let Some(Pending { kind, descriptor, ingest, bytes, facts }) = pending.next() {
            let stored = self.blobs.put(Blob::document(kind, &descriptor), ingest, bytes, facts);
            if let Err(error) = stored.await {
                self.pending.extend(pending);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Drops the documents that are not stored, and releases their locks.
    async fn abandon(&mut self) {
        if let Place::Ingest(ingest, descriptor) = std::mem::replace(&mut self.place, Place::Store) {
            self.blobs.abandon(ingest, &descriptor).await;
        }
        for Pending { descriptor, ingest, .. } in std::mem::take(&mut self.pending) {
            self.blobs.abandon(ingest, &descriptor).await;
        }
    }
}

/// Opens the ingest of a document. `None` if the stored document is used.
///
/// A complete ingest, as for a blob of another namespace, is committed at once, so that nothing is downloaded. Only a
/// blob can be read.
async fn open(
    blobs: &BlobFetcher,
    progress: &dyn Progress,
    kind: DocumentKind,
    blob: Blob<'_>,
    existing: Existing,
) -> Result<Option<Box<dyn Ingest>>, PullError> {
    let tell = |state| {
        let digest = blob.descriptor.digest.clone();
        progress.event(Event::Document { kind, digest, state });
    };
    let watch = |event| match event {
        FetchEvent::WaitingForOther => tell(DocumentState::WaitingForOther),
        FetchEvent::Offset(_) => {}
    };
    let tell = &tell;
    let step = |ingest: Box<dyn Ingest>| async move {
        tell(DocumentState::Reading);
        if ingest.offset() < blob.descriptor.size || existing == Existing::IsReplaced {
            return Ok(Some(ingest));
        }
        blobs.commit(blob, ingest, BlobFacts::default()).await?;
        Ok(None)
    };
    let opened = blobs.with_ingest(blob, existing, &watch, step).await?;
    if opened.is_none() {
        tell(DocumentState::Reading);
    }
    Ok(opened.flatten())
}
