//! Ends a pull early: after a cancellation or a failure, with a limited time for clean-up.

use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::PullError;
use dray_core::limits;

/// Shared by all parts of one pull. The caller's token or the first failure stops it.
///
/// From then on the pull has [`limits::CLEANUP_TIMEOUT`] in total. The time after [`limits::CLEANUP_STEPS_TIMEOUT`]
/// is reserved for the lease, whose release removes what the other steps could not.
#[derive(Clone)]
pub(super) struct Stop {
    token: CancellationToken,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Why the pull ends. Later failures follow from it.
    reason: Mutex<Option<PullError>>,
    /// When clean-up began.
    began: OnceLock<Instant>,
}

impl Stop {
    /// Stops when `cancel` is cancelled, but does not cancel it.
    pub(super) fn by(cancel: &CancellationToken) -> Self {
        Self { token: cancel.child_token(), shared: Arc::default() }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    pub(super) async fn cancelled(&self) {
        self.token.cancelled().await;
    }

    /// Runs a step that may be abandoned at any time. A step that ends when the pull is stopped counts as abandoned.
    pub(super) async fn or_cancelled<T>(
        &self,
        step: impl Future<Output = Result<T, PullError>>,
    ) -> Result<T, PullError> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(PullError::Cancelled),
            done = step => done,
        }
    }

    /// Stops everything. The first failure is the reason, unless the caller cancelled before. Returns a placeholder
    /// for [`Stop::reason`].
    pub(super) fn fail(&self, error: PullError) -> PullError {
        let mut reason = self.shared.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if reason.is_none() {
            *reason = Some(if self.token.is_cancelled() { PullError::Cancelled } else { error });
        }
        drop(reason);
        self.begin_clean_up();
        self.token.cancel();
        PullError::Cancelled
    }

    /// The reason for the end of the pull; `last` is its last error.
    pub(super) fn reason(&self, last: PullError) -> PullError {
        self.fail(last);
        let mut reason = self.shared.reason.lock().unwrap_or_else(PoisonError::into_inner);
        reason.take().unwrap_or(PullError::Cancelled)
    }

    /// Starts the time for clean-up, unless it runs already. Returns its start.
    pub(super) fn begin_clean_up(&self) -> Instant {
        *self.shared.began.get_or_init(Instant::now)
    }

    /// Runs a step of clean-up. `None` if its time is over.
    ///
    /// A step without a preceding failure has the same time, and does not use that of the others.
    pub(super) async fn clean_up<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        let began = self.shared.began.get().copied().unwrap_or_else(Instant::now);
        timeout_at(began + limits::CLEANUP_STEPS_TIMEOUT, step).await.ok()
    }

    /// Runs the last step, with all remaining time.
    pub(super) async fn last_step<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.begin_clean_up() + limits::CLEANUP_TIMEOUT, step).await.ok()
    }

    /// Runs a job that ends and cleans up by itself when everything stops. `None` if it was abandoned because it did
    /// not end in time.
    pub(super) async fn or_give_up<T>(&self, job: impl Future<Output = T>) -> Option<T> {
        let given_up = async {
            self.cancelled().await;
            sleep_until(self.begin_clean_up() + limits::CLEANUP_STEPS_TIMEOUT).await;
        };
        let (mut job, mut given_up) = (pin!(job), pin!(given_up));
        tokio::select! {
            biased;
            () = &mut given_up => None,
            done = &mut job => Some(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use super::*;

    fn failure() -> PullError {
        PullError::UnpackSeveral
    }

    #[test]
    fn the_first_failure_is_the_reason() {
        let cancel = CancellationToken::new();
        let stop = Stop::by(&cancel);
        stop.fail(failure());
        assert!(stop.is_cancelled() && !cancel.is_cancelled());
        stop.fail(PullError::LayerCount { layers: 1, diff_ids: 2 });
        cancel.cancel();
        assert!(matches!(stop.reason(PullError::Cancelled), PullError::UnpackSeveral));

        let stop = Stop::by(&cancel);
        assert!(matches!(stop.fail(failure()), PullError::Cancelled));
        assert!(matches!(stop.reason(failure()), PullError::Cancelled), "the caller was first");
        assert!(matches!(Stop::by(&CancellationToken::new()).reason(failure()), PullError::UnpackSeveral));
    }

    #[tokio::test]
    async fn a_step_that_ends_when_the_pull_is_stopped_counts_as_given_up() {
        let cancel = CancellationToken::new();
        let stop = Stop::by(&cancel);
        assert!(matches!(stop.or_cancelled(async { Ok(1) }).await, Ok(1)));
        let step = async {
            tokio::task::yield_now().await;
            Ok(2)
        };
        let cancelling = async { cancel.cancel() };
        let (step, ()) = tokio::join!(stop.or_cancelled(step), cancelling);
        assert!(matches!(step, Err(PullError::Cancelled)), "{step:?}");
        assert!(matches!(stop.or_cancelled(async { Ok(3) }).await, Err(PullError::Cancelled)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_steps_share_one_time() {
        let (cancel, began) = (CancellationToken::new(), Instant::now());
        let stop = Stop::by(&cancel);
        // Before anything has failed, a step takes nothing from the others.
        assert_eq!(stop.clean_up(pending::<()>()).await, None);
        let began_later = Instant::now();
        assert_eq!(began_later - began, limits::CLEANUP_STEPS_TIMEOUT);

        cancel.cancel();
        let job = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stop.clean_up(pending::<()>()).await;
            pending::<()>().await;
        };
        assert_eq!(stop.or_give_up(job).await, None);
        assert_eq!(began_later.elapsed(), limits::CLEANUP_STEPS_TIMEOUT);
        assert_eq!(stop.clean_up(pending::<()>()).await, None);
        assert_eq!(began_later.elapsed(), limits::CLEANUP_STEPS_TIMEOUT);
        assert_eq!(stop.last_step(pending::<()>()).await, None);
        assert_eq!(began_later.elapsed(), limits::CLEANUP_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_may_end_by_itself() {
        let cancel = CancellationToken::new();
        let stop = Stop::by(&cancel);
        let slow = async { tokio::time::sleep(Duration::from_hours(1)).await };
        assert_eq!(stop.or_give_up(slow).await, Some(()), "nothing stops it");
        let job = async {
            cancel.cancel();
            tokio::time::sleep(Duration::from_secs(9)).await;
        };
        assert_eq!(stop.or_give_up(job).await, Some(()), "it has the time to clean up");
    }
}
