//! A plugin that misbehaves fails with its own kind of failure, in time, and the host goes on working.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dray::oci::{Algorithm, Descriptor, Digest, MediaType, Platform};
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::Question as Answer;
use dray::ports::{
    ImageToPlan, LayerToPlan, Plan, Planner, PlatformMatcher, PluginFailure, PluginFault, SnapshotterName,
    Suitability,
};
use dray::verify::digest_of;

use dray_tests::guests::{self, Export, Guest, Info, LayerPlan, Question};
use dray_tests::heard::{Heard, LevelFilter};
use dray_tests::tools;

/// Far more than a limit takes on a busy machine, far less than a run without limit.
const SOON: Duration = Duration::from_secs(20);

struct Bench {
    scratch: tempfile::TempDir,
    host: PluginHost,
}

impl Bench {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        Self { scratch, host: PluginHost::new(None) }
    }

    fn source(&self, guest: &Guest) -> PluginSource {
        PluginSource::read(&guest.write(self.scratch.path(), "guest.wasm")).unwrap()
    }

    async fn planner(&self, guest: &Guest) -> Result<Arc<dyn Planner>, PluginFailure> {
        self.host.planner(&self.source(guest), "{}").await
    }

    async fn plan(&self, guest: &Guest) -> Result<Plan, PluginFailure> {
        self.planner(guest).await?.plan(&image()).await
    }

    async fn matcher(&self, guest: &Guest) -> Result<Arc<dyn PlatformMatcher>, PluginFailure> {
        self.host.matcher(&self.source(guest), "{}").await
    }

    async fn rank(&self, guest: &Guest) -> Result<Vec<usize>, PluginFailure> {
        let offered = vec![Platform::new("linux", "amd64", ""), Platform::new("linux", "arm64", "v8")];
        self.matcher(guest).await?.rank(&offered[..1], &offered).await
    }

    /// Fails unless the plugin fails in this way and in time, and a good plugin works afterwards.
    async fn fails(&self, guest: &Guest, fault: PluginFault, reason: &str) {
        let started = Instant::now();
        let failure = self.plan(guest).await.expect_err("the plugin misbehaves");
        let text = chain(&failure);
        assert_eq!(failure.fault, fault, "{text}");
        assert!(text.contains(reason), "`{reason}` is not in: {text}");
        assert!(text.contains("guest.wasm"), "the plugin is not named: {text}");
        assert!(started.elapsed() < SOON, "it took {:?}", started.elapsed());
        let plan = self.plan(&Guest::snapshotter()).await.unwrap();
        assert_eq!((plan.suitability, plan.code.as_str()), (Suitability::Foreign, "test"));
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn digest(text: &str) -> Digest {
    digest_of(Algorithm::Sha256, text.as_bytes())
}

fn descriptor(text: &str) -> Descriptor {
    Descriptor::new(MediaType::new("application/x"), digest(text), 1)
}

fn image() -> ImageToPlan {
    let diff_id = dray::oci::DiffId::from_uncompressed(digest("diff"));
    ImageToPlan {
        reference: "debian".into(),
        canonical: "docker.io/library/debian:latest".into(),
        snapshotter: SnapshotterName::new("overlayfs"),
        index: None,
        manifest: descriptor("manifest"),
        manifest_annotations: [("a".to_owned(), "b".to_owned())].into(),
        config: descriptor("config"),
        config_labels: [].into(),
        platform: Platform::new("linux", "arm64", "v8"),
        layers: vec![LayerToPlan {
            descriptor: descriptor("layer"),
            chain_id: dray::oci::ChainId::bottom(&diff_id),
            diff_id,
        }],
    }
}

const FOREVER: &str = "(loop $again (br $again)) unreachable";

#[tokio::test]
async fn a_good_plugin_works() {
    let bench = Bench::new();
    let layer = |question| LayerPlan { layer: digest("layer").to_string(), question, ..LayerPlan::default() };
    let labels = vec![("containerd.io/snapshot/x".to_owned(), "y".to_owned())];
    let plan = guests::Plan {
        suitability: 1,
        code: "some-word".into(),
        reason: "it is \u{1b}[31mred".into(),
        layers: vec![layer(Question::Labels(labels.clone())), layer(Question::Plain), layer(Question::Fetch)],
        hints: vec!["a\nb".into()],
        extensions: vec![("example.org/k".into(), "v".into())],
        ..guests::Plan::default()
    };
    let planner = bench.planner(&Guest::snapshotter().plan(&plan)).await.unwrap();
    let identity = planner.identity();
    assert_eq!((identity.name.as_str(), identity.version.as_str()), ("guest", "1.2.3"));
    let plan = planner.plan(&image()).await.unwrap();
    assert_eq!(plan.suitability, Suitability::Partial);
    // Texts for users have no control characters.
    assert_eq!(plan.reason, "it is \u{fffd}[31mred");
    assert_eq!(plan.hints, ["a\u{fffd}b"]);
    let questions: Vec<_> = plan.layers.into_iter().map(|layer| layer.question).collect();
    assert_eq!(questions, [Answer::AskWithLabels(labels), Answer::Ask, Answer::Fetch]);
    let timings = planner.timings();
    assert!(!timings.compile.is_zero() && !timings.instantiate.is_zero() && !timings.call.is_zero());
    assert_eq!(bench.rank(&Guest::platform().rank(&[1, 0])).await.unwrap(), [1, 0]);
    assert!(bench.rank(&Guest::platform().rank(&[])).await.unwrap().is_empty());
}

#[tokio::test]
async fn endless_loops_time_out() {
    let bench = Bench::new();
    for export in [Export::GetInfo, Export::CheckConfig, Export::Work] {
        let guest = Guest::snapshotter().on(export, FOREVER);
        bench.fails(&guest, PluginFault::Timeout, "a call may compute for 500ms").await;
    }
    let guest = Guest::snapshotter().item(&format!("(func $start {FOREVER}) (start $start)"));
    bench.fails(&guest, PluginFault::Timeout, "`get-info`").await;
    let guest = Guest::snapshotter().item("(func $again (return_call $again))");
    let guest = guest.on(Export::Work, "(call $again) unreachable");
    bench.fails(&guest, PluginFault::Timeout, "a call may compute for 500ms").await;
}

#[tokio::test]
async fn an_endless_loop_lets_others_run() {
    let bench = Bench::new();
    let planner = bench.planner(&Guest::snapshotter().on(Export::Work, FOREVER)).await.unwrap();
    // One thread runs both, so the second advances only if the guest yields.
    let image = image();
    let beside = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Instant::now()
    };
    let (ended, beside) = tokio::join!(
        async {
            planner.plan(&image).await.unwrap_err();
            Instant::now()
        },
        beside
    );
    assert!(beside < ended);
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing_behind() {
    let bench = Bench::new();
    let planner = bench.planner(&Guest::snapshotter().on(Export::Work, FOREVER)).await.unwrap();
    let abandoned = tokio::time::timeout(Duration::from_millis(50), planner.plan(&image())).await;
    assert!(abandoned.is_err());
    bench
        .fails(&Guest::snapshotter().on(Export::Work, "unreachable"), PluginFault::Trap, "unreachable")
        .await;
}

#[tokio::test]
async fn memory_is_limited() {
    let bench = Bench::new();
    let grow =
        "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let guest = Guest::snapshotter().on(Export::Work, grow);
    bench.fails(&guest, PluginFault::OutOfMemory, "more memory than a plugin may have").await;
    let guest = Guest::snapshotter().pages(1025);
    bench.fails(&guest, PluginFault::OutOfMemory, "the limit is 67108864 bytes").await;
    // A failed `memory.grow` is an answer to the guest. A guest that can do without more memory goes on.
    let guest = Guest::snapshotter().on(Export::Work, "(drop (memory.grow (i32.const 2000))) (i32.const 0)");
    let failure = bench.plan(&guest).await.unwrap_err();
    assert_eq!(failure.fault, PluginFault::InvalidOutput);
}

#[tokio::test]
async fn tables_and_memories_are_limited() {
    let bench = Bench::new();
    let grow = "(loop $again (br_if $again (i32.ne
        (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    let guest = Guest::snapshotter().item("(table $t 1 funcref)").on(Export::Work, grow);
    bench.fails(&guest, PluginFault::OutOfMemory, "more table entries than a plugin may have").await;
    let guest = Guest::snapshotter().item("(table 30000 funcref)");
    bench.fails(&guest, PluginFault::OutOfMemory, "the limit is 20000").await;
    let guest = Guest::snapshotter().item(&"(table 1 funcref)".repeat(17));
    bench.fails(&guest, PluginFault::OutOfMemory, "table count").await;
    let guest = Guest::snapshotter().item(&"(memory 1)".repeat(8));
    bench.fails(&guest, PluginFault::OutOfMemory, "memory count").await;
    // Each alone is within the limit.
    let guest = Guest::snapshotter().item("(memory 512) (memory 512)");
    bench.fails(&guest, PluginFault::OutOfMemory, "the limit is 67108864 bytes").await;
}

#[tokio::test]
async fn traps_are_reported() {
    let bench = Bench::new();
    let guest = Guest::snapshotter()
        .item("(func $deep (param i64) (result i64) (i64.add (call $deep (local.get 0)) (local.get 0)))")
        .on(Export::Work, "(drop (call $deep (i64.const 1))) unreachable");
    bench.fails(&guest, PluginFault::Trap, "call stack exhausted").await;
    for (instructions, reason) in [
        ("unreachable", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
        ("(i32.load (i32.const -8))", "out of bounds"),
    ] {
        for export in [Export::GetInfo, Export::CheckConfig, Export::Work] {
            bench.fails(&Guest::snapshotter().on(export, instructions), PluginFault::Trap, reason).await;
        }
    }
}

/// A record for `get-info` whose name is at this address.
fn info_with_name(at: u32, length: u32) -> Vec<u8> {
    let mut record = Vec::new();
    record.extend(at.to_le_bytes());
    record.extend(length.to_le_bytes());
    record.resize(40, 0);
    record
}

#[tokio::test]
async fn too_large_and_invalid_values_are_refused() {
    let bench = Bench::new();
    let guest = Guest::snapshotter().pages(512).raw(Export::GetInfo, &info_with_name(0, 16 << 20));
    bench.fails(&guest, PluginFault::InvalidOutput, "at most 8388608 bytes").await;
    // A list of 700,000 empty strings: small in the guest, large in the host.
    let mut record = info_with_name(0, 0);
    record[32..36].copy_from_slice(&0_u32.to_le_bytes());
    record[36..40].copy_from_slice(&700_000_u32.to_le_bytes());
    let guest = Guest::snapshotter().pages(512).raw(Export::GetInfo, &record);
    bench.fails(&guest, PluginFault::InvalidOutput, "at most 8388608 bytes").await;
    // Outside of the memory.
    let guest = Guest::snapshotter().raw(Export::GetInfo, &info_with_name(u32::MAX - 8, 100));
    bench.fails(&guest, PluginFault::InvalidOutput, "out of bounds").await;
    // Not UTF-8, and an invalid address for an answer.
    let guest = Guest::snapshotter()
        .item(r#"(data (i32.const 16) "\ff\fe")"#)
        .raw(Export::GetInfo, &info_with_name(16, 2));
    bench.fails(&guest, PluginFault::InvalidOutput, "utf-8").await;
    let guest = Guest::snapshotter().on(Export::GetInfo, "(i32.const -4)");
    bench.fails(&guest, PluginFault::InvalidOutput, "breaks its contract").await;
    // The result has no case of this number.
    let guest = Guest::snapshotter().raw(Export::Work, &[7; 64]);
    bench.fails(&guest, PluginFault::InvalidOutput, "breaks its contract").await;
}

const LOG: &str = r#"(import "dray:host/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;

#[tokio::test]
async fn a_flood_in_the_log_has_no_effect() {
    let bench = Bench::new();
    let flood = "(local $n i32)
        (memory.fill (i32.const 1100000) (i32.const 97) (i32.const 100000))
        (loop $again
          (call $log (i32.const 4) (i32.const 1100000) (i32.const 100000))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 600))))
        (i32.const 0)";
    // Address zero holds no plan. The test only needs the call to get this far.
    let guest = Guest::snapshotter().item(LOG).on(Export::Work, flood);
    for (level, lines, bytes) in [(LevelFilter::TRACE, 17, 70_000), (LevelFilter::WARN, 4, 2_000)] {
        let heard = Heard::listen(level);
        let failure = bench.plan(&guest).await.unwrap_err();
        assert!(matches!(failure.fault, PluginFault::InvalidOutput), "{}", chain(&failure));
        let heard = heard.lines("dray::plugin:");
        // Only 16 lines of 4 KiB fit. Three of them are errors, the others are information.
        assert_eq!(heard.len(), lines, "{heard:#?}");
        assert!(heard.concat().len() < bytes, "{} bytes", heard.concat().len());
        let last = heard.last().unwrap();
        assert!(last.ends_with("logged more than is shown here dropped=584 quieter=13"), "{last}");
    }
    let guest = Guest::snapshotter()
        .item(LOG)
        .on(Export::Work, "(call $log (i32.const 4) (i32.const 1100000) (i32.const 2000000)) unreachable");
    bench.fails(&guest, PluginFault::Trap, "unreachable").await;
    // There is no such level.
    let guest = Guest::snapshotter()
        .item(LOG)
        .on(Export::Work, "(call $log (i32.const 9) (i32.const 0) (i32.const 1)) unreachable");
    bench.fails(&guest, PluginFault::InvalidOutput, "breaks its contract").await;
}

#[tokio::test]
async fn many_short_log_lines_are_limited_too() {
    let bench = Bench::new();
    let flood = "(local $n i32)
        (loop $again
          (call $log (i32.const 2) (i32.const 1100000) (i32.const 1))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
        (i32.const 0)";
    let heard = Heard::listen(LevelFilter::TRACE);
    bench.plan(&Guest::snapshotter().item(LOG).on(Export::Work, flood)).await.unwrap_err();
    let heard = heard.lines("dray::plugin:");
    assert_eq!(heard.len(), 257);
    assert!(heard[256].ends_with("dropped=744 quieter=0"), "{}", heard[256]);
}

#[tokio::test]
async fn a_plugin_cannot_forge_a_log_line() {
    let bench = Bench::new();
    let line = format!(
        "all layers verified plugin=\\\"platform\\\"{}2026-11-26T00:00:00Z ERROR dray::registry: revoked\\0a\\1b[2J",
        " ".repeat(120)
    );
    let guest = Guest::snapshotter()
        .item(LOG)
        .item(&format!("(data (i32.const 1200000) \"{line}\")"))
        .on(Export::Work, "(call $log (i32.const 3) (i32.const 1200000) (i32.const 210)) (i32.const 0)");
    let heard = Heard::listen(LevelFilter::WARN);
    bench.plan(&guest).await.unwrap_err();
    let heard = heard.lines("dray::plugin:");
    assert_eq!(heard.len(), 1, "{heard:#?}");
    let (mark, said) = heard[0].split_once(" says: ").unwrap();
    assert!(mark.starts_with("WARN dray::plugin: plugin `") && mark.ends_with("guest.wasm`"), "{mark}");
    let expected =
        r#""all layers verified plugin=\"platform\" 2026-11-26T00:00:00Z ERROR dray::registry: revoked"#;
    assert!(said.starts_with(expected), "{said}");
    assert!(said.ends_with('"') && !said.contains('\x1b'), "{said}");
}

#[tokio::test]
async fn info_that_breaks_a_rule_is_refused() {
    let bench = Bench::new();
    let good = Info::default;
    for (info, reason) in [
        (Info { name: String::new(), ..good() }, "`name`"),
        (Info { name: "Upper".into(), ..good() }, "`name`"),
        (Info { name: "a".repeat(65), ..good() }, "`name`"),
        (Info { version: "one".into(), ..good() }, "`version`"),
        (Info { summary: "a".repeat(201), ..good() }, "`summary`: 201 bytes, at most 200"),
        (Info { config_schema: "not json".into(), ..good() }, "`config-schema` must be JSON"),
        (Info { config_schema: format!("\"{}\"", "a".repeat(65535)), ..good() }, "`config-schema`: 65537"),
        (Info { features: vec!["f".into(); 65], ..good() }, "`features`: 65 names, at most 64"),
        (Info { features: vec!["f".repeat(65)], ..good() }, "a name in `features`"),
    ] {
        bench.fails(&Guest::snapshotter().info(&info), PluginFault::InvalidOutput, reason).await;
    }
}

#[tokio::test]
async fn plans_that_break_a_rule_are_refused() {
    let bench = Bench::new();
    let good = guests::Plan::default;
    let labelled = |count: usize, value: usize| {
        let label = ("containerd.io/snapshot/x".to_owned(), "v".repeat(value));
        let question = Question::Labels(vec![label; count]);
        vec![LayerPlan { layer: digest("layer").to_string(), question, ..LayerPlan::default() }]
    };
    let pair = ("k".to_owned(), "v".to_owned());
    for (plan, reason) in [
        (guests::Plan { code: "Not A Word".into(), ..good() }, "`code`"),
        (guests::Plan { code: "a".repeat(65), ..good() }, "`code`"),
        (guests::Plan { reason: "a".repeat(1025), ..good() }, "`reason`: 1025 bytes, at most 1024"),
        (guests::Plan { hints: vec!["h".into(); 17], ..good() }, "`hints`: 17 lines, at most 16"),
        (guests::Plan { hints: vec!["h".repeat(1025)], ..good() }, "a line in `hints`: 1025 bytes"),
        (guests::Plan { advice: vec![(0, "a".into()); 17], ..good() }, "`advice`: 17 entries, at most 16"),
        (guests::Plan { advice: vec![(0, "a".repeat(1025))], ..good() }, "a text in `advice`: 1025 bytes"),
        (guests::Plan { lazy_label: Some("x".into()), ..good() }, "`lazy-label` is `x`, which is outside"),
        (guests::Plan { answer_within_s: 0, ..good() }, "`answer-within-s` is 0"),
        (guests::Plan { answer_within_s: 3601, ..good() }, "`answer-within-s` is 3601"),
        (guests::Plan { extensions: vec![pair; 65], ..good() }, "`extensions`: 65 pairs, at most 64"),
        (guests::Plan { layers: labelled(257, 1), ..good() }, "labels of layer 0: 257 labels, at most 256"),
        (guests::Plan { layers: labelled(1, 4096), ..good() }, "a label of layer 0: 4120 bytes"),
        (
            guests::Plan {
                layers: vec![LayerPlan { layer: "x".into(), ..LayerPlan::default() }; 513],
                ..good()
            },
            "`layers`: 513 entries, at most 512",
        ),
    ] {
        bench.fails(&Guest::snapshotter().plan(&plan), PluginFault::InvalidOutput, reason).await;
    }
}

#[tokio::test]
async fn rankings_that_break_a_rule_are_refused() {
    let bench = Bench::new();
    for (indices, reason) in [
        (&[2][..], "index 2 is out of range, 2 platforms were offered"),
        (&[u32::MAX], "out of range"),
        (&[1, 0, 1], "index 1 is there twice"),
    ] {
        let failure = bench.rank(&Guest::platform().rank(indices)).await.unwrap_err();
        assert_eq!(failure.fault, PluginFault::InvalidOutput);
        assert!(chain(&failure).contains(reason), "{}", chain(&failure));
    }
    assert_eq!(bench.rank(&Guest::platform()).await.unwrap(), [0]);
}

#[tokio::test]
async fn errors_of_the_plugin_are_reported() {
    let bench = Bench::new();
    let guest = Guest::snapshotter().fail(Export::CheckConfig, 0, "bad-value", "`x` is\x1b[2J no colour");
    let reason = "does not accept its configuration: `x` is\u{fffd}[2J no colour (`bad-value`)";
    bench.fails(&guest, PluginFault::InvalidConfig, reason).await;
    for case in 1..=5 {
        let guest = Guest::snapshotter().fail(Export::Work, case, "some-code", &"m".repeat(3000));
        bench.fails(&guest, PluginFault::Refused, &format!("{} (`some-code`)", "m".repeat(1024))).await;
    }
}

#[tokio::test]
async fn invalid_configurations_never_reach_a_plugin() {
    let bench = Bench::new();
    let source = bench.source(&Guest::snapshotter());
    let long = format!("\"{}\"", "a".repeat(64 * 1024));
    for (config, reason) in [("{", "is not JSON"), ("", "is not JSON"), (long.as_str(), "is too long")] {
        let failure = bench.host.planner(&source, config).await.err().expect("it is not accepted");
        assert_eq!(failure.fault, PluginFault::InvalidConfig);
        assert!(failure.message.contains(reason), "{}", failure.message);
    }
    assert!(bench.host.planner(&source, r#"{"a":1}"#).await.is_ok());
    let plain = Info { config_schema: String::new(), ..Info::default() };
    let source = bench.source(&Guest::snapshotter().info(&plain));
    assert!(bench.host.planner(&source, "{}").await.is_ok());
    let failure = bench.host.planner(&source, r#"{"a":1}"#).await.err().expect("it takes none");
    assert!(failure.message.contains("takes no configuration"), "{}", failure.message);
}

const WASI: [&str; 3] = [
    "package wasi:random@0.2.3; interface random { get-random-u64: func() -> u64; }",
    "package wasi:clocks@0.2.3; interface monotonic-clock { type instant = u64; now: func() -> instant; }
     interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }",
    "package wasi:cli@0.2.3; interface environment {
       get-environment: func() -> list<tuple<string, string>>; get-arguments: func() -> list<string>; }
     interface exit { exit: func(status: result); }",
];

#[tokio::test]
async fn wasi_is_present_and_empty() {
    let bench = Bench::new();
    let world = "import wasi:random/random@0.2.3; import wasi:clocks/monotonic-clock@0.2.3;
        import wasi:clocks/wall-clock@0.2.3; import wasi:cli/environment@0.2.3; import wasi:cli/exit@0.2.3;";
    let items = r#"
        (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $monotonic (result i64)))
        (import "wasi:clocks/wall-clock@0.2.3" "now" (func $wall (param i32)))
        (import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/environment@0.2.3" "get-arguments" (func $arguments (param i32)))
        (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
        (func $assert_zero (param i64) (if (i64.ne (local.get 0) (i64.const 0)) (then unreachable)))"#;
    let guest = Guest::platform().import(world, &WASI).item(items);
    // The guest checks WASI. Its answer is one index, chosen by the random numbers.
    let checks = "(call $assert_zero (i64.sub (call $monotonic) (i64.const 1)))
        (call $wall (i32.const 64)) (call $assert_zero (i64.load (i32.const 64)))
        (call $environment (i32.const 80)) (call $assert_zero (i64.load32_u (i32.const 84)))
        (call $arguments (i32.const 88)) (call $assert_zero (i64.load32_u (i32.const 92)))
        (i32.store (i32.const 128) (i32.wrap_i64 (i64.rem_u (call $random) (i64.const 1000))))
        (i32.store8 (i32.const 144) (i32.const 0))
        (i32.store (i32.const 152) (i32.const 128))
        (i32.store (i32.const 156) (i32.const 1))
        (i32.const 144)";
    let matcher = bench.matcher(&guest.clone().on(Export::Work, checks)).await.unwrap();
    let offered = vec![Platform::new("linux", "amd64", ""); 1000];
    let first = matcher.rank(&offered[..1], &offered).await.unwrap();
    for _ in 0..3 {
        assert_eq!(matcher.rank(&offered[..1], &offered).await.unwrap(), first, "chance is not repeated");
    }
    let failure =
        bench.rank(&guest.on(Export::Work, "(call $exit (i32.const 0)) unreachable")).await.unwrap_err();
    assert_eq!(failure.fault, PluginFault::Trap, "{}", chain(&failure));
    assert!(failure.message.contains("ended itself"), "{}", failure.message);
}

const POLL: [&str; 2] = [
    "package wasi:io@0.2.3; interface poll { resource pollable { block: func(); } }",
    "package wasi:clocks@0.2.3; interface monotonic-clock {
       use wasi:io/poll@0.2.3.{pollable}; subscribe-duration: func(when: u64) -> pollable; }",
];

fn waiting(instructions: &str) -> Guest {
    let world = "import wasi:io/poll@0.2.3; import wasi:clocks/monotonic-clock@0.2.3;";
    let items = r#"
        (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration"
          (func $subscribe (param i64) (result i32)))
        (import "wasi:io/poll@0.2.3" "[method]pollable.block" (func $block (param i32)))"#;
    Guest::snapshotter().import(world, &POLL).item(items).on(Export::Work, instructions)
}

/// No guest code runs, so no tick ends it. The wall-clock limit does.
#[tokio::test]
async fn a_host_function_that_hangs_times_out() {
    let bench = Bench::new();
    let planner = bench
        .planner(&waiting("(call $block (call $subscribe (i64.const 3600000000000))) (i32.const 0)"))
        .await
        .unwrap();
    let started = Instant::now();
    let failure = planner.plan(&image()).await.unwrap_err();
    assert_eq!(failure.fault, PluginFault::Timeout, "{}", chain(&failure));
    assert!(chain(&failure).contains("a call may take 5s"), "{}", chain(&failure));
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(5) && took < SOON, "it took {took:?}");
}

#[tokio::test]
async fn handles_are_limited() {
    let bench = Bench::new();
    let hoard = "(loop $again (drop (call $subscribe (i64.const 0))) (br $again)) unreachable";
    bench.fails(&waiting(hoard), PluginFault::OutOfMemory, "more handles than a plugin may have").await;
}

/// A lack of address space is not the plugin's fault.
#[test]
fn too_little_address_space_is_no_plugin_failure() {
    let home = tempfile::tempdir().unwrap();
    let run = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 3500000; exec \"$0\" plugin inspect --describe overlayfs"])
        .arg(tools::dray())
        .env_clear()
        .env("HOME", home.path())
        .output()
        .unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(8), "{said}");
    assert!(said.contains("plugin `overlayfs` cannot be run on this machine"), "{said}");
    assert!(said.contains("ulimit -v"), "{said}");
}

