use std::time::Instant;

use super::*;
use crate::screen::memory::Memory;
use dray::oci::{Algorithm, Digest, DocumentKind, Platform};
use dray::ports::{DocumentState, Event, LayerState};
use dray::verify::digest_of;

const REFERENCE: &str = "docker.io/library/debian:12";

fn digest(text: &str) -> Digest {
    digest_of(Algorithm::Sha256, text.as_bytes())
}

fn planned(layers: usize) -> Event {
    Event::Planned {
        platforms: vec![Platform::new("linux", "amd64", "")],
        layers: (0..layers).map(|index| (digest(&index.to_string()), 4 << 20)).collect(),
    }
}

fn state(index: usize, state: LayerState) -> Event {
    Event::Layer { index, state }
}

fn warning() -> Event {
    Event::Warning { message: "\u{1b}[2Jcareful".to_owned() }
}

fn picture() -> (TerminalProgress, Memory) {
    let (screen, memory) = Memory::screen(100, 24);
    (TerminalProgress::new(Arc::new(screen), REFERENCE.to_owned()), memory)
}

#[test]
fn plain_lines_are_printed_once() {
    let (screen, memory) = Memory::screen(80, 24);
    let progress = PlainProgress::new(Arc::new(screen), REFERENCE.to_owned(), false);
    progress.event(Event::Resolved { digest: digest("index") });
    for (kind, state) in [
        (DocumentKind::Index, DocumentState::WaitingForOther),
        (DocumentKind::Index, DocumentState::WaitingForOther),
        (DocumentKind::Index, DocumentState::Reading),
        (DocumentKind::Config, DocumentState::Reading),
    ] {
        progress.event(Event::Document { kind, digest: digest(kind.as_str()), state });
    }
    progress.event(planned(3));
    progress.event(state(0, LayerState::Exists));
    for offset in [0, 1 << 20, 2 << 20] {
        progress.event(state(1, LayerState::Downloading { offset }));
    }
    progress.event(state(2, LayerState::WaitingForOther));
    progress.event(state(2, LayerState::WaitingForOther));
    progress.event(state(1, LayerState::Downloaded));
    progress.event(state(1, LayerState::Extracting));
    progress.event(state(1, LayerState::Done));
    progress.event(state(2, LayerState::Provided));
    progress.event(state(99, LayerState::Done));
    progress.event(warning());
    let (index, zero, one, two) = (digest("index"), digest("0"), digest("1"), digest("2"));
    let expected = format!(
        "{REFERENCE}: {index}\n\
         image index {}: waiting for another client\n\
         linux/amd64: 3 layers, 12.0 MiB\n\
         layer 1/3 {}: exists (4.0 MiB)\n\
         layer 3/3 {}: waiting for another client (4.0 MiB)\n\
         layer 2/3 {}: done (4.0 MiB)\n\
         layer 3/3 {}: provided by the snapshotter (4.0 MiB)\n\
         warning: \\u{{1b}}[2Jcareful\n",
        digest("image index").short(),
        zero.short(),
        two.short(),
        one.short(),
        two.short(),
    );
    assert_eq!(memory.take(), expected);
}

#[test]
fn quiet_mode_shows_warnings() {
    let (screen, memory) = Memory::screen(80, 24);
    let progress = PlainProgress::new(Arc::new(screen), REFERENCE.to_owned(), true);
    progress.event(Event::Resolved { digest: digest("index") });
    progress.event(planned(1));
    progress.event(state(0, LayerState::Done));
    assert_eq!(memory.take(), "");
    progress.event(warning());
    assert_eq!(memory.take(), "warning: \\u{1b}[2Jcareful\n");
}

#[test]
fn a_frame_has_one_line_per_layer() {
    let (progress, _) = picture();
    let now = Instant::now();
    assert_eq!(progress.text(23, now), format!("{REFERENCE}  resolving\n"));
    progress.event(Event::Resolved { digest: digest("index") });
    assert_eq!(progress.text(23, now), format!("{REFERENCE}  reading\n"));
    let kind = DocumentKind::Manifest;
    for (state, text) in [
        (DocumentState::WaitingForOther, "waiting for another client with the image manifest"),
        (DocumentState::Reading, "reading the image manifest"),
    ] {
        progress.event(Event::Document { kind, digest: digest("manifest"), state });
        assert_eq!(progress.text(23, now), format!("{REFERENCE}  {text}\n"));
    }
    progress.event(planned(4));
    progress.event(state(0, LayerState::Exists));
    progress.event(state(1, LayerState::Extracting));
    progress.event(state(2, LayerState::Downloading { offset: 0 }));
    progress.text(23, now);
    progress.event(state(2, LayerState::Downloading { offset: 1 << 20 }));
    let expected = format!(
        "{REFERENCE}  linux/amd64\n\
         {}  exists       4.0 MiB\n\
         {}  extracting   4.0 MiB\n\
         {}  downloading  1.0 MiB / 4.0 MiB  1.0 MiB/s  3 s left\n\
         {}  waiting      4.0 MiB\n",
        digest("0").short(),
        digest("1").short(),
        digest("2").short(),
        digest("3").short(),
    );
    assert_eq!(progress.text(23, now + Duration::from_secs(1)), expected);
}

#[test]
fn with_few_rows_active_layers_are_shown() {
    let (progress, _) = picture();
    progress.event(planned(10));
    for index in 0..4 {
        progress.event(state(index, LayerState::Done));
    }
    progress.event(state(4, LayerState::Extracting));
    progress.event(state(5, LayerState::Downloaded));
    progress.event(state(6, LayerState::WaitingForOther));
    let (four, six) = (digest("4"), digest("6"));
    let expected = format!(
        "{REFERENCE}  linux/amd64\n\
         4 layers done\n\
         {}  extracting   4.0 MiB\n\
         {}  waiting      for another client\n\
         4 layers waiting\n",
        four.short(),
        six.short(),
    );
    assert_eq!(progress.text(6, Instant::now()), expected);
    for rows in 1..12 {
        let lines = progress.text(rows, Instant::now()).lines().count();
        assert!(lines <= rows, "{lines} lines in {rows} rows");
    }
}

#[test]
fn the_last_frame_stays() {
    let (progress, memory) = picture();
    progress.event(planned(1));
    progress.draw();
    progress.event(state(0, LayerState::Done));
    progress.event(warning());
    progress.end();
    let written = memory.take();
    assert!(written.contains("warning: \\u{1b}[2Jcareful\n"), "{written:?}");
    assert!(
        written.ends_with(&format!("{}  done         4.0 MiB\u{1b}[K\n\u{1b}[J", digest("0").short())),
        "{written:?}"
    );
}
