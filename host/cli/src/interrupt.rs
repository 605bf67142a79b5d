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
    /// The exit status that shells use for this signal.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// How long the message may delay the cancellation: standard error may be a full pipe.
const TELLING: Duration = Duration::from_secs(1);

/// Watches for signals. The first one cancels the command, which cleans up. The second one ends the program at once.
/// After this value is dropped, nothing is left to clean up, and the first signal ends the program.
pub(super) struct Interrupt {
    cancel: CancellationToken,
    first: Arc<OnceLock<Signal>>,
    _cleaned_up: DropGuard,
}

impl Interrupt {
    /// Starts to watch, in its own thread, so that busy or blocked threads do not delay a signal.
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

    /// The token that the first signal cancels.
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

/// The state of the thread.
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
                // In this order, so that a pull does not end before the message is printed.
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
