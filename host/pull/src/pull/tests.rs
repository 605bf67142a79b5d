//! The algorithm against a store and a registry in memory.

mod advice;
mod candidates;
mod containerd_rules;
mod faults;
mod leases;
mod planned;
mod snapshotters;
mod stored;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::image::Platforms;
use dray_core::limits;
use dray_core::oci::{Algorithm, ChainId, Descriptor, Digest, MediaType, Platform};
use dray_core::verify::digest_of;
use dray_memory::{Facts, FakePlugins, FakeRegistry, FakeStore, Lie, diff_id_of};
use dray_ports::{
    Expectation, FetchFault, ImageToPlan, LayerPlan, OnError, OnMounts, OnePlanner, Plan, Progress, Question,
    SnapshotterName, Suitability,
};
use dray_rules::RuleError;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What a user would be told.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn event(&self, event: Event) {
        if let Event::Warning { message } = event {
            self.0.lock().unwrap().push(message);
        }
    }
}

struct Fixture {
    store: FakeStore,
    registry: Arc<FakeRegistry>,
    layers: Vec<Digest>,
    chains: Vec<ChainId>,
    manifest: Digest,
    config: Digest,
}

impl Fixture {
    /// An index with one image of three layers for linux/amd64, and something for another platform.
    fn new() -> Self {
        let registry = FakeRegistry::default();
        let add = |bytes: &[u8]| {
            let digest = digest_of(Algorithm::Sha256, bytes);
            registry.blobs.lock().unwrap().insert(digest.clone(), bytes.to_vec().into());
            digest
        };
        let blobs: Vec<Vec<u8>> = (0..3u8).map(|n| vec![n + 1; 40]).collect();
        let diff_ids: Vec<_> = blobs.iter().map(|blob| diff_id_of(blob)).collect();
        let layers: Vec<Digest> = blobs.iter().map(|blob| add(blob)).collect();
        let config = serde_json::json!({
            "os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": &diff_ids},
        })
        .to_string();
        let config_digest = add(config.as_bytes());
        let entries: Vec<_> = layers
            .iter()
            .map(|digest| serde_json::json!({"mediaType": LAYER, "digest": digest, "size": 40}))
            .collect();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "config": {"mediaType": MediaType::OCI_CONFIG, "digest": config_digest, "size": config.len()},
            "layers": entries,
        })
        .to_string();
        let manifest_digest = add(manifest.as_bytes());
        let entry = |digest: &Digest, architecture| {
            serde_json::json!({
                "mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": manifest.len(),
                "platform": {"os": "linux", "architecture": architecture},
            })
        };
        let absent = digest_of(Algorithm::Sha256, b"absent");
        let entries = [entry(&absent, "arm64"), entry(&manifest_digest, "amd64")];
        let index = serde_json::json!({"schemaVersion": 2, "manifests": entries}).to_string();
        let target =
            Descriptor::new(MediaType::new(MediaType::OCI_INDEX), add(index.as_bytes()), index.len() as u64);
        *registry.target.lock().unwrap() = Some(target);
        Self {
            store: FakeStore::default(),
            registry: Arc::new(registry),
            layers,
            chains: ChainId::stack(&diff_ids),
            manifest: manifest_digest,
            config: config_digest,
        }
    }

    async fn pull(&self) -> Result<PullReport, PullError> {
        self.pull_with(plain, &CancellationToken::new()).await
    }

    async fn pull_with(
        &self,
        plan: impl Fn(&ImageToPlan) -> Plan + Send + Sync + 'static,
        cancel: &CancellationToken,
    ) -> Result<PullReport, PullError> {
        pull_image(&self.world(), &request(plan, None), cancel).await
    }

    fn world(&self) -> World {
        World {
            store: self.store.clone().into(),
            registry: self.registry.clone(),
            matcher: Arc::new(FakePlugins(Box::new(plain))),
            progress: Arc::new(()),
        }
    }

    fn assert_clean(&self) {
        let state = self.store.state();
        assert!(state.active.is_empty(), "active snapshots: {:?}", state.active);
        let locked: Vec<_> = state.ingests.iter().filter(|(_, (_, locked))| *locked).collect();
        assert!(locked.is_empty(), "locked ingests: {locked:?}");
        assert!(state.leases.is_empty(), "leases: {:?}", state.leases);
    }

    /// Nothing was stored, not even for a moment.
    fn assert_nothing(&self) {
        self.assert_clean();
        let state = self.store.state();
        assert!(state.blobs.is_empty() && state.ingests.is_empty() && state.images.is_empty());
    }

    /// Offers another image with two of the layers and one of its own.
    fn add_platform(&self, architecture: &str, seed: u8) {
        let mut blobs = self.registry.blobs.lock().unwrap();
        let mut add = |bytes: Vec<u8>| {
            let (digest, size) = (digest_of(Algorithm::Sha256, &bytes), bytes.len());
            blobs.insert(digest.clone(), bytes.into());
            serde_json::json!({"mediaType": LAYER, "digest": digest, "size": size})
        };
        let own = add(vec![seed; 40]);
        let shared =
            |index: usize| serde_json::json!({"mediaType": LAYER, "digest": self.layers[index], "size": 40});
        let diff_ids = [diff_id_of(&[1; 40]), diff_id_of(&[2; 40]), diff_id_of(&[seed; 40])];
        let config = serde_json::json!({
            "os": "linux", "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let mut config = add(config.to_string().into());
        config["mediaType"] = MediaType::OCI_CONFIG.into();
        let manifest = serde_json::json!({
            "schemaVersion": 2, "config": config, "layers": [shared(0), shared(1), own],
        });
        let mut entry = add(manifest.to_string().into());
        drop(blobs);
        entry["mediaType"] = MediaType::OCI_MANIFEST.into();
        entry["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
        let amd64 = serde_json::json!({
            "mediaType": MediaType::OCI_MANIFEST, "digest": self.manifest,
            "size": self.registry.blobs.lock().unwrap()[&self.manifest].len(),
            "platform": {"os": "linux", "architecture": "amd64"},
        });
        self.replace_entries(&[amd64, entry], None);
    }

    /// Offers an index with other entries; with an artifact of a type if one is given.
    fn replace_entries(&self, entries: &[serde_json::Value], artifact: Option<&str>) {
        let mut blobs = self.registry.blobs.lock().unwrap();
        let mut add = |value: &serde_json::Value| {
            let bytes = value.to_string().into_bytes();
            let (digest, size) = (digest_of(Algorithm::Sha256, &bytes), bytes.len());
            blobs.insert(digest.clone(), bytes.into());
            (digest, size)
        };
        let mut entries = entries.to_vec();
        if let Some(media_type) = artifact {
            let manifest = serde_json::json!({
                "schemaVersion": 2,
                "config": {"mediaType": media_type, "digest": self.config, "size": 2},
                "layers": [],
            });
            let (digest, size) = add(&manifest);
            entries.push(serde_json::json!({
                "mediaType": MediaType::OCI_MANIFEST, "digest": digest, "size": size,
            }));
        }
        let (digest, size) = add(&serde_json::json!({"schemaVersion": 2, "manifests": entries}));
        let target = Descriptor::new(MediaType::new(MediaType::OCI_INDEX), digest, size as u64);
        *self.registry.target.lock().unwrap() = Some(target);
    }

    fn bytes_served(&self, digest: &Digest) -> usize {
        let served = self.registry.served.lock().unwrap();
        served.iter().filter(|(of, ..)| of == digest).map(|(.., bytes)| bytes).sum()
    }
}

fn request(
    plan: impl Fn(&ImageToPlan) -> Plan + Send + Sync + 'static,
    snapshotter: Option<&str>,
) -> PullRequest {
    let planners = Arc::new(OnePlanner(Arc::new(FakePlugins(Box::new(plan)))));
    PullRequest {
        name: "x".into(),
        platforms: Platforms::One(Platform::new("linux", "amd64", "")),
        unpack: Some(Unpack {
            snapshotter: snapshotter.map(SnapshotterName::new).into(),
            ..Unpack::new(planners)
        }),
        parallel_downloads: limits::PARALLEL_DOWNLOADS,
    }
}

fn plan(image: &ImageToPlan, entry: impl Fn(usize) -> (Question, Expectation, OnMounts)) -> Plan {
    let entries = image.layers.iter().enumerate().map(|(index, layer)| {
        let (question, expectation, on_mounts) = entry(index);
        let layer = layer.descriptor.digest.to_string();
        LayerPlan { layer, question, expectation, on_mounts, on_error: OnError::Fail, keep_blob: false }
    });
    Plan {
        suitability: Suitability::Plain,
        code: "plain".into(),
        reason: "for the test".into(),
        layers: entries.collect(),
        hints: Vec::new(),
        advice: Vec::new(),
        lazy_label: None,
        verify: false,
        answer_within: Plan::ANSWER_WITHIN,
    }
}

fn plain(image: &ImageToPlan) -> Plan {
    plan(image, |_| (Question::Ask, Expectation::Mounts, OnMounts::Fetch))
}

fn lazy(on_mounts: OnMounts) -> impl Fn(&ImageToPlan) -> Plan {
    move |image| {
        plan(image, |index| {
            let label = ("containerd.io/snapshot/position".to_owned(), index.to_string());
            (Question::AskWithLabels(vec![label]), Expectation::Provided, on_mounts)
        })
    }
}

#[tokio::test]
async fn a_plain_pull_tells_the_store_what_it_knows() {
    let fixture = Fixture::new();
    let report = fixture.pull().await.unwrap();
    fixture.assert_clean();
    assert_eq!(report.totals.downloaded_blobs, 6);
    assert!(
        report
            .image
            .layers
            .iter()
            .all(|layer| layer.outcome == LayerOutcome::Fetched && layer.downloaded == 40)
    );

    let state = fixture.store.state();
    assert_eq!(state.images["docker.io/library/x:latest"].target.digest, report.target);
    let sources = BTreeSet::from(["docker.io/library/x".to_owned()]);
    let facts = |digest: &Digest| state.blobs[digest].1.clone();
    let snapshots = BTreeMap::from([("overlayfs".to_owned(), fixture.chains[2].clone())]);
    let of_config = Facts { sources: sources.clone(), snapshots, ..Facts::default() };
    assert_eq!(facts(&fixture.config), of_config);
    let diff_id = Some(diff_id_of(&[1; 40]));
    assert_eq!(facts(&fixture.layers[0]), Facts { sources: sources.clone(), diff_id, ..Facts::default() });
    for (digest, children) in [(&fixture.manifest, 4), (&report.target, 2)] {
        let found = facts(digest);
        assert_eq!((found.children.len(), &found.sources), (children, &sources));
        assert_eq!(Facts { children: Vec::new(), sources: BTreeSet::new(), ..found }, Facts::default());
    }
    let (parent, labels) = &state.committed[fixture.chains[2].as_str()];
    assert_eq!((parent.as_deref(), labels.len()), (Some(fixture.chains[1].as_str()), 0));
}

#[tokio::test]
async fn a_second_pull_fetches_nothing() {
    let fixture = Fixture::new();
    fixture.pull().await.unwrap();
    let before = fixture.registry.served.lock().unwrap().len();
    let report = fixture.pull().await.unwrap();
    assert_eq!(fixture.registry.served.lock().unwrap().len(), before);
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Existed));
    assert_eq!(report.totals.downloaded_bytes, 0);
}

