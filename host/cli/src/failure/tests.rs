use super::*;
use crate::color::Palette;
use crate::interrupt::Signal;
use dray::image::{Damage, DocumentFault, ImageError};
use dray::oci::{Algorithm, DiffId, Digest, DocumentError, DocumentKind, MediaType, Platform, Reference};
use dray::ports::{Class, FetchFailure, FetchFault, FetchReason, PluginFailure, PluginFault, StoreError};
use dray::pull::{Lack, PullError};
use dray::rules::RuleError;
use dray::verify::{Mismatch, digest_of};

fn digest(text: &str) -> Digest {
    digest_of(Algorithm::Sha256, text.as_bytes())
}

fn fetch(fault: FetchFault) -> FetchFailure {
    let failure = FetchFailure::new(fault, "GET failed").with_reason(FetchReason::Interrupted);
    failure.with_source("connection reset")
}

fn plugin(fault: PluginFault) -> PluginFailure {
    PluginFailure::new(fault, "p", "plugin `p` did not answer").with_hint("ask its authors")
}

fn store(class: Class) -> StoreError {
    StoreError::new(class, "read blob")
}

fn resolve(fault: FetchFault) -> PullError {
    PullError::Resolve { reference: "r".to_owned(), source: fetch(fault) }
}

/// One of every variant, with the number that programs see.
fn every_pull_error() -> Vec<(PullError, u8)> {
    let what = "layer";
    let name = || "overlayfs".to_owned();
    let kind = DocumentKind::Manifest;
    let document = |source| PullError::Document { kind, digest: digest("d"), source };
    vec![
        (PullError::Reference { source: Reference::parse("X").unwrap_err() }, 2),
        (PullError::UnpackSeveral, 2),
        (PullError::NotAvailable { name: "x".to_owned(), source: Lack::Record }, 4),
        (
            PullError::NotAvailable {
                name: "x".to_owned(),
                source: Lack::Damaged { blobs: 1, first: "index".to_owned() },
            },
            7,
        ),
        (PullError::Image { source: ImageError::NoRecord { name: "x".to_owned() } }, 4),
        (PullError::Image { source: ImageError::Ambiguous { name: "x".to_owned(), images: Vec::new() } }, 2),
        (PullError::Absent { what, digest: digest("d") }, 4),
        (resolve(FetchFault::NotFound), 4),
        (resolve(FetchFault::Denied), 5),
        (resolve(FetchFault::Unavailable), 6),
        (resolve(FetchFault::Protocol), 7),
        (resolve(FetchFault::Configuration), 3),
        (PullError::Fetch { what, digest: digest("d"), source: fetch(FetchFault::Denied) }, 5),
        (
            PullError::Mismatch {
                what,
                source: Mismatch::Short { digest: digest("d"), expected: 2, found: 1 },
            },
            7,
        ),
        (document(DocumentError::OtherKind { kind, found: "x".to_owned() }.into()), 7),
        (document(DocumentError::Schema1 { kind }.into()), 10),
        (
            PullError::Damaged {
                what,
                digest: digest("d"),
                others: vec!["one".to_owned()],
                source: Damage::Lost(store(Class::Damaged)),
            },
            7,
        ),
        (PullError::WrongSize { what, digest: digest("d"), stated: 2, size: 1 }, 7),
        (PullError::EmptyBlob { what, digest: digest("d") }, 7),
        (PullError::Algorithm { what, digest: digest("d") }, 10),
        (
            PullError::Decrypt {
                layer: digest("l"),
                media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
                schemes: vec!["jwe".to_owned()],
                source: store(Class::Unknown),
            },
            9,
        ),
        (PullError::NotAnImage { name: "r".to_owned(), media_type: MediaType::new("x/y") }, 10),
        (
            PullError::NoPlatform {
                name: "r".to_owned(),
                wanted: "linux/amd64".to_owned(),
                offered: vec![Platform::new("linux", "arm64", ""), Platform::new("unknown", "unknown", "")],
            },
            10,
        ),
        (PullError::LayerCount { layers: 2, diff_ids: 1 }, 7),
        (
            PullError::WrongDiffId {
                layer: digest("l"),
                expected: DiffId::from_uncompressed(digest("a")),
                found: DiffId::from_uncompressed(digest("b")),
            },
            7,
        ),
        (PullError::UnknownSnapshotter { name: "x".to_owned(), known: vec![name(), "native".to_owned()] }, 3),
        (PullError::DeadSnapshotter { name: name(), reason: "no kernel support".to_owned() }, 9),
        (PullError::Plugin { kind: "platform", source: plugin(PluginFault::Trap) }, 8),
        (PullError::Plugin { kind: "platform", source: plugin(PluginFault::InvalidConfig) }, 3),
        (
            PullError::Plan {
                plugin: "p 1".to_owned(),
                origin: "file:p.wasm".to_owned(),
                source: RuleError::LayerCount { expected: 2, found: 1 },
            },
            8,
        ),
        (
            PullError::Foreign {
                snapshotter: name(),
                code: "c".to_owned(),
                reason: "it is encrypted".to_owned(),
                tried: vec![name()],
            },
            10,
        ),
        (
            PullError::UnreachableSnapshotter {
                name: name(),
                address: "/run/s.sock".to_owned(),
                source: store(Class::Unavailable),
            },
            9,
        ),
        (
            PullError::NotReadable {
                snapshotter: name(),
                advice: vec!["set `insecure`".to_owned()],
                source: store(Class::Unknown),
            },
            9,
        ),
        (
            PullError::LostSnapshotter {
                snapshotter: name(),
                layer: digest("l"),
                position: 3,
                layers: 12,
                source: store(Class::Unavailable),
            },
            9,
        ),
        (
            PullError::SlowSnapshotter {
                snapshotter: name(),
                layer: digest("l"),
                position: 3,
                layers: 12,
                seconds: 120,
            },
            9,
        ),
        (PullError::SilentSnapshotter { name: name(), address: "/run/s.sock".to_owned(), seconds: 10 }, 9),
        (PullError::NotProvided { snapshotter: name(), layer: digest("l") }, 9),
        (PullError::Phantom { snapshotter: name(), layer: digest("l") }, 9),
        (PullError::Store { doing: "taking a lease".to_owned(), source: store(Class::Unreachable) }, 9),
        (PullError::Store { doing: "reading".to_owned(), source: store(Class::Damaged) }, 7),
        (PullError::Cancelled, 130),
    ]
}

