//! Values cross the boundary between host and plugin completely and unchanged.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

#[path = "../../host/rules/vectors/vectors.rs"]
mod vectors;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use dray::oci::{Algorithm, ChainId, Descriptor, DiffId, Digest, MediaType, Platform};
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::{
    Advice, Expectation, ImageToPlan, LayerToPlan, OnError, OnMounts, Plan, Planner, PluginFailure,
    PluginFault, Question, RegistryAccess, SnapshotterName, Suitability,
};
use dray::pull::validate_plan;
use dray::verify::digest_of;
use dray_tests::guests::{self, Export, Guest, Shown};

struct Bench {
    scratch: tempfile::TempDir,
    host: PluginHost,
}

impl Bench {
    fn new() -> Self {
        Self { scratch: tempfile::tempdir().unwrap(), host: PluginHost::new(None) }
    }

    fn source(&self, guest: &Guest) -> PluginSource {
        PluginSource::read(&guest.write(self.scratch.path(), "guest.wasm")).unwrap()
    }

    async fn planner(&self, guest: &Guest, config: &str) -> Result<Arc<dyn Planner>, PluginFailure> {
        self.host.planner(&self.source(guest), config).await
    }

    async fn plan(&self, guest: &Guest, image: &ImageToPlan) -> Result<Plan, PluginFailure> {
        self.planner(guest, "{}").await?.plan(image).await
    }
}

fn digest(text: &str) -> Digest {
    digest_of(Algorithm::Sha256, text.as_bytes())
}

fn pairs(text: &str) -> Vec<(String, String)> {
    text.split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(k, v)| (k.into(), v.into()))
        .collect()
}

/// A descriptor whose parts all contain the name. Its size is readable text.
fn descriptor(name: &str, size: [u8; 8]) -> Descriptor {
    let mut descriptor = Descriptor::new(
        MediaType::new(&format!("application/{name}")),
        digest(name),
        u64::from_le_bytes(size),
    );
    descriptor.annotations.extend(pairs(&format!("{name}.a=1 {name}.b=2")));
    descriptor.urls = vec![format!("https://one.example/{name}"), format!("https://two.example/{name}")];
    descriptor
}

/// An image without two equal parts.
fn image() -> ImageToPlan {
    let diff_ids: Vec<DiffId> =
        ["diff one", "diff two"].iter().map(|text| DiffId::from_uncompressed(digest(text))).collect();
    let layer = |name, size: &[u8; 8], number: usize| LayerToPlan {
        descriptor: descriptor(name, *size),
        diff_id: diff_ids[number].clone(),
        chain_id: ChainId::stack(&diff_ids)[number].clone(),
    };
    let mut platform = Platform::new("plan9", "arm64", "v9");
    platform.os_version = "10.1".into();
    platform.os_features = vec!["first".into(), "second".into()];
    let mut config = descriptor("config", *b"size-cfg");
    config.artifact_type = Some(MediaType::new("application/of-an-artifact"));
    ImageToPlan {
        reference: "debian".into(),
        canonical: "docker.io/library/debian:latest".into(),
        snapshotter: SnapshotterName::new("some-snapshotter"),
        index: Some(descriptor("index", *b"size-idx")),
        manifest: descriptor("manifest", *b"size-man"),
        manifest_annotations: pairs("m.one=1 m.two=2").into_iter().collect(),
        config,
        config_labels: pairs("l.one=1 l.two=2 l.three=3").into_iter().collect(),
        platform,
        layers: vec![layer("one", b"size-one", 0), layer("two", b"size-two", 1)],
    }
}