#[tokio::test]
async fn two_pulls_at_once_download_each_blob_once() {
    let fixture = Fixture::new();
    let (one, two) = tokio::join!(fixture.pull(), fixture.pull());
    one.unwrap();
    two.unwrap();
    fixture.assert_clean();
    for digest in fixture.layers.iter().chain([&fixture.manifest, &fixture.config]) {
        let served = fixture.registry.served.lock().unwrap();
        assert_eq!(served.iter().filter(|(of, ..)| of == digest).count(), 1, "{digest}");
    }
}

#[tokio::test]
async fn provided_layers_are_not_fetched() {
    let fixture = Fixture::new();
    fixture.store.state().provides.extend(fixture.chains.iter().map(ToString::to_string));
    let report = fixture.pull_with(lazy(OnMounts::Fetch), &CancellationToken::new()).await.unwrap();
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Provided));
    assert!(fixture.layers.iter().all(|layer| fixture.bytes_served(layer) == 0));
    fixture.assert_clean();
}

#[tokio::test]
async fn only_what_is_not_provided_is_fetched() {
    let fixture = Fixture::new();
    let provided = [fixture.chains[0].to_string(), fixture.chains[2].to_string()];
    fixture.store.state().provides.extend(provided);
    let report = fixture.pull_with(lazy(OnMounts::Fetch), &CancellationToken::new()).await.unwrap();
    let outcomes: Vec<_> =
        report.image.layers.iter().map(|layer| (layer.outcome, layer.broken_expectation)).collect();
    assert_eq!(
        outcomes,
        [(LayerOutcome::Provided, false), (LayerOutcome::Fetched, true), (LayerOutcome::Provided, false)]
    );
    assert_eq!(fixture.bytes_served(&fixture.layers[1]), 40);
    assert_eq!(fixture.bytes_served(&fixture.layers[2]), 0);
}

