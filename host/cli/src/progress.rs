//! Shows the progress of a pull on standard error.

mod meter;
mod plain;
mod terminal;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use self::plain::PlainProgress;
use self::terminal::TerminalProgress;
use super::screen::Screen;
use dray::ports::Progress;
use dray::text::escape;

/// Time between two frames: short enough to look alive, long enough to read.
const PICTURE_TIME: Duration = Duration::from_millis(100);

/// The form of the progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Warnings only.
    Quiet,
    /// A line for every step, for logs.
    Lines,
    /// A redrawn display with one line per layer.
    Picture,
}

/// The progress of one pull.
pub(super) struct View {
    progress: Arc<dyn Progress>,
    picture: Option<(Arc<TerminalProgress>, AbortOnDropHandle<()>)>,
}

impl View {
    /// Starts the display. Must be called inside the runtime.
    pub(super) fn start(manner: Manner, screen: &Arc<Screen>, name: &str) -> Self {
        let screen = Arc::clone(screen);
        let shown = escape::line(name);
        if manner != Manner::Picture {
            let plain = PlainProgress::new(screen, shown, manner == Manner::Quiet);
            return Self { progress: Arc::new(plain), picture: None };
        }
        let terminal = Arc::new(TerminalProgress::new(screen, shown));
        let drawn = Arc::clone(&terminal);
        let ticker = tokio::spawn(async move {
            let mut ticks = interval(PICTURE_TIME);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                drawn.draw();
            }
        });
        let progress = Arc::clone(&terminal) as Arc<dyn Progress>;
        Self { progress, picture: Some((terminal, AbortOnDropHandle::new(ticker))) }
    }

    /// The receiver of the pull's events.
    pub(super) fn progress(&self) -> Arc<dyn Progress> {
        Arc::clone(&self.progress)
    }

    /// Shows the last state and leaves it there.
    pub(super) fn end(self) {
        if let Some((terminal, ticker)) = self.picture {
            drop(ticker);
            terminal.end();
        }
    }
}