#[tokio::test]
async fn a_plugin_sees_the_image_and_its_configuration() {
    let image = image();
    let text = |path: &'static str, text: &str| (Shown::Text(path), text.to_owned());
    let length =
        |path: &'static str, length: u8| (Shown::Length(path), format!("{}\0\0\0", char::from(length)));
    let mut expected = vec![
        text("config", r#"{"a": 1}"#),
        text("image.reference", "debian"),
        text("image.canonical", "docker.io/library/debian:latest"),
        text("image.snapshotter", "some-snapshotter"),
        text("image.platform.os", "plan9"),
        text("image.platform.architecture", "arm64"),
        text("image.platform.variant.some", "v9"),
        text("image.platform.os-version.some", "10.1"),
        length("image.platform.os-features", 2),
        text("image.platform.os-features.0", "first"),
        text("image.platform.os-features.1", "second"),
        text("image.config.artifact-type.some", "application/of-an-artifact"),
        length("image.layers", 2),
        length("image.extensions", 0),
        length("image.layers.0.extensions", 0),
        length("image.layers.1.descriptor.urls", 2),
        text("image.layers.0.diff-id", digest("diff one").as_str()),
        text("image.layers.1.diff-id", digest("diff two").as_str()),
        text("image.layers.0.chain-id", image.layers[0].chain_id.as_str()),
        text("image.layers.1.chain-id", image.layers[1].chain_id.as_str()),
    ];
    let mut labels = vec![
        ("image.manifest-annotations", pairs("m.one=1 m.two=2")),
        // Sorted by key, as the interface specifies.
        ("image.config-labels", pairs("l.one=1 l.three=3 l.two=2")),
    ];
    macro_rules! descriptor_at {
        ($path:literal, $name:literal, $size:literal) => {
            expected.extend([
                text(concat!($path, ".media-type"), concat!("application/", $name)),
                text(concat!($path, ".digest"), digest($name).as_str()),
                (Shown::Number(concat!($path, ".size")), $size.to_owned()),
                text(concat!($path, ".urls.0"), concat!("https://one.example/", $name)),
                text(concat!($path, ".urls.1"), concat!("https://two.example/", $name)),
            ]);
            labels.push((concat!($path, ".annotations"), pairs(concat!($name, ".a=1 ", $name, ".b=2"))));
        };
    }
    descriptor_at!("image.index.some", "index", "size-idx");
    descriptor_at!("image.manifest", "manifest", "size-man");
    descriptor_at!("image.config", "config", "size-cfg");
    descriptor_at!("image.layers.0.descriptor", "one", "size-one");
    descriptor_at!("image.layers.1.descriptor", "two", "size-two");

    let places: Vec<Shown> = expected
        .iter()
        .map(|(shown, _)| *shown)
        .chain(labels.iter().map(|(path, _)| Shown::Pairs(path)))
        .collect();
    let planner = Bench::new().planner(&Guest::echo(&places), r#"{"a": 1}"#).await.unwrap();
    let plan = planner.plan(&image).await.unwrap();
    assert_eq!(plan.layers.len(), expected.len() + labels.len());
    let (texts, pairs) = plan.layers.split_at(expected.len());
    for (entry, (shown, text)) in texts.iter().zip(&expected) {
        assert_eq!(entry.layer, *text, "{shown:?}");
    }
    for (entry, (path, labels)) in pairs.iter().zip(labels) {
        assert_eq!(entry.question, Question::AskWithLabels(labels), "{path}");
    }
}

#[tokio::test]
async fn absent_parts_of_an_image_stay_absent() {
    let options = [
        "image.index",
        "image.platform.variant",
        "image.platform.os-version",
        "image.config.artifact-type",
        "image.manifest.artifact-type",
    ];
    let places = options.map(Shown::Presence);
    let bench = Bench::new();
    let presence = async |image: &ImageToPlan| {
        let plan = bench.plan(&Guest::echo(&places), image).await.unwrap();
        plan.layers.iter().map(|layer| layer.keep_blob).collect::<Vec<_>>()
    };
    assert_eq!(presence(&image()).await, [true, true, true, true, false]);
    let mut bare = image();
    bare.index = None;
    bare.config.artifact_type = None;
    bare.platform = Platform::new("linux", "amd64", "");
    assert_eq!(presence(&bare).await, [false; 5]);
}

#[tokio::test]
async fn a_missing_operating_system_becomes_that_of_the_host() {
    let bench = Bench::new();
    let mut image = image();
    image.platform = Platform::default();
    let places = ["image.platform.os", "image.platform.architecture"].map(Shown::Text);
    let plan = bench.plan(&Guest::echo(&places), &image).await.unwrap();
    let seen: Vec<_> = plan.layers.iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(seen, [std::env::consts::OS, ""]);
}

#[tokio::test]
async fn a_platform_plugin_sees_both_lists() {
    let bench = Bench::new();
    let platforms =
        |names: &[&str]| names.iter().map(|name| Platform::new("linux", name, "")).collect::<Vec<_>>();
    for (code, message, seen) in [
        ("wanted.0.architecture", "wanted.1.architecture", "w1 (`w0`)"),
        ("offered.0.architecture", "offered.2.architecture", "o2 (`o0`)"),
        ("wanted.1.os", "config", r#"{"b": 2} (`linux`)"#),
    ] {
        let guest = Guest::echo_platform(code, message);
        let matcher = bench.host.matcher(&bench.source(&guest), r#"{"b": 2}"#).await.unwrap();
        let failure =
            matcher.rank(&platforms(&["w0", "w1"]), &platforms(&["o0", "o1", "o2"])).await.unwrap_err();
        assert_eq!(failure.source().unwrap().to_string(), seen);
    }
}

#[tokio::test]
async fn every_case_of_a_plan_arrives_as_itself() {
    let bench = Bench::new();
    let entry = |expectation, on_mounts, on_error| guests::LayerPlan {
        layer: format!("{expectation}{on_mounts}{on_error}"),
        expectation,
        on_mounts,
        on_error,
        keep_blob: expectation == 1,
        ..guests::LayerPlan::default()
    };
    for (about, seen) in (0..).zip([
        RegistryAccess::PlainHttp,
        RegistryAccess::PrivateCa,
        RegistryAccess::Mirror,
        RegistryAccess::Credentials,
        RegistryAccess::Unreachable,
    ]) {
        let plan = guests::Plan { advice: vec![(about, "set\u{1b} it".into())], ..guests::Plan::default() };
        let plan = bench.plan(&Guest::snapshotter().plan(&plan), &image()).await.unwrap();
        assert_eq!(plan.advice, [Advice { about: seen, text: "set\u{fffd} it".to_owned() }]);
        assert_eq!((plan.lazy_label, plan.verify, plan.answer_within), (None, false, Plan::ANSWER_WITHIN));
    }
    let plan = guests::Plan {
        lazy_label: Some("containerd.io/snapshot/remote".into()),
        verify: true,
        answer_within_s: 3600,
        ..guests::Plan::default()
    };
    let plan = bench.plan(&Guest::snapshotter().plan(&plan), &image()).await.unwrap();
    assert_eq!(plan.lazy_label.as_deref(), Some("containerd.io/snapshot/remote"));
    assert_eq!((plan.verify, plan.answer_within), (true, Duration::from_hours(1)));
    for (suitability, verdict) in
        (0..).zip([Suitability::Native, Suitability::Partial, Suitability::Plain, Suitability::Foreign])
    {
        let layers = vec![entry(0, 1, 2), entry(1, 2, 0), entry(2, 0, 1)];
        let plan = guests::Plan { suitability, layers, ..guests::Plan::default() };
        let plan = bench.plan(&Guest::snapshotter().plan(&plan), &image()).await.unwrap();
        assert_eq!(plan.suitability, verdict);
        let layers: Vec<_> = plan
            .layers
            .iter()
            .map(|entry| {
                (entry.layer.as_str(), entry.expectation, entry.on_mounts, entry.on_error, entry.keep_blob)
            })
            .collect();
        assert_eq!(
            layers,
            [
                (
                    "012",
                    Expectation::Provided,
                    OnMounts::FetchAndStopAsking,
                    OnError::FetchAndStopAsking,
                    false
                ),
                ("120", Expectation::Maybe, OnMounts::Fail, OnError::Fail, true),
                ("201", Expectation::Mounts, OnMounts::Fetch, OnError::Fetch, false),
            ]
        );
    }
}

#[tokio::test]
async fn a_planner_says_which_configuration_it_has() {
    let planner = Bench::new().planner(&Guest::snapshotter(), r#"{"a":"b"}"#).await.unwrap();
    assert_eq!(planner.config(), r#"{"a":"b"}"#);
}

#[tokio::test]
async fn features_are_found_by_name() {
    let bench = Bench::new();
    for (name, expected) in [
        ("stop-asking", true),
        ("keep-blob", true),
        ("on-error", true),
        ("keep-blobs", false),
        ("on-erro", false),
        ("", false),
    ] {
        // The guest traps unless the host answers as expected.
        let import = r#"(import "dray:host/feature@0.1.0" "supported" (func $supported (param i32 i32) (result i32)))"#;
        let data = format!(r#"(data (i32.const 16) "{name}")"#);
        let check = format!(
            "(if (i32.ne (call $supported (i32.const 16) (i32.const {})) (i32.const {})) (then unreachable))",
            name.len(),
            i32::from(expected)
        );
        let foreign = Guest::snapshotter();
        let guest = foreign.item(import).item(&data).before(Export::Work, &check);
        let plan = bench.plan(&guest, &image()).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(plan.suitability, Suitability::Foreign);
    }
}

#[tokio::test]
async fn a_retry_time_becomes_a_hint() {
    let failure = Bench::new().plan(&Guest::snapshotter().fail_for_now(1500), &image()).await.unwrap_err();
    assert_eq!(failure.fault, PluginFault::Refused);
    assert_eq!(failure.source().unwrap().to_string(), "it is busy (`busy`)");
    assert_eq!(failure.hint.as_deref(), Some("try again in 2 s"));
}

#[tokio::test]
async fn a_plugin_without_schema_takes_the_empty_object_only() {
    let bench = Bench::new();
    let info = guests::Info { config_schema: String::new(), ..guests::Info::default() };
    let guest = Guest::snapshotter().info(&info);
    for empty in ["{}", " { } ", "{\n}"] {
        bench.planner(&guest, empty).await.unwrap();
    }
    for other in [r#"{"a":1}"#, "[]", "null"] {
        let failure = bench.planner(&guest, other).await.err().unwrap();
        assert_eq!(failure.fault, PluginFault::InvalidConfig, "{other}");
    }
}

#[tokio::test]
async fn the_host_accepts_exactly_the_good_vectors() {
    let bench = Bench::new();
    let (image, cases) = vectors::plans();
    let config = image.plugin_config.clone();
    let image = image_of(&image);
    for case in cases {
        let planned = bench.plan(&Guest::snapshotter().plan(&plan_of(case.answer)), &image).await;
        let verdict = match planned {
            Ok(plan) => validate_plan(&plan, &image, &config).map_err(|error| error.to_string()),
            Err(failure) => {
                assert_eq!(failure.fault, PluginFault::InvalidOutput, "{}: {failure:?}", case.name);
                Err(failure.source().unwrap().to_string())
            }
        };
        assert_eq!(verdict.is_ok(), case.is_good, "{}: {verdict:?}", case.name);
    }
    for case in vectors::infos() {
        let vectors::Info { name, version, summary, config_schema, features, extensions } = case.answer;
        let info = guests::Info { name, version, summary, config_schema, features, extensions };
        let verdict = bench.planner(&Guest::snapshotter().info(&info), "{}").await.map(drop);
        assert_eq!(verdict.is_ok(), case.is_good, "{}: {verdict:?}", case.name);
    }
}

fn image_of(vector: &vectors::Image) -> ImageToPlan {
    let parsed = |text: &str| Digest::parse(text).unwrap();
    let descriptor = |digest: &str| Descriptor::new(MediaType::new("application/x"), parsed(digest), 1);
    let layers = vector.layers.iter().map(|layer| {
        let mut descriptor = descriptor(&layer.digest);
        descriptor.annotations.extend(layer.annotations.clone());
        descriptor.urls.clone_from(&layer.urls);
        LayerToPlan {
            descriptor,
            diff_id: DiffId::from_uncompressed(parsed(&layer.diff_id)),
            chain_id: ChainId::bottom(&DiffId::from_uncompressed(parsed(&layer.chain_id))),
        }
    });
    ImageToPlan {
        reference: vector.reference.clone(),
        canonical: vector.canonical.clone(),
        index: Some(descriptor(&vector.index)),
        manifest: descriptor(&vector.manifest),
        manifest_annotations: vector.manifest_annotations.iter().cloned().collect(),
        config: descriptor(&vector.config),
        config_labels: vector.config_labels.iter().cloned().collect(),
        layers: layers.collect(),
        ..image()
    }
}

fn case_of(cases: &[&str], name: &str) -> u8 {
    let at = cases.iter().position(|case| *case == name).unwrap_or_else(|| panic!("{name}"));
    u8::try_from(at).unwrap()
}

fn plan_of(vector: vectors::Plan) -> guests::Plan {
    let layer = |layer: vectors::LayerPlan| guests::LayerPlan {
        layer: layer.layer,
        question: match layer.question {
            vectors::Question::AskWithLabels(labels) => guests::Question::Labels(labels),
            vectors::Question::Ask => guests::Question::Plain,
            vectors::Question::Fetch => guests::Question::Fetch,
        },
        expectation: case_of(&["provided", "maybe", "mounts"], &layer.expectation),
        on_mounts: case_of(&["fetch", "fetch-and-stop-asking", "fail"], &layer.on_mounts),
        on_error: case_of(&["fail", "fetch", "fetch-and-stop-asking"], &layer.on_error),
        keep_blob: layer.keep_blob,
        extensions: layer.extensions,
    };
    let advice = |advice: vectors::Advice| {
        let cases = ["plain-http", "private-ca", "mirror", "credentials", "unreachable"];
        (case_of(&cases, &advice.about), advice.text)
    };
    guests::Plan {
        suitability: case_of(&["native", "partial", "plain", "foreign"], &vector.suitability),
        code: vector.code,
        reason: vector.reason,
        layers: vector.layers.into_iter().map(layer).collect(),
        hints: vector.hints,
        advice: vector.advice.into_iter().map(advice).collect(),
        lazy_label: vector.lazy_label,
        verify: vector.verify,
        answer_within_s: vector.answer_within_s,
        extensions: vector.extensions,
    }
}
