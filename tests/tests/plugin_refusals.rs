//! Files that cannot be plugins are refused before they are compiled. The refusal gives the reason and the remedy.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::path::Path;

use dray::plugin::{PluginHost, PluginKind, PluginSource};
use dray::ports::{PluginFailure, PluginFault};
use dray_tests::guests::{Guest, dummy};

fn read(bytes: &[u8]) -> Result<PluginSource, PluginFailure> {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("x.wasm");
    std::fs::write(&path, bytes).unwrap();
    PluginSource::read(&path)
}

/// A message without the directory of the file.
fn shown(failure: &PluginFailure) -> String {
    let folder = Path::new(&failure.plugin).parent().map(|folder| format!("{}/", folder.display()));
    folder.map_or_else(|| failure.message.clone(), |folder| failure.message.replace(&folder, ""))
}

fn unreadable(bytes: &[u8], message: &str) {
    let failure = read(bytes).err().expect("it is no component");
    assert_eq!(failure.fault, PluginFault::Unreadable);
    assert_eq!(shown(&failure), message);
}

async fn refused(bytes: &[u8], kind: PluginKind, message: &str, hint: &str) {
    let source = read(bytes).unwrap();
    let host = PluginHost::new(None);
    let failure = match kind {
        PluginKind::Snapshotter => host.planner(&source, "{}").await.err(),
        PluginKind::Platform => host.matcher(&source, "{}").await.err(),
    };
    let failure = failure.expect("it does not fit");
    assert_eq!(failure.fault, PluginFault::Incompatible, "{}", failure.message);
    assert_eq!(shown(&failure), message);
    let given = failure.hint.unwrap_or_default();
    assert!(given.contains(hint), "`{hint}` is not in `{given}`");
}

#[test]
fn files_that_are_no_components_are_refused() {
    unreadable(b"", "plugin `x.wasm` is an empty file");
    unreadable(b"#!/bin/sh\n", "plugin `x.wasm` is not a WebAssembly component");
    unreadable(b"\n(component)", "plugin `x.wasm` is WebAssembly text");
    let module = wat::parse_str("(module)").unwrap();
    unreadable(&module, "plugin `x.wasm` is a WebAssembly module, not a component");
    let engine = wasmtime::Engine::default();
    let component = wat::parse_str("(component)").unwrap();
    let compiled = engine.precompile_component(&component).unwrap();
    unreadable(&compiled, "plugin `x.wasm` is compiled code");
    unreadable(&component[..7], "plugin `x.wasm` is not a WebAssembly component");
}

#[test]
fn paths_that_are_no_files_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let fails = |path: &Path| {
        let failure = PluginSource::read(path).err().expect("it is no file");
        assert_eq!(failure.fault, PluginFault::Unreadable);
        failure.message
    };
    assert!(fails(scratch.path()).ends_with("is not a regular file"));
    assert!(fails(&scratch.path().join("none")).starts_with("cannot read plugin"));
    let pipe = scratch.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    assert!(fails(&pipe).ends_with("is not a regular file"));
    // A large file is refused by its size: it is sparse and has no data.
    let large = scratch.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(64 * 1024 * 1024 + 1).unwrap();
    assert!(fails(&large).contains("at most 67108864 are accepted"));
}

#[tokio::test]
async fn damaged_components_are_refused() {
    let whole = Guest::snapshotter().component();
    let host = PluginHost::new(None);
    for length in (8..whole.len()).step_by(97) {
        let source = read(&whole[..length]).unwrap();
        let failure = host.planner(&source, "{}").await.err().expect("the end is missing");
        // Cut between two sections it is valid, but not a plugin.
        assert!(
            matches!(failure.fault, PluginFault::Unreadable | PluginFault::Incompatible),
            "{length}: {}",
            failure.message
        );
        // Inspection may succeed or fail, but must not panic.
        let _ = host.inspect(&source);
    }
    for position in (8..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x15;
        let source = read(&damaged).unwrap();
        let _ = host.inspect(&source);
        let _ = host.planner(&source, "{}").await;
    }
    assert!(host.planner(&read(&whole).unwrap(), "{}").await.is_ok());
}