#[test]
fn every_pull_error_has_an_exit_status() {
    for (error, code) in every_pull_error() {
        let described = format!("{error:?}");
        assert_eq!(Failure::from(error).exit_code(), code, "{described}");
    }
}

#[test]
fn a_failure_has_message_causes_and_hints() {
    let failure = Failure::from(resolve(FetchFault::Denied));
    assert_eq!(
        failure.to_text(Palette::NONE),
        "error: cannot resolve `r`\n  1: GET failed\n  2: connection reset\nhint: try again; if the error persists, the log of the registry or of a \
         proxy may say why\n"
    );
    assert_eq!(
        failure.to_json(),
        r#"{"error":{"kind":"denied","message":"cannot resolve `r`","causes":["GET failed","connection reset"],"hints":["try again; if the error persists, the log of the registry or of a proxy may say why"]}}"#
    );
}

#[test]
fn every_cause_is_shown_once() {
    let source = DocumentFault::from(Mismatch::Long { digest: digest("d"), expected: 1 });
    let source = ImageError::Document { kind: DocumentKind::Config, digest: digest("d"), source };
    let source = Lack::Unusable { source };
    let failure = Failure::from(PullError::NotAvailable { name: "x".to_owned(), source });
    let digest = digest("d");
    assert_eq!(
        failure.to_text(Palette::NONE),
        format!(
            "error: image `x` is not available in the store\n  1: what is there cannot be used\n  \
             2: image config {digest} cannot be used\n  3: blob {digest} has more than the 1 bytes that its descriptor states\nhint: pull it again\n"
        )
    );
}