#[tokio::test]
async fn random_bytes_are_limited() {
    let bench = Bench::new();
    let random =
        "package wasi:random@0.2.3; interface random { get-random-bytes: func(len: u64) -> list<u8>; }";
    let guest = |length: u32| {
        Guest::snapshotter()
            .import("import wasi:random/random@0.2.3;", &[random])
            .item(r#"(import "wasi:random/random@0.2.3" "get-random-bytes" (func $random (param i64 i32)))"#)
            .on(Export::Work, &format!("(call $random (i64.const {length}) (i32.const 64)) unreachable"))
    };
    bench.fails(&guest(65_536), PluginFault::Trap, "unreachable").await;
    bench.fails(&guest(65_537), PluginFault::InvalidOutput, "breaks its contract").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_calls_do_not_disturb_each_other() {
    let bench = Bench::new();
    let good = bench.planner(&Guest::snapshotter()).await.unwrap();
    let bad = bench.planner(&Guest::snapshotter().on(Export::Work, FOREVER)).await.unwrap();
    let calls = (0..8).map(|number| {
        let (good, bad) = (Arc::clone(&good), Arc::clone(&bad));
        tokio::spawn(async move {
            if number % 4 == 0 {
                assert_eq!(bad.plan(&image()).await.unwrap_err().fault, PluginFault::Timeout);
            } else {
                good.plan(&image()).await.unwrap();
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn embedded_plugins_stay_far_below_the_limits() {
    let host = PluginHost::new(None);
    let platform = PluginSource::embedded("platform").expect("it comes along");
    let overlayfs = PluginSource::embedded("overlayfs").expect("it comes along");
    let offered = [Platform::new("linux", "arm64", "v8"), Platform::new("linux", "amd64", "")];
    let matcher = host.matcher(&platform, "{}").await.unwrap();
    assert_eq!(matcher.rank(&offered[1..], &offered).await.unwrap(), [1]);
    let planner = host.planner(&overlayfs, "{}").await.unwrap();
    assert_eq!(planner.identity().name, "overlayfs");
    assert!(PluginSource::embedded("x").is_none());
}