#[tokio::test]
async fn imports_that_the_host_lacks_are_refused() {
    use PluginKind::{Platform, Snapshotter};
    let content = "package dray:content@0.1.0; interface blobs { open: func(digest: string); }";
    refused(
        &dummy(&[content], "include dray:snapshotter/plugin@0.1.0; import dray:content/blobs@0.1.0;"),
        Snapshotter,
        "plugin `x.wasm` imports `dray:content/blobs@0.1.0`, which this host does not offer",
        "this host offers `dray:types/oci@0.1.0`, `dray:types/errors@0.1.0`, `dray:host/log@0.1.0`, \
         `dray:host/feature@0.1.0`; use a newer dray",
    )
    .await;
    let newer = "package dray:host@0.2.0; interface log { write: func(line: string); }";
    refused(
        &dummy(&[newer], "include dray:platform/plugin@0.1.0; import dray:host/log@0.2.0;"),
        Platform,
        "plugin `x.wasm` imports `dray:host/log@0.2.0`, this host offers `dray:host/log@0.1.0`",
        "made for this version of dray",
    )
    .await;
    let grown = "package dray:host@0.1.5; interface feature { supported: func(name: string) -> bool; \
                 names: func() -> list<string>; }";
    refused(
        &dummy(&[grown], "include dray:platform/plugin@0.1.0; import dray:host/feature@0.1.5;"),
        Platform,
        "plugin `x.wasm` imports function `names` of `dray:host/feature@0.1.5`, which \
         `dray:host/feature@0.1.0` of this host lacks",
        "use a newer dray",
    )
    .await;
    refused(
        &dummy(&[], "include dray:platform/plugin@0.1.0; import run: func();"),
        Platform,
        "plugin `x.wasm` imports `run`, which this host does not offer",
        "",
    )
    .await;
    let http = "package wasi:http@0.2.3; interface outgoing-handler { handle: func(); }";
    refused(
        &dummy(&[http], "include dray:platform/plugin@0.1.0; import wasi:http/outgoing-handler@0.2.3;"),
        Platform,
        "plugin `x.wasm` imports `wasi:http/outgoing-handler@0.2.3`, which this host does not offer",
        "",
    )
    .await;
    let clocks = "package wasi:clocks@0.3.0; interface monotonic-clock { now: func() -> u64; }";
    refused(
        &dummy(&[clocks], "include dray:platform/plugin@0.1.0; import wasi:clocks/monotonic-clock@0.3.0;"),
        Platform,
        "plugin `x.wasm` imports `wasi:clocks/monotonic-clock@0.3.0`, which is asynchronous",
        "wasm32-wasip2",
    )
    .await;
}

#[tokio::test]
async fn interfaces_with_other_types_are_refused() {
    let other = "package dray:host@0.1.5; interface log { write: func(line: string); }";
    refused(
        &dummy(&[other], "include dray:platform/plugin@0.1.0; import dray:host/log@0.1.5;"),
        PluginKind::Platform,
        "plugin `x.wasm` was made for another version of the plugin interface",
        "made for this version of dray",
    )
    .await;
    let other = "package dray:platform@0.1.5; interface matcher { rank: func() -> u32; }";
    refused(
        &dummy(&[other], "export dray:platform/matcher@0.1.5; export dray:types/describe@0.1.0;"),
        PluginKind::Platform,
        "plugin `x.wasm` was made for another version of the plugin interface",
        "made for this version of dray",
    )
    .await;
}

