//! The candidates for the image of a name, from its target through index, manifest and config. A pull, the reading
//! functions and completeness visit the same candidates in the same order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::choose::{choose, suits, unmatched};
use super::document::{Content, Document, DocumentFault, acceptable};
use super::layers::{ImageLayer, LayerCount, layers};
use super::source::{Brought, DocumentSource};
use super::walk::{Path, Step, Walk};
use super::{Damage, ImageError, Platforms};
use dray_core::oci::{
    AnyManifest, Descriptor, Digest, DocumentError, DocumentKind, ImageConfig, Index, Manifest, MediaKind,
    MediaType, Platform, UnusableEntry,
};
use dray_ports::PlatformMatcher;

/// The manifest of an image for one platform.
#[derive(Clone, Debug)]
pub struct ChosenManifest {
    /// The indexes that lead to it, the outermost first; none if the image has no index.
    pub indexes: Vec<Arc<Document<Index>>>,
    /// The manifest. Its descriptor has the platform where an index states it.
    pub manifest: Document<Manifest>,
    /// The config, if it was read for the platform.
    config: Option<Document<Platform>>,
}

/// The documents of an image for one platform.
#[derive(Clone, Debug)]
pub struct ImageDocuments {
    /// The indexes that lead to it, the outermost first; none if the image has no index.
    pub indexes: Vec<Arc<Document<Index>>>,
    /// The manifest. Its descriptor has the platform where an index states it.
    pub manifest: Document<Manifest>,
    /// The image config.
    pub config: Document<ImageConfig>,
    /// The platform of the image: from the index, else from the config.
    pub platform: Platform,
    /// Whether the platform is wanted. False only for an image without index, which is taken for any platform, as in
    /// a pull.
    pub fits: bool,
}

impl ImageDocuments {
    /// The image's layers, bottom-up.
    ///
    /// # Errors
    ///
    /// Fails if manifest and config disagree.
    pub fn layers(&self) -> Result<Vec<ImageLayer<'_>>, LayerCount> {
        layers(&self.manifest, &self.config)
    }
}

/// A candidate that a walk found.
pub(crate) enum Candidate<T> {
    Found(T),
    Missing(Box<Missing>),
    Unusable(Unusable),
}

/// A document that the source does not provide. Its children are then unknown.
pub(crate) struct Missing {
    pub(crate) kind: DocumentKind,
    pub(crate) descriptor: Descriptor,
    /// How it is damaged, if it exists.
    pub(crate) damage: Option<Damage>,
    /// The platform of the image, if an index states it.
    pub(crate) platform: Option<Platform>,
    /// The manifest, if its config is missing.
    pub(crate) manifest: Option<Document<Manifest>>,
    /// Whether its platform is unknown, so that it may not be wanted.
    is_undecided: bool,
}

/// A wanted entry of an index that is not valid.
#[derive(Clone, Debug)]
pub struct Unusable {
    /// The index.
    pub index: Digest,
    /// The entry.
    pub entry: UnusableEntry,
}

impl From<Missing> for ImageError {
    fn from(Missing { kind, descriptor, damage, .. }: Missing) -> Self {
        let digest = descriptor.digest;
        match damage {
            None => Self::MissingBlob { kind, digest },
            Some(source) => Self::Damaged { kind, digest, source },
        }
    }
}

impl From<Unusable> for ImageError {
    fn from(Unusable { index, entry }: Unusable) -> Self {
        let kind = DocumentKind::Index;
        let source = DocumentError::Descriptor { kind, source: entry.fault }.into();
        Self::Document { kind, digest: index, source }
    }
}

/// Why there is no candidate.
pub(crate) enum NoImage {
    /// There are only artifacts. This is the first one, with its manifest.
    Artifact { manifest: Digest, media_type: MediaType },
    /// There are only other platforms.
    Platform { wanted: String, offered: Vec<Platform> },
    /// The only entry is not valid.
    Unusable(Unusable),
}

impl From<NoImage> for ImageError {
    fn from(none: NoImage) -> Self {
        match none {
            NoImage::Artifact { manifest, media_type } => Self::Document {
                kind: DocumentKind::Manifest,
                digest: manifest,
                source: DocumentFault::NotAnImage { media_type },
            },
            NoImage::Platform { wanted, offered } => Self::NoPlatform { wanted, offered },
            NoImage::Unusable(unusable) => unusable.into(),
        }
    }
}