#[tokio::test]
async fn after_a_broken_expectation_no_more_labels_are_sent() {
    let fixture = Fixture::new();
    fixture.pull_with(lazy(OnMounts::FetchAndStopAsking), &CancellationToken::new()).await.unwrap();
    let state = fixture.store.state();
    let with_labels = state.questions.iter().flatten().filter(|target| !target.labels.is_empty()).count();
    assert_eq!((state.questions.len(), with_labels), (3, 1));
}

#[tokio::test]
async fn a_strict_plan_fails_and_leaves_nothing() {
    let fixture = Fixture::new();
    fixture.store.state().provides.insert(fixture.chains[0].to_string());
    let error = fixture.pull_with(lazy(OnMounts::Fail), &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, PullError::NotProvided { layer, .. } if layer == fixture.layers[1]));
    fixture.assert_clean();
    assert!(fixture.store.state().images.is_empty());
}

#[tokio::test]
async fn a_layer_that_must_not_be_asked_for_is_fetched() {
    let fixture = Fixture::new();
    fixture.store.state().provides.extend(fixture.chains.iter().map(ToString::to_string));
    let fetch =
        |image: &ImageToPlan| plan(image, |_| (Question::Fetch, Expectation::Mounts, OnMounts::Fetch));
    let report = fixture.pull_with(fetch, &CancellationToken::new()).await.unwrap();
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Fetched));
    let state = fixture.store.state();
    assert_eq!(state.questions, [None, None, None]);
    assert_eq!(state.committed.len(), 3);
}

