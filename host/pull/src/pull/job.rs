//! The common frame of all pulls: a lease around all effects, and an end in time.

use std::error::Error;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::leased::LeasedPull;
use super::snapshotters::Candidates;
use super::stop::Stop;
use super::{Outcome, PullError, PullReport, PullRequest, World, milliseconds, store_error};
use dray_core::limits;
use dray_core::oci::Reference;
use dray_ports::{Event, LeaseId, Resolved};

/// A pull that is ready to start.
#[derive(Clone)]
pub(super) struct Job<'a> {
    pub(super) world: &'a World,
    pub(super) request: &'a PullRequest,
    /// Name of the image record.
    pub(super) name: &'a str,
    /// The source of blobs; `None` if nothing may be fetched.
    pub(super) reference: Option<&'a Reference>,
    /// Where to unpack; `None` if the image is only fetched.
    pub(super) candidates: Option<Candidates>,
    /// The outcome on success. Only a pull writes the image record.
    pub(super) outcome: Outcome,
}

impl Job<'_> {
    /// Fetches everything below the target into the store, under a lease that is released in any case.
    ///
    /// `began` is the time of the request. After a cancellation or a failure, this ends within
    /// [`limits::CLEANUP_TIMEOUT`], even if the store does not answer.
    pub(super) async fn carry_out(
        self,
        target: Resolved,
        began: Instant,
        cancel: &CancellationToken,
    ) -> Result<PullReport, PullError> {
        let (world, stop) = (self.world, Stop::by(cancel));
        if stop.is_cancelled() {
            return Err(PullError::Cancelled);
        }
        let lease = take_lease(world, &stop).await?;
        tracing::info!(%lease, "a lease is taken");
        let pulled = if stop.is_cancelled() {
            Err(PullError::Cancelled)
        } else {
            let pull = Box::pin(LeasedPull { job: self, lease: &lease, stop: &stop }.run(target));
            stop.or_give_up(pull).await.unwrap_or(Err(PullError::Cancelled))
        };
        let pulled = pulled.map_err(|error| stop.reason(error));
        release(world, &lease, &stop).await;
        let mut report = pulled?;
        report.timings.total = milliseconds(began.elapsed());
        Ok(report)
    }
}

/// Makes a lease. Cancelling does not end the call at once: its effect may have happened, and a lease whose
/// name is not known could not be released.
async fn take_lease(world: &World, stop: &Stop) -> Result<LeaseId, PullError> {
    let Some(created) = stop.or_give_up(world.store.leases.create(limits::LEASE_EXPIRY)).await else {
        let message = format!(
            "a lease may be left, since the store did not answer when asked for one; {}",
            expiry_note()
        );
        world.progress.event(Event::Warning { message });
        return Err(PullError::Cancelled);
    };
    created.map_err(|source| store_error("taking a lease", source))
}

/// Releases the lease, and tells the user if that cannot be done. After a pull that went well it may take its time: the
/// store collects before it answers.
async fn release(world: &World, lease: &LeaseId, stop: &Stop) {
    let released = world.store.leases.release(lease);
    let released =
        if stop.is_cancelled() { stop.last_step(released).await } else { stop.or_give_up(released).await };
    let why = match released {
        Some(Ok(())) => return,
        // The error itself only repeats the operation.
        Some(Err(error)) => match error.source() {
            Some(cause) => cause.to_string(),
            None => error.to_string(),
        },
        None => "the store does not answer".to_owned(),
    };
    let message = format!("lease `{lease}` is left, since {why}; {}", expiry_note());
    world.progress.event(Event::Warning { message });
}

/// What happens to a remaining lease.
fn expiry_note() -> String {
    const HOUR: Duration = Duration::from_hours(1);
    let hours = limits::LEASE_EXPIRY.as_secs() / HOUR.as_secs();
    format!("the lease keeps what was pulled, and ends by itself after {hours} h")
}
