//! Finds stored images, checks that they are complete, and unpacks them if needed.

use std::error::Error;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::job::Job;
use super::snapshotters::Candidates;
use super::{
    LayerOutcome, Outcome, PullError, PullReport, PullRequest, World, answering, or_cancelled, pull_since,
    with_planners,
};
use crate::image::{
    self, Completeness, DamagedBlob, FoundImage, ImageError, ManifestState, MatchedBy, Scrutiny,
};
use dray_core::oci::{Digest, Platform, Reference};
use dray_ports::{Event, ImageRecord, Resolved, SnapshotterName};

/// When to ask the registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PullMode {
    /// Always: the name then refers to the registry's current answer.
    #[default]
    Always,
    /// If the image is not in the store, complete and for the wanted platforms.
    Missing,
    /// Never, without using the network.
    Never,
}

/// Why the stored image is not sufficient.
#[derive(Debug, thiserror::Error)]
pub enum Lack {
    /// There is no image record.
    #[error("there is no record of it")]
    Record,
    /// The record does not name the registry of the image.
    #[error("its name does not say which registry it is from")]
    Source,
    /// The record is for another platform.
    #[error("what is there is for {}, not for {wanted}", listed(.offered))]
    Platform {
        /// The wanted platforms.
        wanted: String,
        /// The platforms of the image, if stated.
        offered: Vec<Platform>,
    },
    /// The target of the record cannot be used.
    #[error("what is there cannot be used")]
    Unusable {
        /// Why.
        #[source]
        source: ImageError,
    },
    /// Blobs are damaged.
    #[error("it is damaged: {} not sound, the first is {first}", count(*.blobs))]
    Damaged {
        /// How many.
        blobs: usize,
        /// Role and digest of the first one.
        first: String,
    },
    /// Blobs are missing.
    #[error("it is not complete: {} missing, the first is {first}", count(*.blobs))]
    Blobs {
        /// How many.
        blobs: usize,
        /// Role and digest of the first one.
        first: String,
    },
}

fn listed(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(Platform::format_all).collect();
    if names.is_empty() { "no platform that is known".to_owned() } else { names.join(", ") }
}

fn count(blobs: usize) -> String {
    if blobs == 1 { "1 blob is".to_owned() } else { format!("{blobs} blobs are") }
}

