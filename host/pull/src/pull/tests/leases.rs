//! The lease of a pull, where the store is slow to answer or does not answer at all.

use std::future::pending;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::*;
use dray_core::limits::{CLEANUP_STEPS_TIMEOUT, CLEANUP_TIMEOUT};
use dray_ports::{Class, LeaseId, Leases};

const NEVER: Duration = Duration::MAX;

/// Leases whose answers take their time.
struct SlowLeases {
    inner: FakeStore,
    create: Duration,
    release: Duration,
    /// Whether it is refused to release one.
    refuses: bool,
}

async fn pass(time: Duration) {
    if time == NEVER { pending().await } else { sleep(time).await }
}

#[async_trait]
impl Leases for SlowLeases {
    async fn create(&self, expiry: Duration) -> Result<LeaseId, StoreError> {
        let created = self.inner.create(expiry).await;
        pass(self.create).await;
        created
    }

    async fn release(&self, lease: &LeaseId) -> Result<(), StoreError> {
        pass(self.release).await;
        if self.refuses {
            return Err(StoreError::new(Class::Unknown, "release it").with_source("the disk is full"));
        }
        self.inner.release(lease).await
    }

    async fn collect(&self) -> Result<(), StoreError> {
        self.inner.collect().await
    }
}

struct Slow {
    fixture: Fixture,
    world: World,
    warnings: Arc<Warnings>,
}

impl Slow {
    fn new(create: Duration, release: Duration, refuses: bool) -> Self {
        let (fixture, warnings) = (Fixture::new(), Arc::<Warnings>::default());
        let mut world = World { progress: warnings.clone(), ..fixture.world() };
        world.store.leases = Arc::new(SlowLeases { inner: fixture.store.clone(), create, release, refuses });
        Self { fixture, world, warnings }
    }

    /// Pulls, cancels after a second, and says how long the pull took from then on.
    async fn cancelled_after_a_second(&self) -> Duration {
        let cancel = CancellationToken::new();
        let later = async {
            sleep(Duration::from_secs(1)).await;
            cancel.cancel();
            Instant::now()
        };
        let request = request(plain, None);
        let (pulled, cancelled) = tokio::join!(pull_image(&self.world, &request, &cancel), later);
        assert!(matches!(pulled, Err(PullError::Cancelled)), "{pulled:?}");
        cancelled.elapsed()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.0.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_comes_after_the_cancellation_is_released() {
    let slow = Slow::new(Duration::from_secs(5), Duration::ZERO, false);
    assert_eq!(slow.cancelled_after_a_second().await, Duration::from_secs(4));
    slow.fixture.assert_nothing();
    assert!(slow.warnings().is_empty(), "{:?}", slow.warnings());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_never_comes_is_told_about() {
    let slow = Slow::new(NEVER, Duration::ZERO, false);
    assert_eq!(slow.cancelled_after_a_second().await, CLEANUP_STEPS_TIMEOUT);
    let warnings = slow.warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with("a lease may be left"), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_release_is_not_answered_is_told_about() {
    let slow = Slow::new(Duration::from_secs(3), NEVER, false);
    assert_eq!(slow.cancelled_after_a_second().await, CLEANUP_TIMEOUT);
    let [warning] = &slow.warnings()[..] else { panic!("{:?}", slow.warnings()) };
    assert!(warning.contains("does not answer") && warning.ends_with("after 24 h"), "{warning}");
    let lease = slow.fixture.store.state().leases.keys().next().unwrap().clone();
    assert!(warning.starts_with(&format!("lease `{lease}` is left, since ")), "{warning}");
}

/// Also where the pull has failed, whose error says nothing of the lease.
#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_released_is_told_about_with_the_cause() {
    for fails in [false, true] {
        let slow = Slow::new(Duration::ZERO, Duration::ZERO, true);
        if fails {
            slow.fixture.registry.lies.lock().unwrap().insert(slow.fixture.config.clone(), Lie::Twists);
        }
        let request = request(plain, None);
        let pulled = pull_image(&slow.world, &request, &CancellationToken::new()).await;
        assert_eq!(pulled.is_err(), fails, "{pulled:?}");
        let [warning] = &slow.warnings()[..] else { panic!("{:?}", slow.warnings()) };
        assert!(warning.contains("is left, since the disk is full; "), "{warning}");
    }
}
