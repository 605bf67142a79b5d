use std::sync::{Arc, Mutex, PoisonError};

use crate::amounts;
use crate::color::Style;
use crate::screen::Screen;
use dray::oci::{Digest, DocumentKind, Platform};
use dray::ports::{DocumentState, Event, LayerState, Progress};
use dray::text::escape;

/// One line per step, without control characters. Byte counts are not shown, because a log would repeat the same
/// line.
pub(super) struct PlainProgress {
    screen: Arc<Screen>,
    reference: String,
    warnings_only: bool,
    layers: Mutex<Vec<Layer>>,
    /// The last document with a message that another client fetches it.
    waited_for: Mutex<Option<Digest>>,
}

struct Layer {
    digest: Digest,
    size: u64,
    /// Whether a message said that another client fetches it.
    told_to_wait: bool,
}

impl PlainProgress {
    pub(super) fn new(screen: Arc<Screen>, reference: String, warnings_only: bool) -> Self {
        Self { screen, reference, warnings_only, layers: Mutex::default(), waited_for: Mutex::default() }
    }

    fn document_to_wait_for(&self, kind: DocumentKind, digest: Digest) -> Option<String> {
        let mut waited_for = self.waited_for.lock().unwrap_or_else(PoisonError::into_inner);
        if waited_for.as_ref() == Some(&digest) {
            return None;
        }
        let line = format!("{kind} {}: waiting for another client", digest.short());
        *waited_for = Some(digest);
        Some(line)
    }

    fn layer(&self, index: usize, state: &LayerState) -> Option<String> {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = layers.len();
        let layer = layers.get_mut(index)?;
        let what = match state {
            LayerState::Done => "done",
            LayerState::Exists => "exists",
            LayerState::Provided => "provided by the snapshotter",
            LayerState::WaitingForOther if !std::mem::replace(&mut layer.told_to_wait, true) => {
                "waiting for another client"
            }
            _ => return None,
        };
        let (digest, size) = (layer.digest.short(), amounts::bytes(layer.size));
        Some(format!("layer {}/{count} {digest}: {what} ({size})", index + 1))
    }
}

impl Progress for PlainProgress {
    fn event(&self, event: Event) {
        let line = match event {
            Event::Warning { message } => {
                let word = self.screen.palette().paint(Style::Warning, "warning");
                Some(format!("{word}: {}", escape::line(&message)))
            }
            _ if self.warnings_only => None,
            Event::Resolved { digest } => Some(format!("{}: {digest}", self.reference)),
            Event::Document { kind, digest, state: DocumentState::WaitingForOther } => {
                self.document_to_wait_for(kind, digest)
            }
            Event::Document { .. } => None,
            Event::Planned { platforms, layers } => {
                let bytes = layers.iter().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
                let (count, bytes) = (amounts::count(layers.len(), "layer"), amounts::bytes(bytes));
                let layers = layers.into_iter();
                *self.layers.lock().unwrap_or_else(PoisonError::into_inner) =
                    layers.map(|(digest, size)| Layer { digest, size, told_to_wait: false }).collect();
                let platforms: Vec<String> = platforms.iter().map(Platform::format_all).collect();
                Some(format!("{}: {count}, {bytes}", escape::line(&platforms.join(", "))))
            }
            Event::Layer { index, state } => self.layer(index, &state),
            Event::WaitingForSnapshotter { snapshotter, index, elapsed } => {
                let layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner).len();
                let (snapshotter, seconds) = (escape::line(&snapshotter), elapsed.as_secs());
                let layer = format!("layer {} of {layers}", index + 1);
                Some(format!("waiting for snapshotter `{snapshotter}`, {layer}, {seconds} s"))
            }
        };
        if let Some(line) = line {
            self.screen.print(&line);
        }
    }
}
