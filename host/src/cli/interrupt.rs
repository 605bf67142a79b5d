use std::io;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::screen::Screen;

/// A signal that ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGINT, what ctrl-c sends.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// The exit status that shells know for a program that this signal ended.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// Watches for signals until it is dropped: the first cancels and lets the clean-up happen, the second ends
/// the program at once.
pub(super) struct Interrupt {
    cancel: CancellationToken,
    first: Arc<OnceLock<Signal>>,
    _watch: AbortOnDropHandle<()>,
}

impl Interrupt {
    /// Begins to watch. Must be called inside the runtime.
    pub(super) fn watch(screen: Arc<Screen>) -> io::Result<Self> {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let cancel = CancellationToken::new();
        let first = Arc::new(OnceLock::new());
        let (cancelled, remembered) = (cancel.clone(), Arc::clone(&first));
        let watch = tokio::spawn(async move {
            loop {
                let signal = tokio::select! {
                    _ = interrupts.recv() => Signal::Interrupt,
                    _ = terminations.recv() => Signal::Terminate,
                };
                if remembered.set(signal).is_err() {
                    exit_at_once(signal);
                }
                // In this order: a pull that ends at once must not end before the user has been told.
                screen.print("cancelling, press ctrl-c again to stop at once");
                cancelled.cancel();
            }
        });
        Ok(Self { cancel, first, _watch: AbortOnDropHandle::new(watch) })
    }

    /// Is cancelled by the first signal.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// The first signal, if one came.
    pub(super) fn signal(&self) -> Option<Signal> {
        self.first.get().copied()
    }
}

#[expect(clippy::exit, reason = "the user asked twice; waiting for anything is what they do not want")]
fn exit_at_once(signal: Signal) -> ! {
    std::process::exit(signal.exit_code().into())
}
