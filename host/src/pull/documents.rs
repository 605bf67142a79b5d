//! Index, manifest and image config: fetched, verified, understood, and then stored byte for byte.

use bytes::Bytes;

use super::fetch::BlobFetcher;
use super::{PullError, labels};
use crate::image::{Choices, Platforms, choose, suits};
use crate::limits;
use crate::oci::{Descriptor, DocumentError, ImageConfig, Index, Manifest, MediaKind, MediaType, Platform};
use crate::ports::{Ingest, Labels, PlatformMatcher, PluginFailure, Resolved, StoreError};

/// The documents of one image, all of them in the store.
pub(super) struct Documents {
    /// The index that the manifest was chosen from; the innermost, where indexes are nested.
    pub(super) index: Option<Descriptor>,
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
    /// Sizes of the documents that came from the registry.
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
    matcher: &'a dyn PlatformMatcher,
    platforms: &'a Platforms,
    /// Documents that were understood and are not in the store yet, each after the one that lists it.
    pending: Vec<Pending>,
    downloaded: Vec<u64>,
}

/// A document that is complete in its ingest, whose lock it holds.
struct Pending {
    what: &'static str,
    descriptor: Descriptor,
    ingest: Box<dyn Ingest>,
    labels: Labels,
}

/// A document to look at, with the way that led to it.
struct Step {
    descriptor: Descriptor,
    document: Option<Bytes>,
    index: Option<Descriptor>,
    depth: usize,
}

impl<'a> DocumentFetcher<'a> {
    pub(super) fn new(
        name: &'a str,
        blobs: &'a BlobFetcher,
        matcher: &'a dyn PlatformMatcher,
        platforms: &'a Platforms,
    ) -> Self {
        Self { name, blobs, matcher, platforms, pending: Vec::new(), downloaded: Vec::new() }
    }