/// Makes sure that an image is in the store: complete for the wanted platforms, and unpacked if requested. The mode
/// says whether the registry is asked.
///
/// # Errors
///
/// Fails as [`pull_image`](super::pull_image) does. In mode `never`, also fails with [`PullError::NotAvailable`] if
/// the image is not complete.
///
/// # Cancellation
///
/// The same as for [`pull_image`](super::pull_image).
pub async fn ensure_image(
    world: &World,
    request: &PullRequest,
    mode: PullMode,
    cancel: &CancellationToken,
) -> Result<PullReport, PullError> {
    let began = Instant::now();
    if mode == PullMode::Always {
        return pull_since(began, world, request, cancel).await;
    }
    match existing_image(world, request, cancel).await {
        Err(reason @ (PullError::NotAvailable { .. } | PullError::Absent { .. }))
            if mode == PullMode::Missing =>
        {
            let error: &(dyn Error + 'static) = &reason;
            tracing::info!(image = request.name, error, "asking the registry");
            pull_since(began, world, request, cancel).await
        }
        other => other,
    }
}

/// Finds an image in the store by name, digest or the beginning of a digest, and unpacks it if requested. Does not
/// use the network.
///
/// An exact name wins over the beginning of a digest. The platform must be a wanted one, even if the image has no
/// index. The image must be complete: every blob is present, or an unpacked layer.
///
/// # Errors
///
/// Fails with [`PullError::NotAvailable`] if there is no such image or if it lacks something, and as
/// [`pull_image`](super::pull_image) does while it unpacks.
///
/// # Cancellation
///
/// The same as for [`pull_image`](super::pull_image).
pub async fn existing_image(
    world: &World,
    request: &PullRequest,
    cancel: &CancellationToken,
) -> Result<PullReport, PullError> {
    let began = Instant::now();
    let lookups = async {
        let answering = answering(world, request).await?;
        let Some(mut candidates) = with_planners(request, answering).await? else {
            return Ok((None, usable_record(world, request, None).await?));
        };
        let record = usable_anywhere(world, request, &mut candidates).await?;
        Ok((Some(candidates), record))
    };
    let (candidates, record) = or_cancelled(cancel, lookups).await?;
    world.progress.event(Event::Resolved { digest: record.target.digest.clone() });
    let target = Resolved { descriptor: record.target, document: None };
    let (name, reference, outcome) = (record.name.as_str(), None, Outcome::Present);
    let job = Job { world, request, name, reference, candidates, outcome };
    let mut report = job.carry_out(target, began, cancel).await?;
    if report.image.layers.iter().any(|layer| layer.outcome == LayerOutcome::Applied) {
        report.outcome = Outcome::Unpacked;
    }
    Ok(report)
}

/// Fetches the missing blobs of an image with a record, for the wanted platforms, even of unpacked layers. The target
/// of the name does not change.
///
/// # Errors
///
/// Fails with [`PullError::NotAvailable`] if there is no record, and as [`pull_image`](super::pull_image) does.
///
/// # Cancellation
///
/// The same as for [`pull_image`](super::pull_image).
pub async fn fetch_image(
    world: &World,
    request: &PullRequest,
    cancel: &CancellationToken,
) -> Result<PullReport, PullError> {
    let began = Instant::now();
    let mut records = or_cancelled(cancel, records(world, &request.name, 1)).await?.into_iter();
    // The kubelet's containerd has a second record of each image, named by a digest alone, and other programs use
    // names of any form.
    let says_where = |record: ImageRecord| match Digest::parse(&record.name) {
        Ok(_) => None,
        Err(_) => Some((Reference::parse(&record.name).ok()?, record)),
    };
    let lack = if records.as_slice().is_empty() { Lack::Record } else { Lack::Source };
    let (reference, record) = records.find_map(says_where).ok_or_else(|| not_available(request, lack))?;
    world.progress.event(Event::Resolved { digest: record.target.digest.clone() });
    let target = Resolved { descriptor: record.target, document: None };
    let request = &PullRequest { unpack: None, ..request.clone() };
    let (name, reference, outcome) = (record.name.as_str(), Some(&reference), Outcome::Fetched);
    let job = Job { world, request, name, reference, candidates: None, outcome };
    job.carry_out(target, began, cancel).await
}

/// Number of digits of a short id. A name of that many hexadecimal digits is unlikely.
pub(super) const SHORT_ID: usize = 12;

/// The records that a name refers to, best first. The beginning of a digest must have at least this many digits.
pub(super) async fn records(
    world: &World,
    name: &str,
    least_digits: usize,
) -> Result<Vec<ImageRecord>, PullError> {
    let found = image::find(world.store.images.as_ref(), name).await;
    let found = found.map_err(|source| PullError::Image { source })?;
    // `cafe` may be a name in a registry, and the beginning of another image's digest.
    let is_meant =
        |found: &FoundImage| found.by != MatchedBy::Id || name.contains(':') || name.len() >= least_digits;
    Ok(found.into_iter().filter(is_meant).map(|found| found.record).collect())
}

/// The first complete record of this name.
async fn usable_record(
    world: &World,
    request: &PullRequest,
    snapshotter: Option<&SnapshotterName>,
) -> Result<ImageRecord, PullError> {
    let mut lack = Lack::Record;
    for record in records(world, &request.name, SHORT_ID).await? {
        match lack_of(world, request, snapshotter, &record).await? {
            None => return Ok(record),
            // The user wants to know what the best match lacks.
            Some(more) if matches!(lack, Lack::Record) => lack = more,
            Some(_) => {}
        }
    }
    Err(not_available(request, lack))
}

/// The same where there are several snapshotters. Those remain candidates for which the record lacks nothing: a layer
/// that only one of them has could not be unpacked into the others.
async fn usable_anywhere(
    world: &World,
    request: &PullRequest,
    candidates: &mut Candidates,
) -> Result<ImageRecord, PullError> {
    let (mut found, mut lacks) = (None::<ImageRecord>, None);
    let mut fitting = Vec::with_capacity(candidates.usable.len());
    for candidate in std::mem::take(&mut candidates.usable) {
        match usable_record(world, request, Some(&candidate.snapshotter)).await {
            Ok(record) if found.as_ref().is_none_or(|known| known.name == record.name) => {
                found = Some(record);
                fitting.push(candidate);
            }
            Ok(_) => {}
            Err(error @ PullError::NotAvailable { .. }) => lacks = lacks.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    candidates.usable = fitting;
    found.ok_or_else(|| lacks.unwrap_or_else(|| not_available(request, Lack::Record)))
}

async fn lack_of(
    world: &World,
    request: &PullRequest,
    snapshotter: Option<&SnapshotterName>,
    record: &ImageRecord,
) -> Result<Option<Lack>, PullError> {
    let (store, matcher) = (&world.store, world.matcher.as_ref());
    let other_platform = |offered| Lack::Platform { wanted: request.platforms.to_string(), offered };
    let (target, platforms) = (&record.target, &request.platforms);
    // Blobs of a stored image are checked when they are used.
    let snapshotters = snapshotter.map_or(&[][..], std::slice::from_ref);
    let found = image::completeness(store, matcher, snapshotters, target, platforms, Scrutiny::Records);
    // The future is large, and would be part of every future that awaits it.
    let found = Box::pin(found).await;
    let Completeness { missing_indexes, damaged_indexes, manifests, unusable } = match found {
        Ok(found) => found,
        Err(ImageError::NoPlatform { offered, .. }) => return Ok(Some(other_platform(offered))),
        // Such an error says nothing about the image, and a registry would not help.
        Err(source) if source.is_of_the_call() => return Err(PullError::Image { source }),
        Err(source) => return Ok(Some(Lack::Unusable { source })),
    };
    if let Some(unusable) = unusable.into_iter().next() {
        return Ok(Some(Lack::Unusable { source: unusable.into() }));
    }
    let fits = |manifest: &&ManifestState| manifest.fits;
    let fitting: Vec<&ManifestState> = manifests.iter().filter(fits).collect();
    if missing_indexes.is_empty() && damaged_indexes.is_empty() && fitting.is_empty() {
        let offered = manifests.iter().filter_map(|manifest| manifest.platform.clone()).collect();
        return Ok(Some(other_platform(offered)));
    }
    let damaged = fitting.iter().flat_map(|manifest| &manifest.damaged_blobs).filter(|blob| !blob.unpacked);
    let mut damaged = damaged_indexes.iter().chain(damaged);
    if let Some(DamagedBlob { role, descriptor, .. }) = damaged.next() {
        let first = format!("{} {}", role.as_str(), descriptor.digest);
        return Ok(Some(Lack::Damaged { blobs: 1 + damaged.count(), first }));
    }
    let missing = fitting.iter().flat_map(|manifest| &manifest.missing_blobs).filter(|blob| !blob.unpacked);
    let mut missing = missing.map(|blob| format!("{} {}", blob.role.as_str(), blob.descriptor.digest));
    let mut indexes = missing_indexes.iter().map(|index| format!("index {}", index.digest));
    let first = indexes.next().or_else(|| missing.next());
    Ok(first.map(|first| Lack::Blobs { blobs: 1 + indexes.count() + missing.count(), first }))
}

fn not_available(request: &PullRequest, source: Lack) -> PullError {
    PullError::NotAvailable { name: request.name.clone(), source }
}
