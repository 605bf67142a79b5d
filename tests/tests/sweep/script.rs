//! The faults of a pull: which call goes wrong, and how.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dray::ports::{Class, FetchFailure, FetchFault, PluginFailure, PluginFault, StoreError};
use tokio_util::sync::CancellationToken;

/// The text of every injected failure, at the end of its chain.
pub(crate) const ON_PURPOSE: &str = "it fails on purpose";

/// The ports of a pull. Each counts its own calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Port {
    Content,
    Ingest,
    Snapshots,
    Applier,
    Images,
    Leases,
    Info,
    Registry,
    BlobStream,
    Matcher,
    Planner,
}

/// Names of calls with special rules.
pub(crate) const CREATE_LEASE: &str = "create lease";
pub(crate) const RELEASE_LEASE: &str = "release lease";
pub(crate) const ADD_FACTS: &str = "add facts";
pub(crate) const PUT_IMAGE: &str = "put image";
pub(crate) const PROBE: &str = "probe";
pub(crate) const WRITE: &str = "write";
pub(crate) const NEXT_BYTES: &str = "next bytes";
pub(crate) const REMOVE_SNAPSHOT: &str = "remove snapshot";
pub(crate) const ABORT_INGEST: &str = "abort ingest";
pub(crate) const SUSPEND_INGEST: &str = "suspend ingest";

/// The set of calls in which one is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Among {
    /// All calls of a port.
    Port(Port),
    /// All calls of this name.
    Name(&'static str),
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It fails without an effect.
    Refused,
    /// It takes effect, and its answer is lost.
    Lost,
    /// The pull is cancelled during the call.
    Cancelled,
    /// The future of the pull is dropped during the call.
    Dropped,
    /// It takes effect and is never answered, and the pull is cancelled.
    Unanswered,
}

/// The `nth` call, from 1, goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) among: Among,
    pub(crate) nth: usize,
    pub(crate) how: How,
}

/// A fault that happened, and its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) how: How,
    pub(crate) port: Port,
    pub(crate) call: &'static str,
}

impl Happened {
    pub(crate) fn is(&self, how: How, call: &str) -> bool {
        self.how == how && self.call == call
    }

    /// Whether it may leave a lease, which the user must be told.
    pub(crate) fn may_leave_a_lease(&self) -> bool {
        match self.how {
            How::Refused | How::Lost => self.call == RELEASE_LEASE,
            How::Unanswered => [CREATE_LEASE, RELEASE_LEASE].contains(&self.call),
            How::Cancelled | How::Dropped => false,
        }
    }
}

/// The faults of one pull, and the calls so far.
#[derive(Default)]
pub(crate) struct Script {
    faults: Vec<Fault>,
    /// Cancels the pull.
    pub(crate) cancel: CancellationToken,
    /// Tells the test to drop the pull.
    pub(crate) drop: CancellationToken,
    course: Mutex<Course>,
}

#[derive(Default)]
struct Course {
    calls: BTreeMap<Among, usize>,
    happened: Vec<Happened>,
}

impl Script {
    pub(crate) fn new(faults: &[Fault]) -> Arc<Self> {
        Arc::new(Self { faults: faults.to_owned(), ..Self::default() })
    }

    /// Whether a call is never answered.
    pub(crate) fn is_unanswered(&self) -> bool {
        self.faults.iter().any(|fault| fault.how == How::Unanswered)
    }

    /// The number of calls, by port and by name.
    pub(crate) fn calls(&self) -> BTreeMap<Among, usize> {
        self.course().calls.clone()
    }

    /// The faults so far, in order.
    pub(crate) fn happened(&self) -> Vec<Happened> {
        self.course().happened.clone()
    }

    /// Makes a call, or applies the script's fault to it.
    pub(crate) async fn call<T, E: Failure>(
        &self,
        port: Port,
        call: &'static str,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.count(port, call) {
            None => effect.await,
            Some(How::Refused) => Err(E::refused()),
            Some(How::Lost) => {
                drop(effect.await);
                Err(E::lost())
            }
            Some(How::Cancelled) => {
                self.cancel.cancel();
                effect.await
            }
            Some(How::Dropped) => {
                self.drop.cancel();
                effect.await
            }
            Some(How::Unanswered) => {
                self.cancel.cancel();
                drop(effect.await);
                pending().await
            }
        }
    }

    fn count(&self, port: Port, call: &'static str) -> Option<How> {
        let mut course = self.course();
        let mut count = |among| {
            let calls = course.calls.entry(among).or_default();
            *calls += 1;
            (among, *calls)
        };
        let counted = [count(Among::Port(port)), count(Among::Name(call))];
        let is_now = |fault: &&Fault| counted.contains(&(fault.among, fault.nth));
        let how = self.faults.iter().find(is_now)?.how;
        course.happened.push(Happened { how, port, call });
        Some(how)
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a port's failures are made.
pub(crate) trait Failure {
    fn refused() -> Self;
    fn lost() -> Self;
}

impl Failure for StoreError {
    fn refused() -> Self {
        Self::new(Class::Unreachable, "reach the store").with_source(ON_PURPOSE)
    }

    fn lost() -> Self {
        Self::new(Class::Ended, "hear from the store").with_source(ON_PURPOSE)
    }
}

impl Failure for FetchFailure {
    /// Final: the registry refuses.
    fn refused() -> Self {
        fetch_failure(FetchFault::Denied)
    }

    /// Worth a retry: the connection broke.
    fn lost() -> Self {
        fetch_failure(FetchFault::Unavailable)
    }
}

fn fetch_failure(fault: FetchFault) -> FetchFailure {
    FetchFailure::new(fault, "the registry fails").with_source(ON_PURPOSE)
}

impl Failure for PluginFailure {
    fn refused() -> Self {
        plugin_failure(PluginFault::Trap)
    }

    fn lost() -> Self {
        plugin_failure(PluginFault::Timeout)
    }
}

fn plugin_failure(fault: PluginFault) -> PluginFailure {
    PluginFailure::new(fault, "script", "plugin `script` fails").with_source(ON_PURPOSE)
}