#[tokio::test]
async fn a_kept_blob_is_fetched_although_provided() {
    let fixture = Fixture::new();
    fixture.store.state().provides.extend(fixture.chains.iter().map(ToString::to_string));
    let keep = |image: &ImageToPlan| {
        let mut plan = lazy(OnMounts::Fetch)(image);
        plan.layers[1].keep_blob = true;
        plan
    };
    let report = fixture.pull_with(keep, &CancellationToken::new()).await.unwrap();
    assert_eq!(report.image.layers[1].outcome, LayerOutcome::Provided);
    assert_eq!(report.image.layers.iter().map(|layer| layer.downloaded).collect::<Vec<_>>(), [0, 40, 0]);
}

#[tokio::test]
async fn a_phantom_layer_is_an_error_after_three_tries() {
    let fixture = Fixture::new();
    fixture.store.state().phantoms.insert(fixture.chains[1].to_string());
    let error = fixture.pull().await.unwrap_err();
    assert!(matches!(error, PullError::Phantom { .. }), "{error}");
    assert_eq!(fixture.store.state().questions.len(), 1 + 3);
    fixture.assert_clean();
}

#[tokio::test]
async fn a_layer_that_is_collected_under_way_is_made_again() {
    let fixture = Fixture::new();
    fixture.pull().await.unwrap();
    fixture.store.state().questions.clear();
    // The second question finds that the layer below, which the first had found, is gone with all above it.
    fixture.store.state().committed.remove(fixture.chains[1].as_str());
    fixture.store.state().committed.remove(fixture.chains[2].as_str());
    fixture.store.state().collect_at = Some((2, fixture.chains[0].to_string()));
    let report = fixture.pull().await.unwrap();
    assert_eq!(report.image.layers.len(), 3);
    assert!(report.image.layers.iter().all(|layer| layer.outcome == LayerOutcome::Applied));
    assert_eq!(fixture.store.state().committed.len(), 3);
    fixture.assert_clean();
}

