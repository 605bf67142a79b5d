//! The choice of the snapshotter, and what happens where it is another process.

use std::sync::Arc;

use async_trait::async_trait;

use super::*;
use crate::pull::{PullMode, SnapshotterChoice, answering_snapshotters, ensure_image, explain_image};
use dray_memory::FakePlugins;
use dray_ports::{Planner, Planners, PluginFailure, SnapshotterName};

/// Each snapshotter has a verdict, and all of its layers are to be provided if it is native.
struct Verdicts(Vec<(&'static str, Suitability)>);

#[async_trait]
impl Planners for Verdicts {
    async fn planner_for(&self, snapshotter: &SnapshotterName) -> Result<Arc<dyn Planner>, PluginFailure> {
        let known = self.0.iter().find(|(name, _)| *name == snapshotter.as_str());
        let suitability = known.map_or(Suitability::Plain, |(_, suitability)| *suitability);
        // Only the planner of the format knows what is wrong with the image.
        let code = if snapshotter.as_str() == "nydus" { "no-bootstrap" } else { "nydus-image" };
        Ok(Arc::new(FakePlugins(Box::new(move |image| {
            let planned = match suitability {
                Suitability::Native => lazy(OnMounts::Fetch)(image),
                Suitability::Partial => plan(image, |index| match index {
                    0 => (Question::Ask, Expectation::Provided, OnMounts::Fetch),
                    _ => (Question::Ask, Expectation::Mounts, OnMounts::Fetch),
                }),
                Suitability::Plain => plain(image),
                Suitability::Foreign => plan_of_no_layers(image),
            };
            Plan { suitability, code: code.to_owned(), ..planned }
        }))))
    }

    fn has_own(&self, snapshotter: &SnapshotterName) -> bool {
        self.0.iter().any(|(name, _)| *name == snapshotter.as_str())
    }
}

fn plan_of_no_layers(image: &ImageToPlan) -> Plan {
    Plan { layers: Vec::new(), ..plain(image) }
}

fn asking(verdicts: &[(&'static str, Suitability)], snapshotter: SnapshotterChoice) -> PullRequest {
    let planners = Arc::new(Verdicts(verdicts.to_vec()));
    let unpack = Unpack { snapshotter, ..Unpack::new(planners) };
    PullRequest { unpack: Some(unpack), ..request(plain, None) }
}

fn auto(verdicts: &[(&'static str, Suitability)]) -> PullRequest {
    asking(verdicts, SnapshotterChoice::Auto { order: Vec::new() })
}

fn with_remote(names: &[&str]) -> Fixture {
    let fixture = Fixture::new();
    fixture.store.state().remote = names.iter().map(|&name| name.to_owned()).collect();
    fixture
}

async fn pulled(fixture: &Fixture, request: &PullRequest) -> Result<PullReport, PullError> {
    pull_image(&fixture.world(), request, &CancellationToken::new()).await
}

#[tokio::test]
async fn the_image_is_unpacked_where_it_is_native() {
    let fixture = with_remote(&["stargz", "nydus", "other"]);
    let verdicts = [("stargz", Suitability::Plain), ("nydus", Suitability::Native)];
    let report = pulled(&fixture, &auto(&verdicts)).await.unwrap();
    assert_eq!(report.snapshotter.as_deref(), Some("nydus"));
    let considered: Vec<_> = report
        .considered
        .iter()
        .map(|considered| (considered.snapshotter.as_str(), considered.verdict, considered.chosen))
        .collect();
    // By name, whatever the order in the store. `other` has no planner of its own, and `overlayfs` is the default.
    assert_eq!(
        considered,
        [
            ("nydus", Some("native"), true),
            ("stargz", Some("plain"), false),
            ("overlayfs", Some("plain"), false),
        ]
    );
    assert_eq!(report.considered[0].expected_bytes, 120);
    fixture.assert_clean();
}

#[tokio::test]
async fn a_plain_image_is_unpacked_into_the_default() {
    let fixture = with_remote(&["stargz"]);
    let report = pulled(&fixture, &auto(&[("stargz", Suitability::Plain)])).await.unwrap();
    assert_eq!(report.snapshotter.as_deref(), Some("overlayfs"));
}

#[tokio::test]
async fn a_snapshotter_that_cannot_be_reached_is_passed_over_where_the_image_decides() {
    tokio::time::pause();
    let fixture = with_remote(&["stargz", "nydus"]);
    fixture.store.state().unreachable.insert("nydus".to_owned());
    let verdicts = [("stargz", Suitability::Partial), ("nydus", Suitability::Native)];
    let report = pulled(&fixture, &auto(&verdicts)).await.unwrap();
    assert_eq!(report.snapshotter.as_deref(), Some("stargz"));
    let failed = report.considered.last().unwrap();
    assert_eq!((failed.snapshotter.as_str(), failed.verdict), ("nydus", None));
    assert_eq!(failed.reason, "snapshotter `nydus` is registered, but cannot be reached at /run/nydus.sock");

    let planners = Verdicts(verdicts.to_vec());
    let (names, failures) = answering_snapshotters(&fixture.world().store, &planners).await.unwrap();
    assert_eq!(names, ["overlayfs", "stargz"].map(SnapshotterName::new), "the default comes first");
    assert!(matches!(&failures[..], [PullError::UnreachableSnapshotter { name, .. }] if name == "nydus"));
}

#[tokio::test]
async fn a_snapshotter_that_cannot_be_reached_ends_the_pull_before_the_registry_is_asked() {
    tokio::time::pause();
    let fixture = with_remote(&["nydus"]);
    fixture.store.state().unreachable.insert("nydus".to_owned());
    let named = SnapshotterChoice::Named(SnapshotterName::new("nydus"));
    let began = tokio::time::Instant::now();
    let error = pulled(&fixture, &asking(&[], named)).await.unwrap_err();
    assert!(matches!(&error, PullError::UnreachableSnapshotter { name, .. } if name == "nydus"), "{error}");
    assert!(began.elapsed() <= limits::SNAPSHOTTER_RESTART);
    assert!(began.elapsed() >= limits::SNAPSHOTTER_RESTART / 2, "a restart takes a moment");
    assert!(fixture.registry.served.lock().unwrap().is_empty());
    fixture.assert_nothing();
}

#[tokio::test]
async fn an_image_that_suits_none_is_refused_before_its_layers() {
    let fixture = with_remote(&["stargz"]);
    let verdicts = [("stargz", Suitability::Foreign), ("overlayfs", Suitability::Foreign)];
    let error = pulled(&fixture, &auto(&verdicts)).await.unwrap_err();
    let PullError::Foreign { snapshotter, tried, .. } = &error else { panic!("{error}") };
    assert_eq!(snapshotter, "overlayfs", "the default speaks");
    assert_eq!(tried, &["stargz", "overlayfs"]);
    assert!(fixture.layers.iter().all(|layer| fixture.bytes_served(layer) == 0));
    fixture.assert_clean();
}

#[tokio::test]
async fn of_several_refusals_the_one_with_a_reason_of_its_own_is_shown() {
    let fixture = with_remote(&["nydus", "stargz"]);
    let verdicts = ["nydus", "stargz", "overlayfs"].map(|name| (name, Suitability::Foreign));
    let error = pulled(&fixture, &auto(&verdicts)).await.unwrap_err();
    let PullError::Foreign { snapshotter, code, .. } = &error else { panic!("{error}") };
    assert_eq!((snapshotter.as_str(), code.as_str()), ("nydus", "no-bootstrap"));
}

#[tokio::test]
async fn what_is_there_is_found_in_the_snapshotter_that_has_it() {
    let fixture = with_remote(&["nydus"]);
    let verdicts = [("nydus", Suitability::Native)];
    fixture.store.state().provides.extend(fixture.chains.iter().map(ToString::to_string));
    pulled(&fixture, &auto(&verdicts)).await.unwrap();
    let world = fixture.world();
    let again = ensure_image(&world, &auto(&verdicts), PullMode::Never, &CancellationToken::new()).await;
    let report = again.unwrap();
    assert_eq!((report.outcome, report.snapshotter.as_deref()), (Outcome::Present, Some("nydus")));
}

#[tokio::test]
async fn an_explanation_leaves_nothing_and_fetches_no_layer() {
    let fixture = with_remote(&["nydus"]);
    let verdicts = [("nydus", Suitability::Native)];
    let request = asking(&verdicts, SnapshotterChoice::Default);
    let explained = explain_image(&fixture.world(), &request, &CancellationToken::new()).await.unwrap();
    let chosen: Vec<_> = explained.considered.iter().filter(|considered| considered.chosen).collect();
    assert_eq!((chosen.len(), chosen[0].snapshotter.as_str()), (1, "nydus"));
    assert_eq!((explained.layers, explained.layer_bytes), (3, 120));
    assert!(fixture.layers.iter().all(|layer| fixture.bytes_served(layer) == 0));
    fixture.assert_nothing();
}

#[tokio::test]
async fn blobs_of_provided_layers_are_kept_on_request() {
    let fixture = Fixture::new();
    fixture.store.state().provides.extend(fixture.chains.iter().map(ToString::to_string));
    let mut request = request(lazy(OnMounts::Fetch), None);
    request.unpack = request.unpack.map(|unpack| Unpack { keep_blobs: true, ..unpack });
    let report = pulled(&fixture, &request).await.unwrap();
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Provided));
    assert!(fixture.layers.iter().all(|layer| fixture.bytes_served(layer) == 40));
    assert_eq!(report.totals.spared_bytes, 0);
}

#[tokio::test]
async fn the_mark_of_the_snapshotter_says_which_layers_are_lazy() {
    let fixture = Fixture::new();
    fixture.store.state().provides.extend(fixture.chains[..2].iter().map(ToString::to_string));
    let label = "containerd.io/snapshot/position";
    let marked =
        |image: &ImageToPlan| Plan { lazy_label: Some(label.to_owned()), ..lazy(OnMounts::Fetch)(image) };
    let report = pulled(&fixture, &request(marked, None)).await.unwrap();
    let marks: Vec<_> = report.image.layers.iter().map(|layer| layer.lazy).collect();
    assert_eq!(marks, [Some(true), Some(true), None]);
    assert_eq!((report.totals.lazy_layers, report.totals.spared_bytes), (2, 80));
}

#[tokio::test]
async fn the_root_is_read_where_the_plan_or_the_user_asks_for_it() {
    for (by_plan, by_user) in [(false, false), (true, false), (false, true)] {
        let fixture = Fixture::new();
        let planned = move |image: &ImageToPlan| Plan { verify: by_plan, ..plain(image) };
        let mut request = request(planned, None);
        request.unpack = request.unpack.map(|unpack| Unpack { verify: by_user, ..unpack });
        pulled(&fixture, &request).await.unwrap();
        assert_eq!(fixture.store.state().calls.contains(&"read root"), by_plan || by_user);
    }
}
