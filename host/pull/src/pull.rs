//! The steps of a pull: resolve, lease, fetch, choose, plan, execute, record, report.
//!
//! Knows the outside world only through [`dray_ports`].

mod blob;
mod choice;
mod documents;
mod downloads;
mod ensure;
mod error;
mod explain;
mod fetch;
mod job;
mod layers;
mod leased;
mod plan;
mod repair;
mod report;
mod request;
mod snapshotters;
mod stop;
#[cfg(test)]
mod tests;
mod verify;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

pub use self::ensure::{Lack, PullMode, ensure_image, existing_image, fetch_image};
pub use self::error::PullError;
pub use self::explain::{Explanation, explain_image};
use self::job::Job;
pub use self::plan::validate_plan;
pub use self::report::{
    ConsideredReport, ImageReport, LayerOutcome, LayerReport, Outcome, PluginReport, PluginTimings,
    PullReport, SuitabilityReport, Timings, Totals,
};
pub use self::request::{PullRequest, SnapshotterChoice, Unpack, World};
use self::snapshotters::{Answering, Candidates};
pub use self::snapshotters::{answering_snapshotters, usable_snapshotter};
use dray_core::oci::{Descriptor, Digest, Reference};
use dray_core::verify::Mismatch;
use dray_ports::{Event, FetchFault, Registry, Resolved, StoreError};

/// Pulls an image for one or several platforms, and unpacks it if that is wanted.
///
/// The image record is written last, so that the name never refers to an incomplete image. Blobs and snapshots in the
/// store are not fetched again.
///
/// # Errors
///
/// After an error the store has no image record, no lease, no active snapshot and no locked ingest of this
/// pull, if it still answers. What helps a retry stays for about a day, or until the store collects it: layers that
/// were committed before the error, and the bytes of blobs that broke off.
///
/// # Cancellation
///
/// Cancelling `cancel` ends the pull with [`PullError::Cancelled`] after the same clean-up, and within
/// [`limits::CLEANUP_TIMEOUT`] also if the store answers nothing. If not even the lease can be released, a
/// [warning](Event::Warning) names it. Dropping the future does not clean up: the lease then protects what is left
/// until it expires.
///
/// [`limits::CLEANUP_TIMEOUT`]: dray_core::limits::CLEANUP_TIMEOUT
pub async fn pull_image(
    world: &World,
    request: &PullRequest,
    cancel: &CancellationToken,
) -> Result<PullReport, PullError> {
    pull_since(Instant::now(), world, request, cancel).await
}

/// The same for a request that started at `began`.
async fn pull_since(
    began: Instant,
    world: &World,
    request: &PullRequest,
    cancel: &CancellationToken,
) -> Result<PullReport, PullError> {
    let reference = Reference::parse(&request.name).map_err(|source| PullError::Reference { source })?;
    let lookups = async {
        // A registry is not asked for what could not be unpacked.
        let answering = answering(world, request).await?;
        tokio::try_join!(resolve(world, &reference), with_planners(request, answering))
    };
    let ((resolved, resolve_time), candidates) = or_cancelled(cancel, lookups).await?;
    let (name, target) = (&reference.to_string(), resolved.descriptor.digest.clone());
    let job = Job { world, request, name, reference: Some(&reference), candidates, outcome: Outcome::Pulled };
    let pulled = match job.clone().carry_out(resolved, began, cancel).await {
        Err(error) if is_misled(&error, &target, &reference) => {
            tracing::warn!(%reference, %target, "the registry does not have what it said, asking once more");
            let resolved = async {
                let resolved = world.registry.resolve_with_document(&reference).await;
                resolved.map_err(|source| PullError::Resolve { reference: name.clone(), source })
            };
            let resolved = or_cancelled(cancel, resolved).await?;
            world.progress.event(Event::Resolved { digest: resolved.descriptor.digest.clone() });
            job.carry_out(resolved, began, cancel).await
        }
        pulled => pulled,
    };
    let mut report = pulled?;
    report.timings.resolve = milliseconds(resolve_time);
    Ok(report)
}

/// Whether a pull failed because the target differs from the registry's statement: a tag may have moved between two
/// requests, and some registries state a wrong length.
fn is_misled(error: &PullError, target: &Digest, reference: &Reference) -> bool {
    match error {
        PullError::Fetch { digest, source, .. } => {
            digest == target && source.fault == FetchFault::NotFound && reference.digest().is_none()
        }
        PullError::Mismatch {
            source: Mismatch::Short { digest, .. } | Mismatch::Long { digest, .. },
            ..
        } => digest == target,
        _ => false,
    }
}

/// Runs a step without effects, which needs no clean-up.
async fn or_cancelled<T>(
    cancel: &CancellationToken,
    lookups: impl Future<Output = Result<T, PullError>>,
) -> Result<T, PullError> {
    cancel.run_until_cancelled(lookups).await.unwrap_or(Err(PullError::Cancelled))
}

/// Resolves a name at its registry: to the digest of an index or manifest, with media type and size. Downloads
/// nothing and needs no store.
///
/// # Errors
///
/// Fails if the name is not a reference, or if the registry does not have it, denies access, cannot be reached or
/// violates the protocol.
///
/// # Cancellation
///
/// Dropping the future leaves nothing.
pub async fn resolve_digest(registry: &dyn Registry, name: &str) -> Result<Descriptor, PullError> {
    let reference = Reference::parse(name).map_err(|source| PullError::Reference { source })?;
    Ok(resolve_with(registry, &reference).await?.descriptor)
}

async fn resolve_with(registry: &dyn Registry, reference: &Reference) -> Result<Resolved, PullError> {
    let resolved = registry.resolve(reference).await;
    resolved.map_err(|source| PullError::Resolve { reference: reference.to_string(), source })
}

async fn resolve(world: &World, reference: &Reference) -> Result<(Resolved, Duration), PullError> {
    let since = Instant::now();
    let resolved = resolve_with(world.registry.as_ref(), reference).await?;
    world.progress.event(Event::Resolved { digest: resolved.descriptor.digest.clone() });
    Ok((resolved, since.elapsed()))
}

/// Finds out that what the image is to be unpacked into answers, if it is to be unpacked.
async fn answering(world: &World, request: &PullRequest) -> Result<Option<Answering>, PullError> {
    let Some(unpack) = &request.unpack else { return Ok(None) };
    if !request.platforms.is_one() {
        return Err(PullError::UnpackSeveral);
    }
    snapshotters::answering(&world.store, unpack).await.map(Some)
}

async fn with_planners(
    request: &PullRequest,
    answering: Option<Answering>,
) -> Result<Option<Candidates>, PullError> {
    match (&request.unpack, answering) {
        (Some(unpack), Some(answering)) => answering.with_planners(unpack).await.map(Some),
        _ => Ok(None),
    }
}

fn store_error(doing: &str, source: StoreError) -> PullError {
    PullError::Store { doing: doing.to_owned(), source }
}

fn milliseconds(duration: Duration) -> f64 {
    rounded(duration.as_secs_f64() * 1e3)
}

/// Milliseconds, rounded to microseconds, the precision of the measurement.
fn rounded(milliseconds: f64) -> f64 {
    (milliseconds * 1e3).round() / 1e3
}
