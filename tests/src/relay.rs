//! A relay in front of containerd's socket that counts calls, and can stop at one of them.
//!
//! It parses only as much of HTTP/2 as marks the start of a call, so that a test names a moment by the number of a
//! call and not by the clock.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::scratch::{Place, Scratch};

/// Where a [`Relay`] stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Never.
    Never,
    /// The nth call, counted from 1, does not reach the daemon.
    Before(usize),
    /// The nth call reaches the daemon, and from then on no response comes back.
    Unanswered(usize),
}

/// A socket that leads to a containerd. It is removed with its last client.
#[derive(Debug)]
pub struct Relay {
    socket: PathBuf,
    shared: Arc<Shared>,
    stopped: mpsc::Receiver<()>,
    _scratch: Scratch,
}

#[derive(Debug)]
struct Shared {
    stop: Stop,
    calls: AtomicUsize,
    /// Whether responses to the client are suppressed.
    mute: AtomicBool,
}

impl Relay {
    /// Listens for `daemon`, a socket.
    pub fn start(daemon: &Path, stop: Stop) -> Self {
        let scratch = Scratch::new(Place::Memory);
        let socket = scratch.path().join("relay.sock");
        let listener = UnixListener::bind(&socket).expect("a socket can be made");
        let (calls, mute) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { stop, calls, mute });
        let (stopping, stopped) = mpsc::channel();
        let (accepting, daemon) = (Arc::clone(&shared), daemon.to_owned());
        std::thread::spawn(move || {
            // Dropping the relay makes a connection, which ends this loop.
            while let Ok((client, _)) = listener.accept() {
                let Ok(daemon) = UnixStream::connect(&daemon) else { return };
                if Arc::strong_count(&accepting) == 1 {
                    return;
                }
                let (shared, stopping) = (Arc::clone(&accepting), stopping.clone());
                std::thread::spawn(move || connection(&client, &daemon, &shared, &stopping));
            }
        });
        Self { socket, shared, stopped, _scratch: scratch }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The number of calls so far.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// Waits until it has stopped. `false` if the time is over.
    pub fn wait(&self, patience: Duration) -> bool {
        self.stopped.recv_timeout(patience).is_ok()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared = Arc::new(Shared { stop: Stop::Never, calls: 0.into(), mute: false.into() });
        let _ = UnixStream::connect(&self.socket);
    }
}

/// Copies bytes in both directions until either side ends.
fn connection(client: &UnixStream, daemon: &UnixStream, shared: &Shared, stopping: &mpsc::Sender<()>) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = answers(client, daemon, shared);
            end(client, daemon);
        });
        let _ = questions(client, daemon, shared, stopping);
        end(client, daemon);
    });
}

fn end(client: &UnixStream, daemon: &UnixStream) {
    for stream in [client, daemon] {
        // The other side may have closed it.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn answers(mut client: &UnixStream, mut daemon: &UnixStream, shared: &Shared) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match daemon.read(&mut buffer)? {
            0 => return Ok(()),
            _ if shared.mute.load(Ordering::SeqCst) => {}
            length => client.write_all(&buffer[..length])?,
        }
    }
}

fn questions(
    mut client: &UnixStream,
    mut daemon: &UnixStream,
    shared: &Shared,
    stopping: &mpsc::Sender<()>,
) -> io::Result<()> {
    const PREFACE: usize = 24;
    const FRAME_HEADER: usize = 9;
    const HEADERS: u8 = 1;
    let mut head = [0; PREFACE];
    client.read_exact(&mut head)?;
    daemon.write_all(&head)?;
    loop {
        let mut frame = vec![0; FRAME_HEADER];
        client.read_exact(&mut frame)?;
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
        let length = usize::try_from(length).expect("a frame is short");
        frame.resize(FRAME_HEADER + length, 0);
        client.read_exact(&mut frame[FRAME_HEADER..])?;
        if frame[3] == HEADERS {
            let call = shared.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if shared.stop == Stop::Before(call) {
                let _ = stopping.send(());
                // Kept open until the client is gone.
                return io::copy(&mut client, &mut io::sink()).map(drop);
            }
            if shared.stop == Stop::Unanswered(call) {
                shared.mute.store(true, Ordering::SeqCst);
                let stopping = stopping.clone();
                std::thread::spawn(move || {
                    // Gives the daemon time to carry out the call.
                    std::thread::sleep(Duration::from_millis(30));
                    let _ = stopping.send(());
                });
            }
        }
        daemon.write_all(&frame)?;
    }
}
