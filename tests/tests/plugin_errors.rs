//! Errors of a failed plugin: who is at fault, what the plugin said, and where it failed.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

use std::error::Error;

use dray::oci::Platform;
use dray::plugin::{PluginHost, PluginSource};
use dray::ports::{PluginFailure, PluginFault};
use dray_tests::guests::{Export, Guest};

/// The failure of a platform plugin.
async fn failure(guest: &Guest) -> PluginFailure {
    let scratch = tempfile::tempdir().unwrap();
    let source = PluginSource::read(&guest.write(scratch.path(), "guest.wasm")).unwrap();
    let offered = [Platform::new("linux", "amd64", "")];
    match PluginHost::new(None).matcher(&source, "{}").await {
        Ok(matcher) => matcher.rank(&offered, &offered).await.expect_err("the plugin fails"),
        Err(failure) => failure,
    }
}

/// The message without the name of the plugin, and the causes.
fn told(failure: &PluginFailure) -> Vec<String> {
    let mut texts = vec![failure.message.replace(&failure.plugin, "x")];
    let mut source = failure.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts
}

const DENIED: u8 = 2;
const UNSUPPORTED: u8 = 1;

#[tokio::test]
async fn a_refusal_names_the_call() {
    for (export, case, message) in [
        (Export::CheckConfig, DENIED, "plugin `x` decided against its configuration"),
        (Export::CheckConfig, UNSUPPORTED, "plugin `x` does not handle a configuration of this kind"),
        (Export::Work, DENIED, "plugin `x` decided against the platforms"),
        (Export::Work, UNSUPPORTED, "plugin `x` does not handle platforms of this kind"),
    ] {
        let failure = failure(&Guest::platform().fail(export, case, "why", "it is so")).await;
        assert_eq!(failure.fault, PluginFault::Refused);
        assert_eq!(told(&failure), [message, "it is so (`why`)"]);
    }
}

#[tokio::test]
async fn a_trap_names_functions_without_addresses() {
    let guest = Guest::platform()
        .item("(func $inner unreachable) (func $\"outer\\0a\\1b[2J\" (call $inner))")
        .before(Export::Work, "(call $\"outer\\0a\\1b[2J\")");
    let told = told(&failure(&guest).await);
    assert_eq!(
        told,
        [
            "`rank` of plugin `x` ended itself or was ended",
            "wasm trap: wasm `unreachable` instruction executed",
            "in `inner`, called by `outer\u{fffd}\u{fffd}[2J`",
        ]
    );
}

const STREAMS: [&str; 2] = [
    "package wasi:io@0.2.3; interface error { resource error; } interface streams { use error.{error};
       variant stream-error { last-operation-failed(error), closed }
       resource output-stream {
         blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; } }",
    "package wasi:cli@0.2.3; interface stderr { use wasi:io/streams@0.2.3.{output-stream};
       get-stderr: func() -> output-stream; }
     interface exit { exit: func(status: result); }",
];

/// A platform plugin that writes to standard error and then ends like this.
fn writing(text: &str, ending: &str) -> Guest {
    let world = "import wasi:cli/stderr@0.2.3; import wasi:cli/exit@0.2.3; import wasi:io/streams@0.2.3;";
    let escaped = text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<Vec<_>>().concat();
    let items = format!(
        r#"(import "wasi:cli/stderr@0.2.3" "get-stderr" (func $stderr (result i32)))
           (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
           (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
             (func $write (param i32 i32 i32 i32)))
           (data (i32.const 512) "{escaped}")"#
    );
    let write =
        format!("(call $write (call $stderr) (i32.const 512) (i32.const {}) (i32.const 64))", text.len());
    Guest::platform().import(world, &STREAMS).item(&items).before(Export::Work, &format!("{write} {ending}"))
}

#[tokio::test]
async fn a_failure_quotes_standard_error() {
    let text = "panic: boom\n\tat \x1b[31mmain.go:7\n\nlast words, \"quoted\"";
    let failure = failure(&writing(text, "unreachable")).await;
    assert_eq!(
        told(&failure),
        [
            "`rank` of plugin `x` ended itself or was ended",
            "wasm trap: wasm `unreachable` instruction executed",
            "it wrote: \"panic: boom\"",
            "it wrote: \"at \u{fffd}[31mmain.go:7\"",
            "it wrote: \"last words, \\\"quoted\\\"\"",
        ]
    );
    assert_eq!(failure.hint.as_deref(), Some("report this to the author of the plugin"));
}

#[tokio::test]
async fn every_kind_of_failure_quotes_a_part_of_long_output() {
    let lines: Vec<String> = (1..=300).map(|line| format!("line {line} xxxxx\n")).collect();
    let text = lines.concat();
    for (ending, fault) in [
        ("unreachable", PluginFault::Trap),
        ("(call $exit (i32.const 1))", PluginFault::Trap),
        ("(loop $again (br $again))", PluginFault::Timeout),
        ("(drop (memory.grow (i32.const 2000))) unreachable", PluginFault::OutOfMemory),
    ] {
        let failure = failure(&writing(&text[..2000], ending)).await;
        assert_eq!(failure.fault, fault);
        let told = told(&failure);
        let wrote: Vec<&str> = told.iter().filter_map(|text| text.strip_prefix("it wrote: ")).collect();
        assert_eq!(
            wrote[..4],
            ["\"line 1 xxxxx\"", "\"line 2 xxxxx\"", "\"line 3 xxxxx\"", "\"…\""],
            "{told:?}"
        );
        assert_eq!(wrote.len(), 7, "{told:?}");
        assert!(!told.iter().any(|text| text.contains('\n')), "{told:?}");
    }
}
