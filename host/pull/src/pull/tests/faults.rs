//! Every call that a pull makes fails once, or is the one at which the pull is cancelled.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt as _;

use super::*;
use dray_ports::{
    BlobStream, FetchFailure, FetchFault, OnePlanner, Planner, PlatformMatcher, PluginCallTimings,
    PluginFailure, PluginFault, PluginIdentity,
};

/// The nth call to the store fails, for every n: the right kind of error, nothing left, and a plain retry
/// succeeds.
#[tokio::test(start_paused = true)]
async fn every_call_to_the_store_may_fail() {
    let calls = {
        let fixture = Fixture::new();
        fixture.pull().await.unwrap();
        fixture.store.state().calls.len()
    };
    assert!(calls > 30, "{calls}");
    for nth in 1..=calls {
        let fixture = Fixture::new();
        fixture.store.state().fail_at = Some(nth);
        let result = fixture.pull().await;
        let failed = fixture.store.state().calls.get(nth - 1).copied();
        match (failed, result) {
            (Some("release lease"), Ok(_)) => fixture.store.state().leases.clear(),
            (Some(_), Err(PullError::Store { .. })) => {
                let recorded = !fixture.store.state().images.is_empty();
                assert!(!recorded, "call {nth} ({failed:?}) failed and an image was recorded");
            }
            (failed, result) => panic!("call {nth} ({failed:?}): {result:?}"),
        }
        fixture.assert_clean();
        fixture.store.state().fail_at = None;
        fixture.pull().await.unwrap_or_else(|error| panic!("retry after call {nth}: {error:?}"));
        fixture.assert_clean();
    }
}

/// The pull is cancelled at the nth call, for every n.
#[tokio::test(start_paused = true)]
async fn a_pull_can_be_cancelled_at_any_time() {
    for nth in 1..200 {
        let fixture = Fixture::new();
        let cancel = CancellationToken::new();
        fixture.store.state().cancel_at = Some((nth, cancel.clone()));
        let result = fixture.pull_with(plain, &cancel).await;
        let reached = fixture.store.state().calls.len() >= nth;
        match result {
            Ok(_) => {}
            Err(PullError::Cancelled) => {
                assert!(fixture.store.state().images.is_empty(), "cancelled at {nth}");
            }
            Err(error) => panic!("cancelled at {nth}: {error:?}"),
        }
        fixture.assert_clean();
        fixture.store.state().cancel_at = None;
        fixture.pull().await.unwrap_or_else(|error| panic!("retry after {nth}: {error:?}"));
        if !reached {
            return;
        }
    }
    panic!("a pull has fewer calls than that");
}

/// No later pull looks at the blob of a layer whose snapshot is there.
#[tokio::test]
async fn the_diff_id_of_a_layer_is_told_before_its_snapshot_is_there() {
    let commit = {
        let fixture = Fixture::new();
        fixture.pull().await.unwrap();
        let state = fixture.store.state();
        state.calls.iter().position(|call| *call == "commit snapshot").unwrap()
    };
    let fixture = Fixture::new();
    fixture.store.state().fail_at = Some(commit + 1);
    fixture.pull().await.unwrap_err();
    let state = fixture.store.state();
    assert_eq!(state.calls[commit], "commit snapshot");
    assert_eq!(state.blobs[&fixture.layers[0]].1.diff_id, Some(diff_id_of(&[1; 40])));
}

/// Counts calls from 1; one of them is to fail.
#[derive(Clone)]
struct Nth {
    fails: usize,
    calls: Arc<AtomicUsize>,
}

impl Nth {
    fn new(fails: usize) -> Self {
        Self { fails, calls: Arc::default() }
    }

    fn is_now(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.fails
    }

    fn is_reached(&self) -> bool {
        self.calls.load(Ordering::SeqCst) >= self.fails
    }
}

/// Fails once: when it is asked, or between two pieces of a blob.
struct FailingRegistry {
    inner: Arc<FakeRegistry>,
    asked: Nth,
    pieces: Nth,
    fault: FetchFault,
}

fn failure(fault: FetchFault) -> FetchFailure {
    let message = "it fails on purpose".to_owned();
    FetchFailure::new(fault, message)
}

#[async_trait]
impl Registry for FailingRegistry {
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        if self.asked.is_now() { Err(failure(self.fault)) } else { self.inner.resolve(reference).await }
    }

    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        if self.asked.is_now() {
            return Err(failure(self.fault));
        }
        let (pieces, fault) = (self.pieces.clone(), self.fault);
        let blob = self.inner.fetch_unverified(reference, descriptor, offset).await?;
        Ok(Box::pin(blob.map(move |piece| if pieces.is_now() { Err(failure(fault)) } else { piece })))
    }
}

impl Fixture {
    /// Pulls with such a registry, and then with a good one. What the first pull gave.
    async fn pull_from(&self, asked: &Nth, pieces: &Nth, fault: FetchFault) -> Result<PullReport, PullError> {
        let (asked, pieces) = (asked.clone(), pieces.clone());
        let registry = Arc::new(FailingRegistry { inner: self.registry.clone(), asked, pieces, fault });
        let world = World { registry, ..self.world() };
        let pulled = pull_image(&world, &request(plain, None), &CancellationToken::new()).await;
        self.assert_retry_after(&pulled).await;
        pulled
    }