/// Yields the images of a target, best first: one if one platform is wanted, else all that fit.
///
/// Entries that state a wanted platform come before entries without platform, whose config is then read. Images for
/// other platforms and artifacts are skipped. Missing documents are skipped if another entry fits.
pub(crate) struct Candidates<'a, S> {
    pub(crate) source: S,
    matcher: &'a dyn PlatformMatcher,
    platforms: &'a Platforms,
    walk: Walk,
    /// Platforms of the candidates so far.
    found: Vec<Platform>,
    /// Missing documents that may be for any platform.
    undecided: VecDeque<Box<Missing>>,
    /// The first artifact, and the first invalid entry that may be for any platform.
    artifact: Option<(Digest, MediaType)>,
    unusable: Option<Unusable>,
}

impl<'a, S: DocumentSource> Candidates<'a, S> {
    pub(crate) fn new(
        source: S,
        matcher: &'a dyn PlatformMatcher,
        platforms: &'a Platforms,
        target: &Descriptor,
    ) -> Self {
        Self {
            source,
            matcher,
            platforms,
            walk: Walk::from(target.clone()),
            found: Vec::new(),
            undecided: VecDeque::new(),
            artifact: None,
            unusable: None,
        }
    }

    /// The documents of the next image; `None` after the last.
    pub(crate) async fn next_image(&mut self) -> Result<Option<Candidate<ImageDocuments>>, S::Error> {
        Ok(match self.next_manifest().await? {
            None => None,
            Some(Candidate::Missing(missing)) => Some(Candidate::Missing(missing)),
            Some(Candidate::Unusable(unusable)) => Some(Candidate::Unusable(unusable)),
            Some(Candidate::Found(chosen)) => Some(Box::pin(self.image(chosen)).await?),
        })
    }

    /// The manifest of the next image; `None` after the last. Its config is read only for the platform.
    pub(crate) async fn next_manifest(&mut self) -> Result<Option<Candidate<ChosenManifest>>, S::Error> {
        while let Some(step) = self.walk.step() {
            let (platform, candidate) = match step {
                Step::Unusable(index, entry) => {
                    let platform = entry.platform.clone();
                    let unusable = Unusable { index: index.descriptor().digest.clone(), entry };
                    if platform.is_none() {
                        self.unusable.get_or_insert(unusable);
                        continue;
                    }
                    (platform, Candidate::Unusable(unusable))
                }
                Step::To(path) => {
                    let candidate = if path.leads_to_index() {
                        self.index(path).await?
                    } else {
                        self.manifest(path).await?
                    };
                    match candidate {
                        None => continue,
                        Some(Candidate::Missing(missing)) if missing.is_undecided => {
                            self.undecided.push_back(missing);
                            continue;
                        }
                        Some(candidate) => (candidate.platform(), candidate),
                    }
                }
            };
            self.found.extend(platform);
            if self.platforms.is_one() {
                self.walk.end();
                self.undecided.clear();
            }
            return Ok(Some(candidate));
        }
        self.next_undecided().await
    }

    /// Why there was no candidate. Called at the end.
    pub(crate) fn none(&mut self) -> NoImage {
        let offered = std::mem::take(&mut self.walk.offered);
        match (self.artifact.take(), self.unusable.take()) {
            (Some((manifest, media_type)), _) if offered.is_empty() => {
                NoImage::Artifact { manifest, media_type }
            }
            (None, Some(unusable)) if offered.is_empty() => NoImage::Unusable(unusable),
            _ => NoImage::Platform { wanted: self.platforms.to_string(), offered },
        }
    }

    /// A missing document that may be for any platform, unless all wanted platforms were found.
    async fn next_undecided(&mut self) -> Result<Option<Candidate<ChosenManifest>>, S::Error> {
        if !self.undecided.is_empty() && !matches!(self.platforms, Platforms::All { .. }) {
            let unmatched = unmatched(self.matcher, self.platforms.wanted(), &self.found).await;
            if unmatched.map_err(ImageError::plugin)?.is_empty() {
                self.undecided.clear();
            }
        }
        let missing = self.undecided.pop_front();
        if self.platforms.is_one() {
            self.undecided.clear();
        }
        Ok(missing.map(Candidate::Missing))
    }

    /// Reads an index, and continues with its entries. `None` if that succeeds.
    async fn index(&mut self, path: Path) -> Result<Option<Candidate<ChosenManifest>>, S::Error> {
        let index = match self.read::<Index>(&path.end).await? {
            Read::Document(index) => index,
            Read::Missing(damage) => return Ok(Some(Candidate::missing(path, None, damage))),
        };
        let choices = choose(self.matcher, self.platforms, &index).await.map_err(ImageError::plugin)?;
        let Path { indexes, end } = path;
        let descended = self.walk.descend(indexes, index, choices);
        descended.map_err(ImageError::unusable(DocumentKind::Index, &end))?;
        Ok(None)
    }

