use bytes::Bytes;

use super::choose::{Choices, choose, suits};
use super::{ImageError, Platforms};
use crate::limits;
use crate::oci::{ChainId, Descriptor, DocumentError, ImageConfig, Index, Manifest, MediaKind, Platform};
use crate::ports::{Class, ContentStore, PlatformMatcher};
use crate::verify;

/// The way from the target of a record to one manifest.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The indexes on the way, the outermost first; none if the target is a manifest.
    pub(super) indexes: Vec<Descriptor>,
    /// With what the entry of the index says about its platform.
    pub(super) manifest: Descriptor,
}

/// The ways from the target of a record to the manifests that are meant.
pub(super) struct Paths {
    /// Best first.
    pub(super) found: Vec<Path>,
    /// Indexes that are not in the store. Nobody knows where they would lead.
    pub(super) missing: Vec<Descriptor>,
    /// What the indexes offer.
    pub(super) offered: Vec<Platform>,
}

/// The manifest of an image for one platform.
#[derive(Clone, Debug)]
pub struct ChosenManifest {
    /// The indexes that lead to it, the outermost first; none if the image has no index.
    pub indexes: Vec<Descriptor>,
    /// Its descriptor, with the platform where an index states it.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
}

/// The documents of an image for one platform.
#[derive(Clone, Debug)]
pub struct ImageDocuments {
    /// The manifest, and how it was found.
    pub chosen: ChosenManifest,
    /// The image config.
    pub config: ImageConfig,
    /// What the image is for: what the index says, else what the config says.
    pub platform: Platform,
    /// Whether that is what was wanted. An image without index is taken whatever its platform, as in a pull;
    /// in all other cases this is true.
    pub fits: bool,
}

impl ImageDocuments {
    /// The names of the image's layers in a snapshotter, bottom-up.
    pub fn chain(&self) -> Vec<ChainId> {
        ChainId::stack(&self.config.diff_ids)
    }
}

/// Reads the index that `target` stands for; `None` if it stands for something else.
///
/// # Errors
///
/// Fails if the index is not in the store, is damaged there, or cannot be understood.
pub async fn read_index(
    content: &dyn ContentStore,
    target: &Descriptor,
) -> Result<Option<Index>, ImageError> {
    if target.media_type.kind() != MediaKind::Index {
        return Ok(None);
    }
    index(content, target).await.map(Some)
}

/// Reads the manifest for `wanted` of the image that `target` stands for, chosen as a pull chooses it.
///
/// # Errors
///
/// Fails if a document on the way is not in the store, is damaged there, or cannot be understood; if the image
/// has nothing for the platform; and if it is no image.
pub async fn read_manifest(
    content: &dyn ContentStore,
    matcher: &dyn PlatformMatcher,
    target: &Descriptor,
    wanted: &Platform,
) -> Result<ChosenManifest, ImageError> {
    let platforms = Platforms::One(wanted.clone());
    let Paths { found, missing, offered } = paths(content, matcher, &platforms, target).await?;
    if let Some(Descriptor { digest, .. }) = missing.into_iter().next() {
        return Err(ImageError::MissingBlob { what: "image index", digest });
    }
    let Some(Path { indexes, manifest: descriptor }) = found.into_iter().next() else {
        return Err(ImageError::NoPlatform { wanted: platforms.to_string(), offered });
    };
    let manifest = manifest(content, &descriptor).await?;
    if descriptor.platform.is_none() && !indexes.is_empty() {
        // The entry did not say what it is for, so the config must.
        let found = config(content, &manifest.config).await?.platform;
        if !is_wanted(matcher, &platforms, &found).await? {
            return Err(ImageError::NoPlatform { wanted: platforms.to_string(), offered: vec![found] });
        }
    }
    Ok(ChosenManifest { indexes, descriptor, manifest })
}

/// Reads manifest and image config for `wanted` of the image that `target` stands for.
///
/// # Errors
///
/// The same as for [`read_manifest`].
pub async fn read_image_config(
    content: &dyn ContentStore,
    matcher: &dyn PlatformMatcher,
    target: &Descriptor,
    wanted: &Platform,
) -> Result<ImageDocuments, ImageError> {
    let chosen = read_manifest(content, matcher, target, wanted).await?;
    let config = config(content, &chosen.manifest.config).await?;
    let platform = chosen.descriptor.platform.clone().unwrap_or_else(|| config.platform.clone());
    let is_silent = chosen.indexes.is_empty() && platform.os.is_empty();
    let fits = is_silent || is_wanted(matcher, &Platforms::One(wanted.clone()), &platform).await?;
    Ok(ImageDocuments { chosen, config, platform, fits })
}