    async fn assert_retry_after(&self, pulled: &Result<PullReport, PullError>) {
        self.assert_clean();
        assert_eq!(self.store.state().images.is_empty(), pulled.is_err(), "{pulled:?}");
        self.pull().await.unwrap_or_else(|error| panic!("retry after {pulled:?}: {error:?}"));
        self.assert_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn every_question_to_the_registry_may_fail() {
    for fault in [FetchFault::Denied, FetchFault::Unavailable] {
        let mut failed = 0;
        loop {
            let (asked, pieces) = (Nth::new(failed + 1), Nth::new(usize::MAX));
            let pulled = Fixture::new().pull_from(&asked, &pieces, fault).await;
            if !asked.is_reached() {
                break;
            }
            assert!(matches!(pulled, Err(PullError::Resolve { .. } | PullError::Fetch { .. })), "{pulled:?}");
            failed += 1;
        }
        assert_eq!(failed, 7, "the name, three documents and three layers");
    }
}

/// A registry that breaks off is asked for the rest; one that refuses to go on is not.
#[tokio::test(start_paused = true)]
async fn every_piece_of_a_blob_may_fail_to_come() {
    for fault in [FetchFault::Denied, FetchFault::Unavailable] {
        let mut failed = 0;
        loop {
            let (asked, pieces) = (Nth::new(usize::MAX), Nth::new(failed + 1));
            let pulled = Fixture::new().pull_from(&asked, &pieces, fault).await;
            if !pieces.is_reached() {
                break;
            }
            match fault {
                FetchFault::Unavailable => assert!(pulled.is_ok(), "{pulled:?}"),
                _ => assert!(matches!(pulled, Err(PullError::Fetch { .. })), "{pulled:?}"),
            }
            failed += 1;
        }
        assert!(failed > 50, "{failed}");
    }
}

/// Cancels the pull when it is asked for another server, and never says whether there is one.
struct CancellingRegistry(Arc<FakeRegistry>, CancellationToken);

#[async_trait]
impl Registry for CancellingRegistry {
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        self.0.resolve(reference).await
    }

    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        self.0.fetch_unverified(reference, descriptor, offset).await
    }

    async fn distrust(&self, _: &Reference, _: &Descriptor) -> bool {
        self.1.cancel();
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_are_not_kept_while_another_server_is_looked_for() {
    let (fixture, cancel) = (Fixture::new(), CancellationToken::new());
    fixture.registry.lies.lock().unwrap().insert(fixture.layers[0].clone(), Lie::Twists);
    let registry = Arc::new(CancellingRegistry(fixture.registry.clone(), cancel.clone()));
    let world = World { registry, ..fixture.world() };
    let error = pull_image(&world, &request(plain, None), &cancel).await.unwrap_err();
    assert!(matches!(error, PullError::Cancelled), "{error:?}");
    fixture.assert_clean();
    let wrong = format!("layer-{}", fixture.layers[0]);
    assert!(!fixture.store.state().ingests.contains_key(&wrong), "the wrong bytes are kept");
}

/// Fails once.
struct FailingPlugins {
    inner: FakePlugins,
    nth: Nth,
}

impl FailingPlugins {
    fn new(fails: usize) -> Arc<Self> {
        Arc::new(Self { inner: FakePlugins(Box::new(plain)), nth: Nth::new(fails) })
    }

    fn check(&self) -> Result<(), PluginFailure> {
        if !self.nth.is_now() {
            return Ok(());
        }
        Err(PluginFailure::new(PluginFault::Trap, "fake", "it fails on purpose"))
    }
}

#[async_trait]
impl PlatformMatcher for FailingPlugins {
    fn identity(&self) -> PluginIdentity {
        PlatformMatcher::identity(&self.inner)
    }

    async fn rank(&self, wanted: &[Platform], offered: &[Platform]) -> Result<Vec<usize>, PluginFailure> {
        self.check()?;
        self.inner.rank(wanted, offered).await
    }

    fn timings(&self) -> PluginCallTimings {
        PlatformMatcher::timings(&self.inner)
    }
}

#[async_trait]
impl Planner for FailingPlugins {
    fn identity(&self) -> PluginIdentity {
        Planner::identity(&self.inner)
    }

    fn config(&self) -> &str {
        self.inner.config()
    }

    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PluginFailure> {
        self.check()?;
        self.inner.plan(image).await
    }

    fn timings(&self) -> PluginCallTimings {
        Planner::timings(&self.inner)
    }
}

#[tokio::test]
async fn every_call_of_a_plugin_may_fail() {
    let cancel = CancellationToken::new();
    let mut failed = 0;
    loop {
        let (fixture, matcher) = (Fixture::new(), FailingPlugins::new(failed + 1));
        let world = World { matcher: matcher.clone(), ..fixture.world() };
        let pulled = pull_image(&world, &request(plain, None), &cancel).await;
        if !matcher.nth.is_reached() {
            break;
        }
        assert!(matches!(pulled, Err(PullError::Plugin { kind: "platform", .. })), "{pulled:?}");
        fixture.assert_retry_after(&pulled).await;
        failed += 1;
    }
    assert_eq!(failed, 1, "the choice, which is carried along");

    let (fixture, planner) = (Fixture::new(), FailingPlugins::new(1));
    let unpack = Some(Unpack::new(Arc::new(OnePlanner(planner))));
    let request = PullRequest { unpack, ..request(plain, None) };
    let pulled = pull_image(&fixture.world(), &request, &cancel).await;
    assert!(matches!(pulled, Err(PullError::Plugin { kind: "snapshotter", .. })), "{pulled:?}");
    fixture.assert_retry_after(&pulled).await;
}