#[tokio::test]
async fn a_foreign_image_is_refused_before_the_first_layer() {
    let fixture = Fixture::new();
    let foreign =
        |image: &ImageToPlan| Plan { suitability: Suitability::Foreign, layers: Vec::new(), ..plain(image) };
    let error = fixture.pull_with(foreign, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, PullError::Foreign { .. }));
    assert!(fixture.store.state().questions.is_empty());
    fixture.assert_clean();
}

#[tokio::test]
async fn an_invalid_plan_has_no_effect() {
    let fixture = Fixture::new();
    let invalid = |image: &ImageToPlan| {
        let mut plan = plain(image);
        plan.layers.swap(0, 1);
        plan
    };
    let error = fixture.pull_with(invalid, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, PullError::Plan { source: RuleError::WrongLayer { .. }, .. }));
    assert!(fixture.store.state().questions.is_empty());
    fixture.assert_clean();
}

#[tokio::test]
async fn a_source_that_breaks_off_is_resumed_and_nothing_comes_twice() {
    let fixture = Fixture::new();
    fixture.registry.lies.lock().unwrap().insert(fixture.layers[1].clone(), Lie::BreaksAfter(16));
    let report = fixture.pull().await.unwrap();
    assert_eq!(fixture.bytes_served(&fixture.layers[1]), 40);
    assert_eq!(report.image.layers[1].downloaded, 40);
    fixture.assert_clean();
}

#[tokio::test(start_paused = true)]
async fn lies_end_the_pull_and_leave_nothing() {
    for (lie, text) in [
        (Lie::EndsAfter(0), "ended after 0 of"),
        (Lie::BreaksAfter(0), "the fake registry failed"),
        (Lie::Twists, "does not match its digest"),
    ] {
        for blob in ["layer", "manifest", "config"] {
            let fixture = Fixture::new();
            let digest = match blob {
                "layer" => &fixture.layers[2],
                "manifest" => &fixture.manifest,
                _ => &fixture.config,
            };
            fixture.registry.lies.lock().unwrap().insert(digest.clone(), lie);
            let error = fixture.pull().await.unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains(text), "{blob}: {error}: {cause}");
            fixture.assert_clean();
            assert!(fixture.store.state().images.is_empty());
        }
    }
}