/// Reads the bytes of an index, manifest or image config. They are those of the descriptor.
///
/// # Errors
///
/// Fails if they are not in the store, damaged there, or too many.
pub async fn read_document(
    content: &dyn ContentStore,
    what: &'static str,
    descriptor: &Descriptor,
) -> Result<Bytes, ImageError> {
    let (digest, size, limit) = (descriptor.digest.clone(), descriptor.size, limits::DOCUMENT_BYTES);
    if size > limit {
        return Err(ImageError::TooLarge { what, digest, size, limit });
    }
    let bytes = match content.read(&digest, limit).await {
        Ok(bytes) => bytes,
        Err(error) if error.class() == Class::NotFound => {
            return Err(ImageError::MissingBlob { what, digest });
        }
        Err(source) => return Err(ImageError::store(format!("reading {what} {digest}"))(source)),
    };
    verify::check(descriptor, &bytes).map_err(|source| ImageError::Mismatch { what, source })?;
    Ok(bytes)
}

/// Goes from the target of a record to the manifests that are meant, which are not read.
pub(super) async fn paths(
    content: &dyn ContentStore,
    matcher: &dyn PlatformMatcher,
    platforms: &Platforms,
    target: &Descriptor,
) -> Result<Paths, ImageError> {
    let mut paths = Paths { found: Vec::new(), missing: Vec::new(), offered: Vec::new() };
    let mut open = vec![Path { indexes: Vec::new(), manifest: target.clone() }];
    let mut taken = 0;
    while let Some(path) = open.pop() {
        let Path { mut indexes, manifest: descriptor } = path;
        if descriptor.media_type.kind() != MediaKind::Index {
            paths.found.push(Path { indexes, manifest: descriptor });
            continue;
        }
        bounded("nested indexes", &descriptor, indexes.len() + 1, limits::INDEX_DEPTH)?;
        let Some(index) = present(index(content, &descriptor).await)? else {
            paths.missing.push(descriptor);
            continue;
        };
        let choices = choose(matcher, platforms, &index).await;
        let Choices { entries, offered } = choices.map_err(ImageError::plugin)?;
        paths.offered.extend(offered);
        taken += entries.len();
        bounded("entries", &descriptor, taken, limits::INDEX_ENTRIES)?;
        indexes.push(descriptor);
        // The last in is the first out.
        let below = entries.into_iter().rev().map(|manifest| Path { indexes: indexes.clone(), manifest });
        open.extend(below);
    }
    Ok(paths)
}

/// Whether a platform that became known late is a wanted one.
pub(super) async fn is_wanted(
    matcher: &dyn PlatformMatcher,
    platforms: &Platforms,
    found: &Platform,
) -> Result<bool, ImageError> {
    suits(matcher, platforms, found).await.map_err(ImageError::plugin)
}

async fn index(content: &dyn ContentStore, descriptor: &Descriptor) -> Result<Index, ImageError> {
    let bytes = read_document(content, "image index", descriptor).await?;
    let index = Index::parse(&bytes).map_err(unusable(descriptor))?;
    bounded("entries", descriptor, index.manifests.len(), limits::INDEX_ENTRIES)?;
    Ok(index)
}

pub(super) async fn manifest(
    content: &dyn ContentStore,
    descriptor: &Descriptor,
) -> Result<Manifest, ImageError> {
    let not_an_image = |media_type| ImageError::NotAnImage { digest: descriptor.digest.clone(), media_type };
    if descriptor.media_type.kind() != MediaKind::Manifest {
        return Err(not_an_image(descriptor.media_type.clone()));
    }
    let bytes = read_document(content, "image manifest", descriptor).await?;
    let manifest = Manifest::parse(&bytes).map_err(unusable(descriptor))?;
    if !manifest.config.media_type.is_image_config() {
        return Err(not_an_image(manifest.artifact_type.unwrap_or(manifest.config.media_type)));
    }
    bounded("layers", descriptor, manifest.layers.len(), limits::LAYERS)?;
    Ok(manifest)
}

pub(super) async fn config(
    content: &dyn ContentStore,
    descriptor: &Descriptor,
) -> Result<ImageConfig, ImageError> {
    let bytes = read_document(content, "image config", descriptor).await?;
    ImageConfig::parse(&bytes).map_err(unusable(descriptor))
}

/// A document, or `None` if it is not in the store.
pub(super) fn present<T>(read: Result<T, ImageError>) -> Result<Option<T>, ImageError> {
    match read {
        Ok(document) => Ok(Some(document)),
        Err(ImageError::MissingBlob { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unusable(descriptor: &Descriptor) -> impl FnOnce(DocumentError) -> ImageError {
    let digest = descriptor.digest.clone();
    |source| ImageError::Document { digest, source }
}

fn bounded(what: &'static str, document: &Descriptor, found: usize, limit: usize) -> Result<(), ImageError> {
    if found > limit {
        return Err(ImageError::TooMany { what, digest: document.digest.clone(), found, limit });
    }
    Ok(())
}
