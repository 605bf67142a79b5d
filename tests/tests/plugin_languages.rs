//! Plugins in languages other than Rust run, with what their toolchains add. `tests/guests-in` has their sources, and
//! `make guests` builds them.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use dray::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, MediaType, Platform};
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::{
    Advice, ImageToPlan, LayerToPlan, PluginFault, Question, RegistryAccess, SnapshotterName, Suitability,
};
use dray::verify::digest_of;
use dray_tests::guests::component_of_wasip1;
use dray_tests::{require, tools};

fn digest(text: &str) -> Digest {
    digest_of(Algorithm::Sha256, text.as_bytes())
}

const INDEX: &str = "containerd.io/snapshot/my/index";

/// An image with two layers. The upper one has an annotation of the snapshotter.
fn image() -> ImageToPlan {
    let descriptor = |text: &str| Descriptor::new(MediaType::new("application/x"), digest(text), 1);
    let diff_ids = ["bottom", "top"].map(|text| DiffId::from_uncompressed(digest(text)));
    let chain_ids = ChainId::stack(&diff_ids);
    let layers = ["a", "b"].into_iter().zip(diff_ids).zip(chain_ids);
    let mut layers: Vec<LayerToPlan> = layers
        .map(|((name, diff_id), chain_id)| LayerToPlan { descriptor: descriptor(name), diff_id, chain_id })
        .collect();
    layers[1].descriptor.annotations = [(INDEX.to_owned(), "7".to_owned())].into();
    ImageToPlan {
        reference: "debian".into(),
        canonical: "docker.io/library/debian:latest".into(),
        snapshotter: SnapshotterName::new("my"),
        index: None,
        manifest: descriptor("manifest"),
        manifest_annotations: [].into(),
        config: descriptor("config"),
        config_labels: [].into(),
        platform: Platform::new("linux", "amd64", ""),
        layers,
    }
}

fn offered() -> Vec<Platform> {
    vec![
        Platform::new("linux", "amd64", ""),
        Platform::new("linux", "arm64", "v8"),
        Platform::new("windows", "amd64", ""),
    ]
}

fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts
}

/// Checks a plan, and the refusal of a configuration.
async fn plans(component: &Path) {
    let source = PluginSource::read(component).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let host = PluginHost::new(Some(&scratch.path().join("store")));
    let planner = host.planner(&source, r#"{"keep-blobs":true}"#).await.unwrap();
    assert_eq!(planner.identity().name, "mine-js");
    // Twice, because each call gets a new instance.
    for _ in 0..2 {
        let plan = planner.plan(&image()).await.unwrap();
        assert_eq!((plan.suitability, plan.code.as_str()), (Suitability::Partial, "partial"));
        let labels = vec![(INDEX.to_owned(), "7".to_owned())];
        let questions: Vec<&Question> = plan.layers.iter().map(|layer| &layer.question).collect();
        assert_eq!(questions, [&Question::Ask, &Question::AskWithLabels(labels)]);
        assert!(plan.layers.iter().all(|layer| layer.keep_blob), "{plan:?}");
        let text = "name the mirror in my.toml".to_owned();
        assert_eq!(plan.advice, [Advice { about: RegistryAccess::Mirror, text }]);
        assert_eq!(plan.lazy_label.as_deref(), Some("containerd.io/snapshot/my"));
        assert_eq!((plan.verify, plan.answer_within), (true, Duration::from_secs(7)));
    }
    let failure = host.planner(&source, r#"{"colour":1}"#).await.err().unwrap();
    assert_eq!(failure.fault, PluginFault::InvalidConfig);
    assert_eq!(chain(&failure)[1..], ["`colour` is not accepted (`not-accepted`)"]);
}

/// Checks a ranking, and the refusal of a configuration.
async fn ranks(host: &PluginHost, source: &PluginSource, name: &str) {
    for (config, ranked) in [("{}", [0, 2]), (r#"{"reverse":true}"#, [2, 0])] {
        let matcher = host.matcher(source, config).await.unwrap();
        assert_eq!(matcher.identity().name, name);
        assert_eq!(matcher.rank(&offered()[..1], &offered()).await.unwrap(), ranked, "{config}");
    }
    let failure = host.matcher(source, r#"{"reverse":1}"#).await.err().unwrap();
    assert_eq!(failure.fault, PluginFault::InvalidConfig);
    assert!(chain(&failure)[1].ends_with("(`not-accepted`)"), "{:?}", chain(&failure));
}

/// The small engine, in the form that needs the least of its host.
#[tokio::test]
async fn javascript_with_a_small_engine_runs() {
    plans(&require!(tools::guest("javascript", "small.wasm"))).await;
}

/// It uses tail calls, and three memories.
#[tokio::test]
async fn javascript_with_the_smallest_engine_runs() {
    plans(&require!(tools::guest("javascript", "smallest.wasm"))).await;
}

#[tokio::test]
async fn javascript_with_a_whole_engine_runs() {
    plans(&require!(tools::guest("javascript", "full.wasm"))).await;
}

/// Its runtime needs a clock that is not at zero.
#[tokio::test]
async fn go_runs() {
    let module = std::fs::read(require!(tools::guest("go", "plugin.wasm"))).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let component = scratch.path().join("plugin.wasm");
    std::fs::write(&component, component_of_wasip1(module, "platform")).unwrap();
    let source = PluginSource::read(&component).unwrap();
    let host = PluginHost::new(Some(&scratch.path().join("store")));
    ranks(&host, &source, "mine-go").await;

    // The error shows its last words, because the trap alone gives no reason.
    let matcher = host.matcher(&source, r#"{"panic":"the plugin's own words"}"#).await.unwrap();
    let failure = matcher.rank(&offered()[..1], &offered()).await.unwrap_err();
    assert_eq!(failure.fault, PluginFault::Trap);
    let told = chain(&failure);
    for line in ["now is 1970-01-01 00:00:00 +0000 UTC", "panic: the plugin's own words"] {
        assert!(told.contains(&format!("it wrote: {line:?}")), "{told:#?}");
    }
}

#[tokio::test]
async fn python_runs() {
    let source = PluginSource::read(&require!(tools::guest("python", "plugin.wasm"))).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let host = PluginHost::new(Some(&scratch.path().join("store")));
    ranks(&host, &source, "mine-py").await;
}
