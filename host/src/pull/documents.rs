//! Index, manifest and image config: fetched, verified, understood, and then stored byte for byte.

use bytes::Bytes;

use super::fetch::{BlobFetcher, Fetched, abandon};
use super::{PullError, labels};
use crate::image::{self, Choice, ChooseError};
use crate::limits;
use crate::oci::{Descriptor, ImageConfig, Index, Manifest, MediaKind, Platform, Reference};
use crate::ports::{Committed, Labels, PlatformMatcher, Resolved};

/// The documents of one image, all of them in the store.
pub(super) struct Documents {
    /// The index that the manifest was chosen from; the innermost, where indexes are nested.
    pub(super) index: Option<Descriptor>,
    pub(super) manifest_descriptor: Descriptor,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
    /// The platform: that of the index entry, else that of the config.
    pub(super) platform: Platform,
    /// Documents that came from the registry, and their bytes.
    pub(super) downloaded: Vec<u64>,
}

/// Fetches what a reference stands for, down to the image config.
pub(super) struct DocumentFetcher<'a> {
    pub(super) blobs: &'a BlobFetcher,
    pub(super) matcher: &'a dyn PlatformMatcher,
    pub(super) wanted: &'a Platform,
    pub(super) downloaded: Vec<u64>,
}

impl DocumentFetcher<'_> {
    /// Goes from the target of the reference to the image config.
    ///
    /// A document is stored after it has been understood, so that something that is no image leaves no trace.
    pub(super) async fn fetch(mut self, resolved: Resolved) -> Result<Documents, PullError> {
        let mut descriptor = resolved.descriptor;
        let mut at_hand = resolved.document;
        let mut index = None;
        let mut chosen: Option<Choice> = None;
        for _ in 0..=limits::INDEX_DEPTH {
            match descriptor.media_type.kind() {
                MediaKind::Index => {
                    let parsed = self.index(&descriptor, at_hand.take()).await?;
                    let choice = image::choose(self.matcher, self.wanted, &parsed).await;
                    let choice = choice.map_err(|error| not_chosen(&self.blobs.reference, error))?;
                    index = Some(std::mem::replace(&mut descriptor, choice.descriptor.clone()));
                    chosen = Some(choice);
                }
                MediaKind::Manifest => {
                    let manifest = self.manifest(&descriptor, at_hand.take()).await?;
                    let config = self.config(&manifest.config).await?;
                    let platform = match chosen.and_then(|choice| choice.platform) {
                        Some(platform) => platform,
                        None if index.is_some() => {
                            // The entry did not say what it is for, so the config must.
                            let checked = image::check(self.matcher, self.wanted, &config.platform).await;
                            checked.map_err(|error| not_chosen(&self.blobs.reference, error))?;
                            config.platform.clone()
                        }
                        None => config.platform.clone(),
                    };
                    return Ok(Documents {
                        index,
                        manifest_descriptor: descriptor,
                        manifest,
                        config,
                        platform,
                        downloaded: self.downloaded,
                    });
                }
                _ => return Err(not_an_image(&self.blobs.reference, &descriptor.media_type)),
            }
        }
        Err(PullError::TooMany {
            what: "nested indexes",
            digest: descriptor.digest,
            found: limits::INDEX_DEPTH + 1,
            limit: limits::INDEX_DEPTH,
        })
    }

    async fn index(&mut self, descriptor: &Descriptor, at_hand: Option<Bytes>) -> Result<Index, PullError> {
        let understand = |bytes: &Bytes| {
            let index = Index::parse(bytes).map_err(|source| document_error(descriptor, source))?;
            bounded("entries", descriptor, index.manifests.len(), limits::INDEX_ENTRIES)?;
            for child in &index.manifests {
                bounded(
                    "annotations of one descriptor",
                    descriptor,
                    child.annotations.len(),
                    limits::ANNOTATIONS,
                )?;
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
        let reference = self.blobs.reference.clone();
        let understand = |bytes: &Bytes| {
            let manifest = Manifest::parse(bytes).map_err(|source| document_error(descriptor, source))?;
            if !manifest.config.media_type.is_image_config() {
                let media_type = manifest.artifact_type.as_ref().unwrap_or(&manifest.config.media_type);
                return Err(not_an_image(&reference, media_type));
            }
            bounded("layers", descriptor, manifest.layers.len(), limits::LAYERS)?;
            bounded("annotations", descriptor, manifest.annotations.len(), limits::ANNOTATIONS)?;
            for child in std::iter::once(&manifest.config).chain(&manifest.layers) {
                bounded(
                    "annotations of one descriptor",
                    descriptor,
                    child.annotations.len(),
                    limits::ANNOTATIONS,
                )?;
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

    /// Gets one document: from the store, from what resolving brought, or from the registry. Stores it with
    /// its labels once `understand` has agreed.
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
        let store_error =
            |source| PullError::Store { doing: format!("storing {what} {}", descriptor.digest), source };
        let opened = self.blobs.open(what, descriptor, &|_| {}).await?;
        let Some(mut ingest) = opened else {
            let content = &self.blobs.content;
            let stored = content.read(&descriptor.digest, limits::DOCUMENT_BYTES).await;
            let bytes = stored.map_err(|source| PullError::Store {
                doing: format!("reading {what} {}", descriptor.digest),
                source,
            })?;
            let (understood, labels) = understand(&bytes)?;
            self.blobs.label(what, descriptor, Fetched::Existed, labels).await?;
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
                ingest.write(bytes.slice_ref(missing)).await.map_err(store_error)?;
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
                let fetched = match ingest.commit().await.map_err(store_error)? {
                    Committed::New => Fetched::Downloaded(descriptor.size),
                    Committed::Exists => Fetched::Existed,
                };
                self.downloaded.push(descriptor.size);
                self.blobs.label(what, descriptor, fetched, labels).await?;
                Ok(understood)
            }
            Err(error) => {
                abandon(ingest, descriptor).await;
                Err(error)
            }
        }
    }
}

/// Refuses a document that has too many of something.
fn bounded(what: &'static str, document: &Descriptor, found: usize, limit: usize) -> Result<(), PullError> {
    if found > limit {
        return Err(PullError::TooMany { what, digest: document.digest.clone(), found, limit });
    }
    Ok(())
}

fn document_error(descriptor: &Descriptor, source: crate::oci::DocumentError) -> PullError {
    PullError::Document { digest: descriptor.digest.clone(), source }
}

pub(super) fn not_chosen(reference: &Reference, error: ChooseError) -> PullError {
    match error {
        ChooseError::NoPlatform { wanted, offered } => {
            PullError::NoPlatform { reference: reference.to_string(), wanted, offered }
        }
        ChooseError::Plugin { source } => PullError::Plugin { kind: "platform", source },
    }
}

fn not_an_image(reference: &Reference, media_type: &crate::oci::MediaType) -> PullError {
    PullError::NotAnImage { reference: reference.to_string(), media_type: media_type.clone() }
}