#[test]
fn hints_list_the_alternatives() {
    let hints = |error: PullError| Failure::from(error).hints.join("\n");
    for (error, _) in every_pull_error() {
        match error {
            PullError::NoPlatform { .. } => {
                let hints = hints(error);
                assert!(hints.ends_with("the image offers `linux/arm64`"), "{hints}");
            }
            PullError::UnknownSnapshotter { .. } => {
                let hints = hints(error);
                assert!(hints.ends_with("containerd has `overlayfs`, `native`"), "{hints}");
            }
            _ => {}
        }
    }
}

#[test]
fn a_repeated_cause_is_skipped() {
    let inner = io::Error::other("refused");
    let middle = store(Class::Unknown).with_source(inner);
    let outer = io::Error::other(middle);
    // An `io::Error` around another error prints that error's text and names its source as its own.
    let failure = Failure::internal("cannot read blob", &outer);
    assert_eq!(failure.causes, ["refused"]);
}

#[test]
fn the_signal_decides_the_exit_code_of_a_cancelled_command() {
    let cancelled = |signal| Failure::cancelled(signal).exit_code();
    assert_eq!(cancelled(Some(Signal::Interrupt)), 130);
    assert_eq!(cancelled(Some(Signal::Terminate)), 143);
    assert_eq!(Failure::new(Kind::Usage, "x").by_signal(Some(Signal::Terminate)).exit_code(), 2);
}

#[test]
fn a_failed_connection_has_hints() {
    let failure = Failure::connecting(&store(Class::Unreachable));
    assert_eq!(failure.exit_code(), 9);
    assert!(failure.hints.iter().any(|hint| hint.contains("--address")));
    assert!(Failure::connecting(&store(Class::Denied)).hints[0].contains("root"));
    assert_eq!(Failure::connecting(&store(Class::InvalidArgument)).exit_code(), 2);
}

#[test]
fn text_from_outside_is_escaped() {
    let mut failure = fetch(FetchFault::Denied);
    failure.message = "\u{1b}]0;title\u{7}\u{202e}".to_owned();
    let text = Failure::from(failure).to_text(Palette::NONE);
    assert!(text.starts_with("error: \\u{1b}]0;title\\u{7}\\u{202e}\n"), "{text}");
}

#[test]
fn a_reference_with_a_scheme_gets_a_hint() {
    let hint = |text| {
        let source = Reference::parse(text).unwrap_err();
        Failure::from(PullError::Reference { source }).hints.remove(0)
    };
    assert!(hint("https://registry.example.com/x").starts_with("leave out `https://`"));
    assert!(hint("http://registry.example.com/x").contains("`--plain-http`"));
    assert!(hint("a//b").starts_with("a reference looks like"));
}

#[test]
fn a_plugin_that_cannot_be_read_gets_a_hint() {
    let without =
        |fault| Failure::from(PluginFailure::new(fault, "/none", "cannot read plugin `/none`")).hints;
    assert!(
        without(PluginFault::Unreadable)[0]
            .starts_with("check the path of the file; the embedded plugins are `cvmfs`, `nydus`")
    );
    assert!(without(PluginFault::Trap).is_empty());
    assert_eq!(Failure::from(plugin(PluginFault::Unreadable)).hints, ["ask its authors"]);
}

/// The page has one row per kind.
#[test]
fn every_exit_status_is_documented() {
    let page = include_str!("../../../../docs/cli.md");
    for kind in Kind::ALL {
        let row = format!("| {} | `{}` | {} |\n", kind.exit_code(), kind.name(), kind.meaning());
        assert!(page.contains(&row), "docs/cli.md lacks the row\n{row}");
    }
}
