use std::io;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
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

/// Watches for signals: the first cancels and lets the clean-up happen, the second ends the program at once. After
/// it was dropped there is nothing more to clean up, and the first one ends the program.
pub(super) struct Interrupt {
    cancel: CancellationToken,
    first: Arc<OnceLock<Signal>>,
    _cleaned_up: DropGuard,
}

impl Interrupt {
    /// Begins to watch, in a thread of its own: whatever keeps the other threads busy, or blocks them, keeps no signal
    /// waiting.
    pub(super) fn watch(screen: Arc<Screen>) -> io::Result<Self> {
        let cancel = CancellationToken::new();
        let first = Arc::new(OnceLock::new());
        let cleaned_up = CancellationToken::new();
        let watch = Watch {
            screen,
            cancel: cancel.clone(),
            first: Arc::clone(&first),
            cleaned_up: cleaned_up.clone(),
        };
        let (begun, begins) = mpsc::channel();
        thread::Builder::new().name("signals".into()).spawn(move || match registered() {
            Ok((runtime, signals)) => {
                let _ = begun.send(Ok(()));
                runtime.block_on(watch.run(signals));
            }
            Err(error) => drop(begun.send(Err(error))),
        })?;
        begins.recv().map_err(io::Error::other)??;
        Ok(Self { cancel, first, _cleaned_up: cleaned_up.drop_guard() })
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

type Signals = (unix::Signal, unix::Signal);

fn registered() -> io::Result<(Runtime, Signals)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(entered);
    Ok((runtime, signals))
}

/// What the thread knows.
struct Watch {
    screen: Arc<Screen>,
    cancel: CancellationToken,
    first: Arc<OnceLock<Signal>>,
    cleaned_up: CancellationToken,
}

impl Watch {
    async fn run(self, (mut interrupts, mut terminations): Signals) {
        loop {
            let signal = tokio::select! {
                _ = interrupts.recv() => Signal::Interrupt,
                _ = terminations.recv() => Signal::Terminate,
            };
            if self.first.set(signal).is_err() || self.cleaned_up.is_cancelled() {
                exit_at_once(signal);
            }
            let (screen, cancel) = (Arc::clone(&self.screen), self.cancel.clone());
            tokio::spawn(async move {
                let words = match signal {
                    Signal::Interrupt => "cancelling, press ctrl-c again to stop at once",
                    Signal::Terminate => "cancelling",
                };
                // In this order: a pull that ends at once must not end before the user has been told.
                let _ = timeout(TELLING, spawn_blocking(move || screen.print(words))).await;
                cancel.cancel();
            });
        }
    }
}

#[expect(clippy::exit, reason = "the user asked twice; waiting for anything is what they do not want")]
fn exit_at_once(signal: Signal) -> ! {
    std::process::exit(signal.exit_code().into())
}