    /// Goes from the target of the reference to the image configs.
    ///
    /// Documents are stored when the first image config below them has been understood, so that something
    /// that is no image leaves no trace.
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
        let (descriptor, document) = (resolved.descriptor, resolved.document);
        let mut steps = vec![Step { descriptor, document, index: None, depth: 0 }];
        let mut taken = 0;
        let mut offered = Vec::new();
        let mut artifact = None;
        let mut images = Vec::new();
        while let Some(step) = steps.pop() {
            match step.descriptor.media_type.kind() {
                MediaKind::Index => {
                    bounded("nested indexes", &step.descriptor, step.depth + 1, limits::INDEX_DEPTH)?;
                    let index = self.index(&step.descriptor, step.document).await?;
                    let choices = choose(self.matcher, self.platforms, &index).await;
                    let Choices { entries, offered: more } = choices.map_err(matcher_failed)?;
                    offered.extend(more);
                    taken += entries.len();
                    bounded("entries", &step.descriptor, taken, limits::INDEX_ENTRIES)?;
                    let below = |descriptor| Step {
                        descriptor,
                        document: None,
                        index: Some(step.descriptor.clone()),
                        depth: step.depth + 1,
                    };
                    steps.extend(entries.into_iter().rev().map(below));
                }
                MediaKind::Manifest => match self.image(step, &mut offered).await {
                    Ok(image) => images.extend(image),
                    // Where everything of an index is wanted, what is no image does not stand in the way.
                    Err(error @ PullError::NotAnImage { .. }) if !self.platforms.is_one() => {
                        artifact.get_or_insert(error);
                    }
                    Err(error) => return Err(error),
                },
                MediaKind::Schema1 => {
                    let source = DocumentError::Schema1 { what: "image manifest" };
                    return Err(document_error(&step.descriptor, source));
                }
                _ => return Err(not_an_image(self.name, &step.descriptor.media_type)),
            }
        }
        let mut images = images.into_iter();
        match images.next() {
            Some(best) => Ok((best, images.collect())),
            None => Err(artifact.unwrap_or_else(|| PullError::NoPlatform {
                name: self.name.to_owned(),
                wanted: self.platforms.to_string(),
                offered,
            })),
        }
    }

    /// Reads the manifest and the config of one image, and stores both. `None` if the config says that the
    /// image is for a platform that nobody wants.
    async fn image(
        &mut self,
        step: Step,
        offered: &mut Vec<Platform>,
    ) -> Result<Option<Documents>, PullError> {
        let manifest = self.manifest(&step.descriptor, step.document).await?;
        let config = self.config(&manifest.config).await?;
        let platform = match &step.descriptor.platform {
            Some(platform) => platform.clone(),
            // An entry that does not say what it is for: the config must.
            None if step.index.is_some() => {
                let suits = suits(self.matcher, self.platforms, &config.platform).await;
                if !suits.map_err(matcher_failed)? {
                    offered.push(config.platform);
                    self.forget(&[&step.descriptor, &manifest.config]).await;
                    return Ok(None);
                }
                config.platform.clone()
            }
            None => config.platform.clone(),
        };
        self.store_pending().await?;
        let (index, manifest_descriptor) = (step.index, step.descriptor);
        Ok(Some(Documents { index, manifest_descriptor, manifest, config, platform }))
    }

    async fn index(&mut self, descriptor: &Descriptor, at_hand: Option<Bytes>) -> Result<Index, PullError> {
        let understand = |bytes: &Bytes| {
            let index = Index::parse(bytes).map_err(|source| document_error(descriptor, source))?;
            bounded("entries", descriptor, index.manifests.len(), limits::INDEX_ENTRIES)?;
            for child in &index.manifests {
                bounded_annotations(descriptor, child)?;
            }
            let children = labels::children(&index.manifests);
            Ok((index, children))
        };
        self.document("image index", descriptor, at_hand, understand).await
    }

    async fn manifest(
        &mut self,
        descriptor: &Descriptor,
        at_hand: Option<Bytes>,
    ) -> Result<Manifest, PullError> {
        let name = self.name;
        let understand = |bytes: &Bytes| {
            let manifest = Manifest::parse(bytes).map_err(|source| document_error(descriptor, source))?;
            if !manifest.config.media_type.is_image_config() {
                let media_type = manifest.artifact_type.as_ref().unwrap_or(&manifest.config.media_type);
                return Err(not_an_image(name, media_type));
            }
            bounded("layers", descriptor, manifest.layers.len(), limits::LAYERS)?;
            bounded("annotations", descriptor, manifest.annotations.len(), limits::ANNOTATIONS)?;
            for child in std::iter::once(&manifest.config).chain(&manifest.layers) {
                bounded_annotations(descriptor, child)?;
                bounded("addresses of one blob", descriptor, child.urls.len(), limits::URLS)?;
            }
            let children = labels::children(std::iter::once(&manifest.config).chain(&manifest.layers));
            Ok((manifest, children))
        };
        self.document("image manifest", descriptor, at_hand, understand).await
    }

    async fn config(&mut self, descriptor: &Descriptor) -> Result<ImageConfig, PullError> {
        let understand = |bytes: &Bytes| {
            let config = ImageConfig::parse(bytes).map_err(|source| document_error(descriptor, source))?;
            bounded("labels", descriptor, config.labels.len(), limits::ANNOTATIONS)?;
            Ok((config, Labels::new()))
        };
        self.document("image config", descriptor, None, understand).await
    }

    /// Gets one document: from the store, from what resolving brought, or from the registry. What is not in
    /// the store waits in its ingest once `understand` has agreed.
    async fn document<T: Send>(
        &mut self,
        what: &'static str,
        descriptor: &Descriptor,
        at_hand: Option<Bytes>,
        understand: impl FnOnce(&Bytes) -> Result<(T, Labels), PullError> + Send,
    ) -> Result<T, PullError> {
        if descriptor.size > limits::DOCUMENT_BYTES {
            return Err(PullError::TooLarge {
                what,
                digest: descriptor.digest.clone(),
                size: descriptor.size,
                limit: limits::DOCUMENT_BYTES,
            });
        }
        let is_pending = self.pending.iter().any(|pending| pending.descriptor.digest == descriptor.digest);
        if is_pending {
            // Several images share it, and this client itself holds the lock.
            self.store_pending().await?;
        }
        let opened = self.blobs.open(what, descriptor, &|_| {}).await?;
        let Some(mut ingest) = opened else {
            let content = &self.blobs.content;
            let stored = content.read(&descriptor.digest, limits::DOCUMENT_BYTES).await;
            let bytes = stored.map_err(|source| PullError::Store {
                doing: format!("reading {what} {}", descriptor.digest),
                source,
            })?;
            let (understood, labels) = understand(&bytes)?;
            self.blobs.label_existing(what, descriptor, labels).await?;
            return Ok(understood);
        };
        let fill = async {
            let bytes = match at_hand {
                Some(bytes) => bytes,
                None => self.blobs.read(what, descriptor).await?,
            };
            let (understood, labels) = understand(&bytes)?;
            let missing = usize::try_from(ingest.offset()).ok().and_then(|stored| bytes.get(stored..));
            if let Some(missing) = missing
                && !missing.is_empty()
            {
                let written = ingest.write(bytes.slice_ref(missing)).await;
                written.map_err(|source| storing(what, descriptor, source))?;
            }
            Ok((understood, labels))
        };
        let filled = tokio::select! {
            biased;
            () = self.blobs.stop.cancelled() => Err(PullError::Cancelled),
            filled = fill => filled,
        };
        match filled {
            Ok((understood, labels)) => {
                let descriptor = descriptor.clone();
                self.pending.push(Pending { what, descriptor, ingest, labels });
                Ok(understood)
            }
            Err(error) => {
                // What is no image does not end the pull where there are others.
                if !matches!(error, PullError::NotAnImage { .. }) {
                    self.blobs.stop.begin_clean_up();
                }
                self.blobs.abandon(ingest, descriptor).await;
                Err(error)
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
        while let Some(Pending { what, descriptor, ingest, labels }) = pending.next() {
            if let Err(error) = self.blobs.commit(what, &descriptor, ingest, &labels).await {
                self.pending.extend(pending);
                return Err(error);
            }
            self.downloaded.push(descriptor.size);
        }
        Ok(())
    }
}

/// Refuses a document that has too many of something.
fn bounded(what: &'static str, document: &Descriptor, found: usize, limit: usize) -> Result<(), PullError> {
    if found > limit {
        return Err(PullError::TooMany { what, digest: document.digest.clone(), found, limit });
    }
    Ok(())
}

fn bounded_annotations(document: &Descriptor, child: &Descriptor) -> Result<(), PullError> {
    bounded("annotations of one descriptor", document, child.annotations.len(), limits::ANNOTATIONS)
}

fn document_error(descriptor: &Descriptor, source: DocumentError) -> PullError {
    PullError::Document { digest: descriptor.digest.clone(), source }
}

fn not_an_image(name: &str, media_type: &MediaType) -> PullError {
    PullError::NotAnImage { name: name.to_owned(), media_type: media_type.clone() }
}

fn matcher_failed(source: PluginFailure) -> PullError {
    PullError::Plugin { kind: "platform", source }
}

fn storing(what: &str, descriptor: &Descriptor, source: StoreError) -> PullError {
    PullError::Store { doing: format!("storing {what} {}", descriptor.digest), source }
}
