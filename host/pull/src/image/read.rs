use bytes::Bytes;

use super::candidates::{Candidate, Candidates, ChosenManifest, ImageDocuments};
use super::document::{Document, acceptable};
use super::source::{Brought, DocumentSource};
use super::{ImageError, Platforms};
use dray_core::oci::{Descriptor, DocumentKind, Index, MediaKind, Platform};
use dray_core::verify;
use dray_ports::PlatformMatcher;

/// Reads the index of `target`; `None` if the target is not an index.
///
/// # Errors
///
/// Fails if the source does not have the index, or if it is damaged or not valid.
pub async fn read_index<S: DocumentSource>(
    mut source: S,
    target: &Descriptor,
) -> Result<Option<Document<Index>>, S::Error> {
    if target.media_type.kind() != MediaKind::Index {
        return Ok(None);
    }
    let bytes = bytes(&mut source, DocumentKind::Index, target).await?;
    let index = Document::read(target, bytes).map_err(ImageError::unusable(DocumentKind::Index, target))?;
    Ok(Some(index))
}

/// Reads the manifest of the image of `target` for `wanted`, chosen as in a pull.
///
/// # Errors
///
/// Fails if a document on the path is missing, damaged or not valid, if the image has nothing for the platform, or if
/// it is an artifact.
pub async fn read_manifest<S: DocumentSource>(
    source: S,
    matcher: &dyn PlatformMatcher,
    target: &Descriptor,
    wanted: &Platform,
) -> Result<ChosenManifest, S::Error> {
    let platforms = Platforms::One(wanted.clone());
    let mut candidates = Candidates::new(source, matcher, &platforms, target);
    let candidate = candidates.next_manifest().await?;
    only(candidate, &mut candidates).map_err(S::Error::from)
}

/// Reads manifest and image config of the image of `target` for `wanted`.
///
/// # Errors
///
/// The same as for [`read_manifest`].
pub async fn read_image_config<S: DocumentSource>(
    source: S,
    matcher: &dyn PlatformMatcher,
    target: &Descriptor,
    wanted: &Platform,
) -> Result<ImageDocuments, S::Error> {
    let platforms = Platforms::One(wanted.clone());
    let mut candidates = Candidates::new(source, matcher, &platforms, target);
    let candidate = candidates.next_image().await?;
    only(candidate, &mut candidates).map_err(S::Error::from)
}

fn only<T, S: DocumentSource>(
    candidate: Option<Candidate<T>>,
    candidates: &mut Candidates<'_, S>,
) -> Result<T, ImageError> {
    match candidate {
        Some(Candidate::Found(found)) => Ok(found),
        Some(Candidate::Missing(missing)) => Err((*missing).into()),
        Some(Candidate::Unusable(unusable)) => Err(unusable.into()),
        None => Err(candidates.none().into()),
    }
}

/// Reads the bytes of an index, manifest or image config, and checks them against the descriptor.
///
/// # Errors
///
/// Fails if the document is missing, damaged or too large.
pub async fn read_document<S: DocumentSource>(
    mut source: S,
    kind: DocumentKind,
    descriptor: &Descriptor,
) -> Result<Bytes, S::Error> {
    let bytes = bytes(&mut source, kind, descriptor).await?;
    let checked = verify::check(descriptor, &bytes);
    checked.map_err(|mismatch| ImageError::unusable(kind, descriptor)(mismatch.into()))?;
    Ok(bytes)
}

async fn bytes<S: DocumentSource>(
    source: &mut S,
    kind: DocumentKind,
    descriptor: &Descriptor,
) -> Result<Bytes, S::Error> {
    acceptable(kind, descriptor).map_err(ImageError::unusable(kind, descriptor))?;
    let digest = descriptor.digest.clone();
    match source.bytes(kind, descriptor).await? {
        Brought::Bytes(bytes) => Ok(bytes),
        Brought::Missing => Err(ImageError::MissingBlob { kind, digest }.into()),
        Brought::Damaged(source) => Err(ImageError::Damaged { kind, digest, source }.into()),
    }
}
