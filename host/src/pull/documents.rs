//! Index, manifest and image config: fetched, verified, understood, and then stored byte for byte.

use std::sync::Arc;

use bytes::Bytes;

use super::blob::Blob;
use super::fetch::{BlobFetcher, Existing, FetchEvent, had_wrong_bytes};
use super::{PullError, World, labels};
use crate::image::{DocumentFault, Path, Platforms, Walk, choose, document, suits};
use crate::oci::{Descriptor, DocumentKind, ImageConfig, Index, Manifest, Platform};
use crate::ports::{DocumentState, Event, Ingest, Labels, PluginFailure, Resolved};

/// The documents of one image, all of them in the store.
pub(super) struct Documents {
    /// The index that the manifest was chosen from; the innermost, where indexes are nested.
    pub(super) index: Option<Arc<Descriptor>>,
    pub(super) manifest_descriptor: Descriptor,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
    /// The platform: that of the index entry, else that of the config.
    pub(super) platform: Platform,
}

/// What a reference stands for, as far as it is wanted.
pub(super) struct Found {
    /// The best match.
    pub(super) best: Documents,
    /// The other matches, where several are wanted.
    pub(super) others: Vec<Documents>,
    /// Sizes of the documents that came from the registry, whoever has stored them.
    pub(super) downloaded: Vec<u64>,
}

impl Found {
    /// All images, the best match first.
    pub(super) fn images(&self) -> impl Iterator<Item = &Documents> {
        std::iter::once(&self.best).chain(&self.others)
    }
}

/// Fetches what a reference stands for, down to the image configs.
pub(super) struct DocumentFetcher<'a> {
    /// Name of the image, for messages.
    name: &'a str,
    blobs: &'a BlobFetcher,
    world: &'a World,
    platforms: &'a Platforms,
    /// Documents that were understood and are not in the store yet, each after the one that lists it.
    pending: Vec<Pending>,
    downloaded: Vec<u64>,
}

/// A document that is complete in its ingest, whose lock it holds.
struct Pending {
    kind: DocumentKind,
    descriptor: Descriptor,
    ingest: Box<dyn Ingest>,
    bytes: Bytes,
    labels: Labels,
}

impl<'a> DocumentFetcher<'a> {
    pub(super) fn new(
        name: &'a str,
        blobs: &'a BlobFetcher,
        world: &'a World,
        platforms: &'a Platforms,
    ) -> Self {
        Self { name, blobs, world, platforms, pending: Vec::new(), downloaded: Vec::new() }
    }

    /// Goes from the target of the reference to the image configs.
    ///
    /// Documents are stored when the first image config below them has been understood, so that something
    /// that is no image leaves no trace. What another namespace has is stored at once, and collected after the lease
    /// if nothing comes to list it.
    pub(super) async fn fetch(mut self, resolved: Resolved) -> Result<Found, PullError> {
        match self.walk(resolved).await {
            Ok((best, others)) => Ok(Found { best, others, downloaded: self.downloaded }),
            Err(error) => {
                let echo = self.blobs.stop.fail(error);
                for Pending { descriptor, ingest, .. } in self.pending {
                    self.blobs.abandon(ingest, &descriptor).await;
                }
                Err(echo)
            }
        }
    }

