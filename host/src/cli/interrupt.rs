use std::io;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

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

/// How long telling the user may hold up the cancelling: standard error may be a pipe that nobody reads.
const TELLING: Duration = Duration::from_secs(1);

/// Watches for signals until it is dropped: the first cancels and lets the clean-up happen, the second ends
/// the program at once.
pub(super) struct Interrupt {
    cancel: CancellationToken,
    first: Arc<OnceLock<Signal>>,
    _watched: DropGuard,
}

impl Interrupt {
    /// Begins to watch, in a thread of its own: whatever keeps the other threads busy, or blocks them, keeps no signal
    /// waiting.
    pub(super) fn watch(screen: Arc<Screen>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(entered);
        let cancel = CancellationToken::new();
        let first = Arc::new(OnceLock::new());
        let watched = CancellationToken::new();
        let watch = watch(signals, screen, cancel.clone(), Arc::clone(&first));
        let unwatched = watched.clone().cancelled_owned();
        thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = unwatched => {}
                    () = watch => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { cancel, first, _watched: watched.drop_guard() })
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

async fn watch(
    (mut interrupts, mut terminations): (unix::Signal, unix::Signal),
    screen: Arc<Screen>,
    cancel: CancellationToken,
    first: Arc<OnceLock<Signal>>,
) {
    loop {
        let signal = tokio::select! {
            _ = interrupts.recv() => Signal::Interrupt,
            _ = terminations.recv() => Signal::Terminate,
        };
        if first.set(signal).is_err() {
            exit_at_once(signal);
        }
        let (screen, cancel) = (Arc::clone(&screen), cancel.clone());
        tokio::spawn(async move {
            // In this order: a pull that ends at once must not end before the user has been told.
            let telling =
                spawn_blocking(move || screen.print("cancelling, press ctrl-c again to stop at once"));
            let _ = timeout(TELLING, telling).await;
            cancel.cancel();
        });
    }
}

#[expect(clippy::exit, reason = "the user asked twice; waiting for anything is what they do not want")]
fn exit_at_once(signal: Signal) -> ! {
    std::process::exit(signal.exit_code().into())
}