    /// Reads a manifest. `None` if it is for another platform, or of an artifact.
    async fn manifest(&mut self, path: Path) -> Result<Option<Candidate<ChosenManifest>>, S::Error> {
        let entry = &path.end;
        let artifact = |media_type: &MediaType| (entry.digest.clone(), media_type.clone());
        if !matches!(entry.media_type.kind(), MediaKind::Manifest | MediaKind::Schema1) {
            self.artifact.get_or_insert_with(|| artifact(&entry.media_type));
            return Ok(None);
        }
        let document = match self.read::<AnyManifest>(entry).await? {
            Read::Document(document) => document,
            Read::Missing(damage) => return Ok(Some(Candidate::missing(path, None, damage))),
        };
        let manifest = match document.image() {
            Ok(manifest) => manifest,
            Err(media_type) => {
                self.artifact.get_or_insert_with(|| artifact(&media_type));
                self.source.unwanted(&[entry]).await?;
                return Ok(None);
            }
        };
        let mut config = None;
        if path.is_silent() {
            let stated = match self.read::<Platform>(&manifest.config).await? {
                Read::Document(stated) => stated,
                Read::Missing(damage) => return Ok(Some(Candidate::missing(path, Some(manifest), damage))),
            };
            if !self.suits(&stated).await? {
                self.walk.offered.push(stated.into_content());
                self.source.unwanted(&[entry, &manifest.config]).await?;
                return Ok(None);
            }
            config = Some(stated);
        }
        Ok(Some(Candidate::Found(ChosenManifest { indexes: path.indexes, manifest, config })))
    }

    /// Reads the config, unless it was read before.
    async fn image(&mut self, chosen: ChosenManifest) -> Result<Candidate<ImageDocuments>, S::Error> {
        let ChosenManifest { indexes, manifest, config } = chosen;
        let config = if let Some(config) = config {
            config.again().map_err(ImageError::unusable(DocumentKind::Config, &manifest.config))?
        } else {
            match self.read::<ImageConfig>(&manifest.config).await? {
                Read::Document(config) => config,
                Read::Missing(damage) => {
                    let path = Path { indexes, end: manifest.descriptor().clone() };
                    return Ok(Candidate::missing(path, Some(manifest), damage));
                }
            }
        };
        let platform = manifest.descriptor().platform.clone().unwrap_or_else(|| config.platform.clone());
        // An image without platform fits if there is no other choice.
        let fits = !indexes.is_empty() || platform.os.is_empty() || self.suits(&platform).await?;
        Ok(Candidate::Found(ImageDocuments { indexes, manifest, config, platform, fits }))
    }

    async fn suits(&self, platform: &Platform) -> Result<bool, S::Error> {
        let suits = suits(self.matcher, self.platforms, platform).await;
        Ok(suits.map_err(ImageError::plugin)?)
    }

    async fn read<T: Content>(&mut self, descriptor: &Descriptor) -> Result<Read<T>, S::Error> {
        let unusable = || ImageError::unusable(T::KIND, descriptor);
        acceptable(T::KIND, descriptor).map_err(unusable())?;
        let bytes = match self.source.bytes(T::KIND, descriptor).await? {
            Brought::Bytes(bytes) => bytes,
            Brought::Missing => return Ok(Read::Missing(None)),
            Brought::Damaged(damage) => return Ok(Read::Missing(Some(damage))),
        };
        let document = Document::<T>::read(descriptor, bytes).map_err(unusable())?;
        self.source.understood(T::KIND, descriptor, document.bytes(), &document.children()).await?;
        Ok(Read::Document(document))
    }
}

/// The result of reading a document.
enum Read<T> {
    Document(Document<T>),
    /// It is missing or damaged in the source.
    Missing(Option<Damage>),
}

impl Candidate<ChosenManifest> {
    /// The known platform.
    fn platform(&self) -> Option<Platform> {
        match self {
            Self::Found(ChosenManifest { config: Some(stated), .. }) => Some(Platform::clone(stated)),
            Self::Found(ChosenManifest { manifest, .. }) => manifest.descriptor().platform.clone(),
            Self::Missing(missing) => missing.platform.clone(),
            Self::Unusable(Unusable { entry, .. }) => entry.platform.clone(),
        }
    }
}

impl<T> Candidate<T> {
    /// The document at the end of a path, or the config of the manifest there.
    fn missing(path: Path, manifest: Option<Document<Manifest>>, damage: Option<Damage>) -> Self {
        let kind = match &manifest {
            Some(_) => DocumentKind::Config,
            None if path.leads_to_index() => DocumentKind::Index,
            None => DocumentKind::Manifest,
        };
        let is_undecided = path.is_silent();
        let platform = path.end.platform.clone();
        let descriptor = manifest.as_ref().map_or(path.end, |manifest| manifest.config.clone());
        Self::Missing(Box::new(Missing { kind, descriptor, damage, platform, manifest, is_undecided }))
    }
}