#[tokio::test]
async fn snapshotters_are_checked_before_anything_is_fetched() {
    let fixture = Fixture::new();
    for (name, text) in [("stargz", "has no snapshotter"), ("broken", "did not start")] {
        let cancel = CancellationToken::new();
        let error = pull_image(&fixture.world(), &request(plain, Some(name)), &cancel).await.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(fixture.registry.served.lock().unwrap().is_empty());
}

/// The request of [`request`] for other platforms, without unpacking.
fn fetch_request(platforms: Platforms) -> PullRequest {
    PullRequest { platforms, unpack: None, ..request(plain, None) }
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64", "")
}

#[tokio::test]
async fn several_platforms_are_fetched_and_not_unpacked() {
    let fixture = Fixture::new();
    fixture.add_platform("arm64", 7);
    let platforms = Platforms::listed([Platform::new("linux", "arm64", ""), amd64()]).unwrap();
    let cancel = CancellationToken::new();
    let report = pull_image(&fixture.world(), &fetch_request(platforms), &cancel).await.unwrap();
    fixture.assert_clean();
    let found: Vec<_> = report.images().map(|image| image.platform.to_string()).collect();
    assert_eq!(found, ["linux/arm64", "linux/amd64"]);
    assert!(report.images().all(|image| image.layers.iter().all(|l| l.outcome == LayerOutcome::Downloaded)));
    // Two layers are in both images: 1 index, 2 manifests, 2 configs, 4 layers.
    assert_eq!((report.totals.downloaded_blobs, report.totals.layers), (9, 6));
    let state = fixture.store.state();
    assert!(state.committed.is_empty() && state.questions.is_empty());
    assert_eq!(state.images.len(), 1);
    assert!(state.blobs.values().all(|(_, facts)| !facts.sources.is_empty()));
}

#[tokio::test]
async fn one_of_several_platforms_may_be_missing_but_not_all() {
    let fixture = Fixture::new();
    let s390x = Platform::new("linux", "s390x", "");
    let riscv = Platform::new("linux", "riscv64", "");
    let cancel = CancellationToken::new();
    let platforms = Platforms::listed([s390x.clone(), amd64()]).unwrap();
    let report = pull_image(&fixture.world(), &fetch_request(platforms), &cancel).await.unwrap();
    assert_eq!(report.images().count(), 1);

    let fixture = Fixture::new();
    let platforms = Platforms::listed([s390x, riscv]).unwrap();
    let error = pull_image(&fixture.world(), &fetch_request(platforms), &cancel).await.unwrap_err();
    match error {
        PullError::NoPlatform { wanted, offered, .. } => {
            assert_eq!(wanted, "linux/s390x, linux/riscv64");
            assert_eq!(offered.len(), 2);
        }
        other => panic!("{other:?}"),
    }
    fixture.assert_nothing();
}

#[tokio::test]
async fn several_platforms_cannot_be_unpacked() {
    let fixture = Fixture::new();
    let platforms = Platforms::All { host: amd64(), attestations: false };
    let request = PullRequest { platforms, ..request(plain, None) };
    let error = pull_image(&fixture.world(), &request, &CancellationToken::new()).await.unwrap_err();
    assert!(matches!(error, PullError::UnpackSeveral), "{error:?}");
    fixture.assert_nothing();
}

#[tokio::test]
async fn what_is_no_image_leaves_no_trace() {
    let fixture = Fixture::new();
    fixture.replace_entries(&[], Some("application/vnd.cncf.helm.config.v1+json"));
    let error = fixture.pull().await.unwrap_err();
    assert!(matches!(&error, PullError::NotAnImage { media_type, .. }
        if media_type.as_str() == "application/vnd.cncf.helm.config.v1+json"));
    fixture.assert_nothing();
}

#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_off_goes_on_in_the_next_pull() {
    let fixture = Fixture::new();
    fixture.registry.lies.lock().unwrap().insert(fixture.layers[1].clone(), Lie::EndsAfter(16));
    fixture.registry.lies.lock().unwrap().insert(fixture.layers[2].clone(), Lie::DiesAfter(16));
    fixture.pull().await.unwrap_err();
    fixture.assert_clean();
    fixture.registry.lies.lock().unwrap().clear();
    let report = fixture.pull().await.unwrap();
    assert_eq!(fixture.bytes_served(&fixture.layers[2]), 40);
    assert_eq!(report.image.layers[2].downloaded, 24);
}

#[tokio::test(start_paused = true)]
async fn a_download_goes_on_in_the_next_pull_also_where_the_rest_was_refused() {
    let fixture = Fixture::new();
    fixture.registry.lies.lock().unwrap().insert(fixture.layers[2].clone(), Lie::GoneAfter(16));
    let error = fixture.pull().await.unwrap_err();
    assert!(matches!(&error, PullError::Fetch { source, .. } if source.fault == FetchFault::NotFound));
    fixture.assert_clean();
    fixture.registry.lies.lock().unwrap().clear();
    assert_eq!(fixture.pull().await.unwrap().image.layers[2].downloaded, 24);
}
