use bytes::Bytes;

use super::choose::{self, Choice};
use super::{ChooseError, ImageError};
use crate::limits;
use crate::oci::{ChainId, Descriptor, DocumentError, ImageConfig, Index, Manifest, MediaKind, Platform};
use crate::ports::{Class, ContentStore, PlatformMatcher};
use crate::verify;

/// The way from the target of a record to one manifest.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// The indexes on the way, the outermost first; none if the target is a manifest.
    pub(super) indexes: Vec<Descriptor>,
    pub(super) manifest: Descriptor,
    /// What the entry of the index says.
    pub(super) platform: Option<Platform>,
}

/// Where the way to a platform ends.
pub(super) enum Way {
    /// At a manifest, which may be missing.
    Manifest(Path),
    /// At an index that is missing.
    Missing(Descriptor),
}

/// The manifest of an image for one platform.
#[derive(Clone, Debug)]
pub struct ChosenManifest {
    /// The indexes that lead to it, the outermost first; none if the image has no index.
    pub indexes: Vec<Descriptor>,
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Manifest,
    /// What it is for, where an index says so.
    pub platform: Option<Platform>,
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
    let path = match path(content, matcher, target, wanted).await? {
        Way::Manifest(path) => path,
        Way::Missing(index) => {
            return Err(ImageError::MissingBlob { what: "image index", digest: index.digest });
        }
    };
    let manifest = manifest(content, &path.manifest).await?;
    if path.platform.is_none() && !path.indexes.is_empty() {
        // The entry did not say what it is for, so the config must.
        let config = config(content, &manifest.config).await?;
        choose::check(matcher, wanted, &config.platform).await?;
    }
    let Path { indexes, manifest: descriptor, platform } = path;
    Ok(ChosenManifest { indexes, descriptor, manifest, platform })
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
    let platform = chosen.platform.clone().unwrap_or_else(|| config.platform.clone());
    let fits = match choose::check(matcher, wanted, &platform).await {
        Ok(()) => true,
        Err(ChooseError::NoPlatform { .. }) => false,
        Err(error) => return Err(error.into()),
    };
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

/// Goes from the target of a record to the manifest for `wanted`, which is not read.
pub(super) async fn path(
    content: &dyn ContentStore,
    matcher: &dyn PlatformMatcher,
    target: &Descriptor,
    wanted: &Platform,
) -> Result<Way, ImageError> {
    let mut path = Path { indexes: Vec::new(), manifest: target.clone(), platform: None };
    while path.manifest.media_type.kind() == MediaKind::Index {
        if path.indexes.len() == limits::INDEX_DEPTH {
            return Err(too_deep(&path.manifest));
        }
        let Some(index) = present(index(content, &path.manifest).await)? else {
            return Ok(Way::Missing(path.manifest));
        };
        let Choice { descriptor, platform } = choose::choose(matcher, wanted, &index).await?;
        path.indexes.push(std::mem::replace(&mut path.manifest, descriptor));
        path.platform = platform;
    }
    Ok(Way::Manifest(path))
}

/// All ways from the target of a record to manifests that can be wanted, in the order of the indexes. Indexes
/// that are not in the store are named, since nobody knows where they would lead.
pub(super) async fn all_paths(
    content: &dyn ContentStore,
    target: &Descriptor,
) -> Result<(Vec<Path>, Vec<Descriptor>), ImageError> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let mut open = vec![Path { indexes: Vec::new(), manifest: target.clone(), platform: None }];
    while let Some(path) = open.pop() {
        if path.manifest.media_type.kind() != MediaKind::Index {
            found.push(path);
            continue;
        }
        if path.indexes.len() == limits::INDEX_DEPTH {
            return Err(too_deep(&path.manifest));
        }
        let Some(index) = present(index(content, &path.manifest).await)? else {
            missing.push(path.manifest);
            continue;
        };
        let indexes = [path.indexes, vec![path.manifest]].concat();
        let offers = index.manifests.into_iter().filter(choose::is_offer).map(|entry| Path {
            indexes: indexes.clone(),
            platform: entry.platform.clone(),
            manifest: entry,
        });
        // The last in is the first out.
        open.extend(offers.collect::<Vec<_>>().into_iter().rev());
        if found.len() + open.len() > limits::INDEX_ENTRIES {
            let found = found.len() + open.len();
            return Err(too_many("entries", target, found, limits::INDEX_ENTRIES));
        }
    }
    Ok((found, missing))
}

async fn index(content: &dyn ContentStore, descriptor: &Descriptor) -> Result<Index, ImageError> {
    let bytes = read_document(content, "image index", descriptor).await?;
    let index = Index::parse(&bytes).map_err(unusable(descriptor))?;
    let found = index.manifests.len();
    if found > limits::INDEX_ENTRIES {
        return Err(too_many("entries", descriptor, found, limits::INDEX_ENTRIES));
    }
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
    let found = manifest.layers.len();
    if found > limits::LAYERS {
        return Err(too_many("layers", descriptor, found, limits::LAYERS));
    }
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

fn too_many(what: &'static str, document: &Descriptor, found: usize, limit: usize) -> ImageError {
    ImageError::TooMany { what, digest: document.digest.clone(), found, limit }
}

fn too_deep(index: &Descriptor) -> ImageError {
    too_many("nested indexes", index, limits::INDEX_DEPTH + 1, limits::INDEX_DEPTH)
}