    async fn walk(&mut self, resolved: Resolved) -> Result<(Documents, Vec<Documents>), PullError> {
        let Resolved { descriptor, document: mut at_hand } = resolved;
        let mut walk = Walk::from(descriptor);
        let mut artifact = None;
        let mut images = Vec::new();
        while let Some(path) = walk.step() {
            // What resolving brought is the target, where the walk begins.
            let at_hand = at_hand.take();
            if path.leads_to_index() {
                let index = self.index(&path.end, at_hand).await?;
                let choices = choose(self.world.matcher.as_ref(), self.platforms, &index).await;
                let choices = choices.map_err(matcher_failed)?;
                let unusable = self.unusable(DocumentKind::Index, &path.end);
                walk.descend(path, choices).map_err(unusable)?;
                continue;
            }
            match self.image(path, at_hand, &mut walk.offered).await {
                Ok(image) => images.extend(image),
                // Where everything of an index is wanted, what is no image does not stand in the way.
                Err(error @ PullError::NotAnImage { .. }) if !self.platforms.is_one() => {
                    artifact.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        let mut images = images.into_iter();
        match images.next() {
            Some(best) => Ok((best, images.collect())),
            None => Err(artifact.unwrap_or_else(|| PullError::NoPlatform {
                name: self.name.to_owned(),
                wanted: self.platforms.to_string(),
                offered: walk.offered,
            })),
        }
    }

    /// Reads the manifest and the config of one image, and stores both. `None` if the config says that the
    /// image is for a platform that nobody wants.
    async fn image(
        &mut self,
        path: Path,
        at_hand: Option<Bytes>,
        offered: &mut Vec<Platform>,
    ) -> Result<Option<Documents>, PullError> {
        let Path { mut indexes, end: manifest_descriptor } = path;
        let index = indexes.pop();
        let manifest = self.manifest(&manifest_descriptor, at_hand).await?;
        let config = self.config(&manifest.config).await?;
        let platform = match &manifest_descriptor.platform {
            Some(platform) => platform.clone(),
            // An entry that does not say what it is for: the config must.
            None if index.is_some() => {
                let suits = suits(self.world.matcher.as_ref(), self.platforms, &config.platform).await;
                if !suits.map_err(matcher_failed)? {
                    offered.push(config.platform);
                    self.forget(&[&manifest_descriptor, &manifest.config]).await;
                    return Ok(None);
                }
                config.platform.clone()
            }
            None => config.platform.clone(),
        };
        self.store_pending().await?;
        Ok(Some(Documents { index, manifest_descriptor, manifest, config, platform }))
    }

    async fn index(&mut self, descriptor: &Descriptor, at_hand: Option<Bytes>) -> Result<Index, PullError> {
        let understand = |bytes: &Bytes| {
            let index = document::index(descriptor, bytes)?;
            let children = labels::children(&index.manifests);
            Ok((index, children))
        };
        self.document(DocumentKind::Index, descriptor, at_hand, understand).await
    }

    async fn manifest(
        &mut self,
        descriptor: &Descriptor,
        at_hand: Option<Bytes>,
    ) -> Result<Manifest, PullError> {
        let understand = |bytes: &Bytes| {
            let manifest = document::manifest(descriptor, bytes)?;
            let children = labels::children(std::iter::once(&manifest.config).chain(&manifest.layers));
            Ok((manifest, children))
        };
        self.document(DocumentKind::Manifest, descriptor, at_hand, understand).await
    }

    async fn config(&mut self, descriptor: &Descriptor) -> Result<ImageConfig, PullError> {
        let understand = |bytes: &Bytes| Ok((document::config(descriptor, bytes)?, Labels::new()));
        self.document(DocumentKind::Config, descriptor, None, understand).await
    }

    /// Gets one document: from what resolving brought, from the store, or from the registry. What is not in
    /// the store waits in its ingest once `understand` has agreed.
    async fn document<T: Send>(
        &mut self,
        kind: DocumentKind,
        descriptor: &Descriptor,
        at_hand: Option<Bytes>,
        understand: impl FnOnce(&Bytes) -> Result<(T, Labels), DocumentFault> + Send,
    ) -> Result<T, PullError> {
        let blob = Blob::document(kind, descriptor);
        document::acceptable(kind, descriptor).map_err(self.unusable(kind, descriptor))?;
        let unusable = self.unusable(kind, descriptor);
        let understand = |bytes: &Bytes| understand(bytes).map_err(unusable);
        let is_pending = self.pending.iter().any(|pending| pending.descriptor.digest == descriptor.digest);
        if is_pending {
            // Several images share it, and this client itself holds the lock.
            self.store_pending().await?;
        }
        let mut existing = Existing::IsUsed;
        let mut ingest = loop {
            if let Some(ingest) = self.open(kind, blob, existing).await? {
                break ingest;
            }
            // Also where resolving brought the bytes: others will read those of the store.
            match self.blobs.stored(blob).await? {
                Ok(bytes) => {
                    let (understood, labels) = understand(&bytes)?;
                    self.blobs.label_existing(blob, labels).await?;
                    return Ok(understood);
                }
                Err(damage) => self.blobs.may_mend(blob, damage).await?,
            }
            existing = Existing::IsReplaced;
        };
        let fill = async {
            let bytes = match at_hand {
                Some(bytes) => bytes,
                None => self.blobs.read(blob).await?,
            };
            let (understood, labels) = understand(&bytes)?;
            // What another client has left in the ingest may be wrong, and all bytes are at hand.
            ingest.restart();
            ingest.write(bytes.clone()).await.map_err(|source| blob.storing(source))?;
            Ok((understood, bytes, labels))
        };
        let filled = tokio::select! {
            biased;
            () = self.blobs.stop.cancelled() => Err(PullError::Cancelled),
            filled = fill => filled,
        };
        match filled {
            Ok((understood, bytes, labels)) => {
                self.downloaded.push(descriptor.size);
                self.pending.push(Pending { kind, descriptor: descriptor.clone(), ingest, bytes, labels });
                Ok(understood)
            }
            Err(error) => {
                // What is no image does not end the pull where there may be others.
                if self.platforms.is_one() || !matches!(error, PullError::NotAnImage { .. }) {
                    self.blobs.stop.begin_clean_up();
                }
                self.blobs.abandon(ingest, descriptor).await;
                Err(error)
            }
        }
    }

    /// Opens the ingest of a document; `None` if the document is in the store, and used.
    ///
    /// An ingest that has all bytes, as it is where another namespace has the blob, is committed at once, so that
    /// nothing goes over the network. Only as a blob can it be read.
    async fn open(
        &self,
        kind: DocumentKind,
        blob: Blob<'_>,
        existing: Existing,
    ) -> Result<Option<Box<dyn Ingest>>, PullError> {
        let tell = |state| {
            let digest = blob.descriptor.digest.clone();
            self.world.progress.event(Event::Document { kind, digest, state });
        };
        let watch = |event| match event {
            FetchEvent::WaitingForOther => tell(DocumentState::WaitingForOther),
            FetchEvent::Offset(_) => {}
        };
        let mut second_chance = true;
        loop {
            let opened = self.blobs.open(blob, existing, &watch).await?;
            tell(DocumentState::Reading);
            let Some(ingest) = opened else { return Ok(None) };
            if ingest.offset() < blob.descriptor.size || existing == Existing::IsReplaced {
                return Ok(Some(ingest));
            }
            match self.blobs.commit(blob, ingest, &Labels::new()).await {
                Ok(()) => return Ok(None),
                Err(error) if second_chance && had_wrong_bytes(&error) => {
                    tracing::warn!(digest = %blob.descriptor.digest, "an ingest left by another client has wrong bytes, fetching it again");
                    second_chance = false;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives up documents that nobody wants, with their locks.
    async fn forget(&mut self, unwanted: &[&Descriptor]) {
        let is_unwanted = |pending: &mut Pending| {
            unwanted.iter().any(|descriptor| descriptor.digest == pending.descriptor.digest)
        };
        for Pending { descriptor, ingest, .. } in self.pending.extract_if(.., is_unwanted).collect::<Vec<_>>()
        {
            self.blobs.abandon(ingest, &descriptor).await;
        }
    }

    /// Commits what waits, from the top down: a child is not to be in the store without the label that keeps
    /// it.
    async fn store_pending(&mut self) -> Result<(), PullError> {
        let mut pending = std::mem::take(&mut self.pending).into_iter();
        while let Some(Pending { kind, descriptor, ingest, bytes, labels }) = pending.next() {
            let stored = self.blobs.put(Blob::document(kind, &descriptor), ingest, bytes, &labels);
            if let Err(error) = stored.await {
                self.pending.extend(pending);
                return Err(error);
            }
        }
        Ok(())
    }

    /// What is wrong with a document. That something is no image is said of the name that was asked for.
    fn unusable(
        &self,
        kind: DocumentKind,
        descriptor: &Descriptor,
    ) -> impl FnOnce(DocumentFault) -> PullError + Send + use<> {
        let (name, digest) = (self.name.to_owned(), descriptor.digest.clone());
        move |fault| match fault {
            DocumentFault::NotAnImage { media_type } => PullError::NotAnImage { name, media_type },
            source => PullError::Document { kind, digest, source },
        }
    }
}

fn matcher_failed(source: PluginFailure) -> PullError {
    PullError::Plugin { kind: "platform", source }
}
