use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::meter::Meter;
use crate::amounts;
use crate::color::Style;
use crate::screen::{Line, Screen};
use dray::oci::{Digest, DocumentKind, Platform};
use dray::ports::{DocumentState, Event, LayerState, Progress};
use dray::text::escape;

/// A display with one line per layer. Events update the state; [`TerminalProgress::draw`] shows it.
pub(super) struct TerminalProgress {
    screen: Arc<Screen>,
    reference: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    resolved: bool,
    /// The document in progress.
    document: Option<(DocumentKind, DocumentState)>,
    platforms: Vec<Platform>,
    layers: Vec<Layer>,
}

struct Layer {
    digest: Digest,
    size: u64,
    state: LayerState,
    meter: Meter,
    /// The snapshotter that takes long to answer, and how long it has taken.
    asked_for: Option<(String, Duration)>,
}

impl TerminalProgress {
    pub(super) fn new(screen: Arc<Screen>, reference: String) -> Self {
        Self { screen, reference, state: Mutex::default() }
    }

    /// Draws the current state.
    pub(super) fn draw(&self) {
        let rows = self.screen.area_rows();
        let area = self.picture(rows, Instant::now());
        self.screen.show(area);
    }

    /// Draws for the last time.
    pub(super) fn end(&self) {
        self.draw();
        self.screen.settle();
    }

    fn picture(&self, rows: usize, now: Instant) -> Vec<Line> {
        let mut state = self.state();
        let (style, status) = match (state.platforms.as_slice(), state.document) {
            ([platform], _) => (Style::Plain, escape::line(&platform.format_all())),
            ([_, _, ..], _) => (Style::Plain, amounts::count(state.platforms.len(), "platform")),
            ([], Some((kind, DocumentState::Reading))) => (Style::Active, format!("reading the {kind}")),
            ([], Some((kind, DocumentState::WaitingForOther))) => {
                (Style::Faint, format!("waiting for another client with the {kind}"))
            }
            ([], None) if state.resolved => (Style::Active, "reading".to_owned()),
            ([], None) => (Style::Active, "resolving".to_owned()),
        };
        let mut lines =
            vec![Line::default().with(Style::Plain, &format!("{}  ", self.reference)).with(style, &status)];
        for layer in &mut state.layers {
            if let LayerState::Downloading { offset } = layer.state {
                layer.meter.note(now, offset);
            }
        }
        lines.extend(layer_lines(&state.layers, rows.saturating_sub(1)));
        lines
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for TerminalProgress {
    fn event(&self, event: Event) {
        match event {
            Event::Resolved { .. } => self.state().resolved = true,
            Event::Document { kind, state, .. } => self.state().document = Some((kind, state)),
            Event::Planned { platforms, layers } => {
                let mut state = self.state();
                state.platforms = platforms;
                let layers = layers.into_iter();
                state.layers = layers
                    .map(|(digest, size)| Layer {
                        digest,
                        size,
                        state: LayerState::Waiting,
                        meter: Meter::default(),
                        asked_for: None,
                    })
                    .collect();
            }
            Event::Layer { index, state } => {
                if let Some(layer) = self.state().layers.get_mut(index) {
                    layer.state = state;
                    layer.asked_for = None;
                }
            }
            Event::WaitingForSnapshotter { snapshotter, index, elapsed } => {
                if let Some(layer) = self.state().layers.get_mut(index) {
                    layer.asked_for = Some((snapshotter, elapsed));
                }
            }
            Event::Warning { message } => {
                let word = self.screen.palette().paint(Style::Warning, "warning");
                self.screen.print(&format!("{word}: {}", escape::line(&message)));
            }
        }
    }
}

/// One line per layer. If the terminal has too few rows, active layers are shown and the others counted.
fn layer_lines(layers: &[Layer], rows: usize) -> Vec<Line> {
    if layers.len() <= rows {
        return layers.iter().map(Layer::line).collect();
    }
    let finished = layers.iter().filter(|layer| layer.is_finished()).count();
    let at_work = |layer: &&Layer| layer.is_at_work();
    let shown: Vec<&Layer> = layers.iter().filter(at_work).take(rows.saturating_sub(2)).collect();
    let others = layers.len() - finished - shown.len();
    let counted = |number: usize, what: &str| {
        (number > 0).then(|| {
            Line::default().with(Style::Faint, &format!("{} {what}", amounts::count(number, "layer")))
        })
    };
    let mut lines = Vec::with_capacity(shown.len() + 2);
    lines.extend(counted(finished, "done"));
    lines.extend(shown.into_iter().map(Layer::line));
    lines.extend(counted(others, "waiting"));
    lines.truncate(rows);
    lines
}

impl Layer {
    fn is_finished(&self) -> bool {
        matches!(self.state, LayerState::Done | LayerState::Exists | LayerState::Provided)
    }

    /// Whether it is active right now.
    fn is_at_work(&self) -> bool {
        matches!(
            self.state,
            LayerState::Downloading { .. }
                | LayerState::WaitingForOther
                | LayerState::Extracting
                | LayerState::Asking
        )
    }

    fn line(&self) -> Line {
        let size = amounts::bytes(self.size);
        let (style, status, details) = match self.state {
            LayerState::Waiting => (Style::Faint, "waiting", size),
            LayerState::Downloading { offset } => (Style::Active, "downloading", self.download(offset)),
            LayerState::WaitingForOther => (Style::Faint, "waiting", "for another client".to_owned()),
            LayerState::Downloaded => (Style::Plain, "downloaded", size),
            LayerState::Extracting => (Style::Active, "extracting", size),
            LayerState::Asking => match &self.asked_for {
                None => (Style::Active, "asking", "the snapshotter".to_owned()),
                Some((name, elapsed)) => {
                    let details =
                        format!("for snapshotter `{}`, {} s", escape::line(name), elapsed.as_secs());
                    (Style::Active, "waiting", details)
                }
            },
            LayerState::Done => (Style::Good, "done", size),
            LayerState::Exists => (Style::Good, "exists", size),
            LayerState::Provided => (Style::Good, "provided", size),
        };
        Line::default()
            .with(Style::Plain, &format!("{}  ", self.digest.short()))
            .with(style, &format!("{status:<11}"))
            .with(Style::Plain, &format!("  {details}"))
    }

    fn download(&self, offset: u64) -> String {
        let mut text = format!("{} / {}", amounts::bytes(offset), amounts::bytes(self.size));
        if let Some(rate) = self.meter.rate() {
            let _ = write!(text, "  {}/s", amounts::bytes(rate));
        }
        if let Some(time) = self.meter.time_left(self.size.saturating_sub(offset)) {
            let _ = write!(text, "  {} left", amounts::coarse(time));
        }
        text
    }
}

#[cfg(test)]
impl TerminalProgress {
    /// The display as text, at a point in time.
    pub(super) fn text(&self, rows: usize, now: Instant) -> String {
        let mut text = String::new();
        for line in self.picture(rows, now) {
            text.push_str(&line.to_text());
            text.push('\n');
        }
        text
    }
}
