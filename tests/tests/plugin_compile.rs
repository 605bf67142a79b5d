//! A small component that would be expensive to compile is refused at once, and the cost of compiling is limited.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::time::{Duration, Instant};

use dray::plugin::{PluginHost, PluginSource};
use dray::ports::{PluginFailure, PluginFault};
use dray_tests::command::Dray;
use dray_tests::guests::hostile;

/// Far more than reading takes, even while ten others compile. Far less than compiling would take.
const SOON: Duration = Duration::from_secs(10);

/// Far more than reading takes, far less than compiling would take.
const MUCH_MEMORY_KIB: u64 = 1024 * 1024;

fn read(bytes: &[u8]) -> PluginSource {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("bomb.wasm");
    std::fs::write(&path, bytes).unwrap();
    PluginSource::read(&path).unwrap()
}

/// The peak memory of this process so far.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

async fn refused(bytes: &[u8], reason: &str) {
    let source = read(bytes);
    let check = |failure: PluginFailure| {
        assert_eq!(failure.fault, PluginFault::Incompatible, "{failure}");
        assert!(failure.message.ends_with("bomb.wasm` would cost too much to compile"), "{failure}");
        let cause = failure.source.unwrap().to_string();
        assert!(cause.contains(reason), "`{reason}` is not in: {cause}");
    };
    let started = Instant::now();
    let host = PluginHost::new(None);
    check(host.planner(&source, "{}").await.err().expect("it is refused"));
    check(host.inspect(&source).unwrap_err());
    assert!(started.elapsed() < SOON, "{reason}: it took {:?}", started.elapsed());
    assert!(peak_kib() < MUCH_MEMORY_KIB, "{reason}: it took {} KiB", peak_kib());
}

#[tokio::test]
async fn multiplying_instances_are_refused() {
    refused(&hostile::multiplying(10, 4), "parts once all instances are expanded").await;
    refused(&hostile::multiplying(24, 2), "levels of nesting").await;
}

#[tokio::test]
async fn deeply_nested_components_are_refused() {
    for levels in [16, 12_000, 100_000] {
        refused(&hostile::nested(levels), "levels of nesting: 17 or more, at most 16").await;
    }
}

#[tokio::test]
async fn too_many_values_in_blocks_are_refused() {
    refused(&hostile::locals_in_loops(10_000, 400), "values in blocks of one function").await;
    let text = format!("(module {})", "(func (local i64) (local.set 0 (i64.const 1)))".repeat(100_001));
    refused(&hostile::modules(&text, 1), "functions: 100").await;
    // It has nothing but unused locals.
    refused(&hostile::idle_locals(1000, 40_000), "values in blocks of all functions").await;
}

#[tokio::test]
async fn too_many_modules_and_table_entries_are_refused() {
    refused(&hostile::modules("(module)", 62), "modules: 65 or more").await;
    refused(&hostile::modules("(module (memory 1) (memory 1) (memory 1) (memory 1))", 4), "memories").await;
    refused(&hostile::modules("(module (table 100001 funcref))", 5), "entries of tables").await;
}

#[tokio::test]
async fn components_below_the_limits_are_compiled() {
    for bytes in [
        hostile::multiplying(8, 2),
        hostile::nested(14),
        hostile::locals_in_loops(100, 20),
        hostile::modules("(module)", 50),
    ] {
        let source = read(&bytes);
        assert!(PluginHost::new(None).planner(&source, "{}").await.is_ok());
    }
}

/// They cost little to compile. The sandbox refuses to create them.
#[tokio::test]
async fn too_many_instances_fail_in_the_sandbox() {
    let source = read(&hostile::module_instances(33));
    let failure = PluginHost::new(None).planner(&source, "{}").await.err().expect("there are 33");
    assert_eq!(failure.fault, PluginFault::OutOfMemory, "{failure}");
    let cause = failure.source.unwrap().to_string();
    assert!(cause.contains("instance count too high"), "{cause}");
}

#[test]
fn the_program_reports_the_refusal() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("bomb.wasm");
    std::fs::write(&path, hostile::multiplying(10, 4)).unwrap();
    let run =
        Dray::new().run(["plugin".as_ref(), "inspect".as_ref(), "--describe".as_ref(), path.as_os_str()]);
    let run = run.failure(8);
    assert!(run.to_string().contains("would cost too much to compile"), "{run}");
}
