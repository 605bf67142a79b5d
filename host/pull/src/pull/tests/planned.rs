//! What a plan says for the case that things go another way.

use super::*;
use dray_ports::Target;

fn lazy_or(on_error: OnError) -> impl Fn(&ImageToPlan) -> Plan {
    move |image| {
        let mut plan = lazy(OnMounts::Fail)(image);
        plan.layers.iter_mut().for_each(|layer| layer.on_error = on_error);
        plan
    }
}

fn provide(fixture: &Fixture, layers: &[usize]) {
    fixture.store.state().provides.extend(layers.iter().map(|layer| fixture.chains[*layer].to_string()));
}

/// The snapshotter fails on the middle layer and provides the others.
fn fails_in_the_middle() -> Fixture {
    let fixture = Fixture::new();
    provide(&fixture, &[0, 2]);
    fixture.store.state().refuses.insert(fixture.chains[1].to_string());
    fixture
}

/// How many labels each question had; `None` where the snapshotter was not asked for the layer.
fn labels(questions: &[Option<Target>]) -> Vec<Option<usize>> {
    questions.iter().map(|target| target.as_ref().map(|target| target.labels.len())).collect()
}

#[tokio::test]
async fn a_snapshotter_that_fails_ends_the_pull() {
    let fixture = fails_in_the_middle();
    let error = fixture.pull_with(lazy_or(OnError::Fail), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, PullError::Store { .. }), "{error:?}");
    assert_eq!(fixture.bytes_served(&fixture.layers[1]), 0);
    fixture.assert_clean();
}

#[tokio::test]
async fn a_layer_that_the_snapshotter_fails_on_is_fetched_where_the_plan_says_so() {
    let fixture = fails_in_the_middle();
    let warnings = Arc::new(Warnings::default());
    let world = World { progress: warnings.clone(), ..fixture.world() };
    let cancel = CancellationToken::new();
    let report = pull_image(&world, &request(lazy_or(OnError::Fetch), None), &cancel).await.unwrap();
    fixture.assert_clean();
    let outcomes: Vec<_> =
        report.image.layers.iter().map(|layer| (layer.outcome, layer.broken_expectation)).collect();
    assert_eq!(
        outcomes,
        [(LayerOutcome::Provided, false), (LayerOutcome::Fetched, true), (LayerOutcome::Provided, false)]
    );
    let layer = &fixture.layers[1];
    assert_eq!(
        *warnings.0.lock().unwrap(),
        [format!(
            "snapshotter `overlayfs` failed on layer {layer}, fetching it: cannot mount from afar: no route"
        )]
    );
    // As if it had been planned so: the labels of the plan are neither asked with nor committed.
    let state = fixture.store.state();
    assert_eq!(labels(&state.questions), [Some(1), Some(1), None, Some(1)]);
    assert!(state.committed[fixture.chains[1].as_str()].1.is_empty());
}

#[tokio::test]
async fn after_a_failure_no_more_labels_are_sent_where_the_plan_says_so() {
    let fixture = fails_in_the_middle();
    let cancel = CancellationToken::new();
    let report = fixture.pull_with(lazy_or(OnError::FetchAndStopAsking), &cancel).await.unwrap();
    assert_eq!(labels(&fixture.store.state().questions), [Some(1), Some(1), None, Some(0)]);
    assert!(!report.image.layers[2].broken_expectation);
}

#[tokio::test]
async fn a_lost_parent_is_told_from_a_failure_also_where_nothing_is_asked() {
    let fixture = fails_in_the_middle();
    // The layer below is gone when the layer is to be fetched.
    fixture.store.state().collect_at = Some((3, fixture.chains[0].to_string()));
    let report = fixture.pull_with(lazy_or(OnError::Fetch), &CancellationToken::new()).await.unwrap();
    assert_eq!(report.image.layers[0].outcome, LayerOutcome::Provided, "started again from the bottom");
    fixture.assert_clean();
}

#[tokio::test]
async fn a_lost_parent_is_no_failure_of_the_snapshotter() {
    let fixture = Fixture::new();
    provide(&fixture, &[0, 1, 2]);
    fixture.store.state().collect_at = Some((2, fixture.chains[0].to_string()));
    let report = fixture.pull_with(lazy_or(OnError::Fetch), &CancellationToken::new()).await.unwrap();
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Provided));
    assert_eq!(fixture.bytes_served(&fixture.layers[1]), 0);
}

#[tokio::test]
async fn the_blob_of_a_staged_layer_is_kept_where_the_plan_says_so() {
    let fixture = Fixture::new();
    fixture.store.state().staged.extend(fixture.chains.iter().map(ToString::to_string));
    let keep = |image: &ImageToPlan| {
        let mut plan = lazy(OnMounts::Fetch)(image);
        plan.layers[1].keep_blob = true;
        plan
    };
    let report = fixture.pull_with(keep, &CancellationToken::new()).await.unwrap();
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Provided));
    assert_eq!(report.image.layers.iter().map(|layer| layer.downloaded).collect::<Vec<_>>(), [0, 40, 0]);
    fixture.assert_clean();
}
