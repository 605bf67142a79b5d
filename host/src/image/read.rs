use std::sync::Arc;

use bytes::Bytes;

use super::choose::{choose, suits};
use super::damage::read_undamaged;
use super::document::{self, DocumentFault};
use super::walk::{Path, Walk};
use super::{DamagedBlob, ImageError, Platforms};
use crate::oci::{ChainId, Descriptor, DocumentKind, ImageConfig, Index, Manifest, MediaKind, Platform};
use crate::ports::{Class, ContentStore, PlatformMatcher};
use crate::verify;

/// The ways from the target of a record to the manifests that are meant.
pub(super) struct Paths {
    /// Best first.
    pub(super) found: Vec<Path>,
    /// Indexes that are not in the store. Where they would lead is not known.
    pub(super) missing: Vec<Descriptor>,
    /// Indexes that are damaged in the store.
    pub(super) damaged: Vec<DamagedBlob>,
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
    let Paths { found, missing, damaged, offered } = paths(content, matcher, &platforms, target).await?;
    if let Some(Descriptor { digest, .. }) = missing.into_iter().next() {
        return Err(ImageError::MissingBlob { kind: DocumentKind::Index, digest });
    }
    if let Some(DamagedBlob { descriptor, damage, .. }) = damaged.into_iter().next() {
        let digest = descriptor.digest;
        return Err(ImageError::Damaged { kind: DocumentKind::Index, digest, source: damage });
    }
    let Some(Path { indexes, end: descriptor }) = found.into_iter().next() else {
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
    let indexes = indexes.into_iter().map(Arc::unwrap_or_clone).collect();
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
    kind: DocumentKind,
    descriptor: &Descriptor,
) -> Result<Bytes, ImageError> {
    let check = |descriptor: &Descriptor, bytes: &[u8]| Ok(verify::check(descriptor, bytes)?);
    let (bytes, ()) = understood(content, kind, descriptor, check).await?;
    Ok(bytes)
}

/// Goes from the target of a record to the manifests that are meant, which are not read.
pub(super) async fn paths(
    content: &dyn ContentStore,
    matcher: &dyn PlatformMatcher,
    platforms: &Platforms,
    target: &Descriptor,
) -> Result<Paths, ImageError> {
    let (mut found, mut missing, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    let mut walk = Walk::from(target.clone());
    while let Some(path) = walk.step() {
        if !path.leads_to_index() {
            found.push(path);
            continue;
        }
        let index = match index(content, &path.end).await {
            Ok(index) => index,
            Err(ImageError::MissingBlob { .. }) => {
                missing.push(path.end);
                continue;
            }
            Err(ImageError::Damaged { source, .. }) => {
                damaged.push(DamagedBlob::index(path.end, source));
                continue;
            }
            Err(error) => return Err(error),
        };
        let choices = choose(matcher, platforms, &index).await.map_err(ImageError::plugin)?;
        let unusable = ImageError::unusable(DocumentKind::Index, &path.end);
        walk.descend(path, choices).map_err(unusable)?;
    }
    Ok(Paths { found, missing, damaged, offered: walk.offered })
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
    Ok(understood(content, DocumentKind::Index, descriptor, document::index).await?.1)
}

pub(super) async fn manifest(
    content: &dyn ContentStore,
    descriptor: &Descriptor,
) -> Result<Manifest, ImageError> {
    Ok(understood(content, DocumentKind::Manifest, descriptor, document::manifest).await?.1)
}

pub(super) async fn config(
    content: &dyn ContentStore,
    descriptor: &Descriptor,
) -> Result<ImageConfig, ImageError> {
    Ok(understood(content, DocumentKind::Config, descriptor, document::config).await?.1)
}

async fn understood<T>(
    content: &dyn ContentStore,
    kind: DocumentKind,
    descriptor: &Descriptor,
    understand: impl FnOnce(&Descriptor, &[u8]) -> Result<T, DocumentFault>,
) -> Result<(Bytes, T), ImageError> {
    let digest = &descriptor.digest;
    document::acceptable(kind, descriptor).map_err(ImageError::unusable(kind, descriptor))?;
    let bytes = match read_undamaged(content, descriptor).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(source)) => return Err(ImageError::Damaged { kind, digest: digest.clone(), source }),
        Err(error) if error.class() == Class::NotFound => {
            return Err(ImageError::MissingBlob { kind, digest: digest.clone() });
        }
        Err(source) => return Err(ImageError::store(format!("reading {kind} {digest}"))(source)),
    };
    let document = understand(descriptor, &bytes).map_err(ImageError::unusable(kind, descriptor))?;
    Ok((bytes, document))
}