#[tokio::test]
async fn missing_exports_are_refused() {
    use PluginKind::{Platform, Snapshotter};
    refused(
        &Guest::platform().component(),
        Snapshotter,
        "plugin `x.wasm` is a platform plugin, not a snapshotter plugin",
        "where a platform plugin is wanted",
    )
    .await;
    refused(
        &Guest::snapshotter().component(),
        Platform,
        "plugin `x.wasm` is a snapshotter plugin, not a platform plugin",
        "where a snapshotter plugin is wanted",
    )
    .await;
    refused(
        &dummy(&[], "export run: func();"),
        Platform,
        "component `x.wasm` is not a plugin of dray",
        "a platform plugin exports `dray:platform/matcher@0.1.0`",
    )
    .await;
    refused(
        &dummy(&[], "export dray:platform/matcher@0.1.0;"),
        Platform,
        "plugin `x.wasm` does not export `dray:types/describe@0.1.0`, which every plugin must",
        "",
    )
    .await;
    let newer = "package dray:platform@0.2.0; interface matcher { rank: func() -> u32; }";
    refused(
        &dummy(&[newer], "export dray:platform/matcher@0.2.0; export dray:types/describe@0.1.0;"),
        Platform,
        "plugin `x.wasm` exports `dray:platform/matcher@0.2.0`, this host speaks `dray:platform/matcher@0.1.0`",
        "made for this version of dray",
    )
    .await;
    let empty = "package dray:platform@0.1.2; interface matcher { other: func() -> u32; }";
    refused(
        &dummy(&[empty], "export dray:platform/matcher@0.1.2; export dray:types/describe@0.1.0;"),
        Platform,
        "plugin `x.wasm` exports `dray:platform/matcher@0.1.2` without its function `rank`",
        "",
    )
    .await;
}

#[tokio::test]
async fn disabled_proposals_are_refused() {
    let host = PluginHost::new(None);
    for item in [
        "(memory $large i64 1)",
        "(memory $shared 1 1 shared)",
        "(type $object (struct (field i32)))",
        "(tag $t)",
    ] {
        let module = format!("(component (core module {item}))");
        let module = wat::parse_str(module).unwrap_or_else(|error| panic!("{item}: {error}"));
        let source = read(&module).unwrap();
        let failure = host.planner(&source, "{}").await.err().expect("it is switched off");
        assert_eq!(failure.fault, PluginFault::Unreadable, "{item}");
    }
    let enabled = dray::plugin::enabled_proposals();
    for name in ["simd", "component-model", "bulk-memory", "multi-memory", "tail-call"] {
        assert!(enabled.iter().any(|enabled| enabled == name), "{name}: {enabled:?}");
    }
    for name in ["gc", "threads", "exceptions", "cm-async", "memory64", "relaxed-simd", "stack-switching"] {
        assert!(!enabled.iter().any(|enabled| enabled == name), "{name}: {enabled:?}");
    }
}

#[test]
fn inspection_shows_imports_and_exports() {
    let clocks = "package wasi:clocks@0.2.3; interface monotonic-clock { now: func() -> u64; }";
    let newer = "package dray:host@0.2.0; interface log { write: func(line: string); }";
    let world = "include dray:snapshotter/plugin@0.1.0; import wasi:clocks/monotonic-clock@0.2.3;
        import dray:host/log@0.2.0;";
    let source = read(&dummy(&[clocks, newer], world)).unwrap();
    let inspection = PluginHost::new(None).inspect(&source).unwrap();
    assert_eq!(inspection.kind, Some(PluginKind::Snapshotter));
    assert_eq!(inspection.world.as_deref(), Some("dray:snapshotter/plugin@0.1.0"));
    assert_eq!(inspection.size, source.bytes().len() as u64);
    let names = |imports: &[dray::plugin::ImportedInterface]| {
        let mut names: Vec<String> = imports
            .iter()
            .map(|import| format!("{} {}", import.name, import.functions.join(",")).trim_end().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names(&inspection.granted),
        [
            "dray:host/feature@0.1.0 supported",
            "dray:host/log@0.1.0 write",
            "dray:types/errors@0.1.0",
            "dray:types/oci@0.1.0"
        ]
    );
    assert_eq!(names(&inspection.toolchain), ["wasi:clocks/monotonic-clock@0.2.3 now"]);
    assert_eq!(names(&inspection.unknown), ["dray:host/log@0.2.0 write"]);
    assert!(inspection.needs_grant.is_empty());
    let mut exports = inspection.exports.clone();
    exports.sort();
    assert_eq!(exports, ["dray:snapshotter/planner@0.1.0", "dray:types/describe@0.1.0"]);
    assert!(inspection.metadata.producers.iter().any(|producer| producer.name == "wit-component"));
    let json = serde_json::to_value(&inspection).unwrap();
    assert_eq!(json["kind"], "snapshotter");
    assert_eq!(json["toolchain"][0]["functions"][0], "now");
}
