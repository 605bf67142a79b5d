//! Servers on a loopback port and a thread of their own. A test can kill them at any moment.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Handles the connections of a server.
pub(crate) trait Serve: Clone + Send + Sync + 'static {
    /// Serves one connection, and says how it ends.
    fn serve(&self, stream: &mut TcpStream) -> impl Future<Output = io::Result<Ending>> + Send;
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A regular close.
    Close,
    /// A regular close of TCP, without the closing message of a protocol above it.
    Cut,
    /// With a reset.
    Reset,
    /// A reset of this and all other connections. The server stops listening.
    Kill,
}

/// A server, which is killed when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Serves every connection to a free port.
    #[expect(clippy::unwrap_used, reason = "a test without its server has nothing to go on with")]
    pub(crate) fn start(service: impl Serve) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (ready, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                accept(listener, service, stopped).await;
            });
        });
        Self { address: address.recv().unwrap(), stop, thread: Mutex::new(Some(thread)) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and resets every connection, and waits until that is done.
    pub(crate) fn kill(&self) {
        let _ = self.stop.send(true);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn accept(listener: TcpListener, service: impl Serve, mut stopped: watch::Receiver<bool>) {
    let (hang_up, hung_up) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { break };
                connections.spawn(connection(stream, service.clone(), hung_up.clone()));
            }
            Some(ended) = connections.join_next() => {
                if matches!(ended, Ok(Ending::Kill)) {
                    break;
                }
            }
            _ = stopped.wait_for(|stop| *stop) => break,
        }
    }
    // In this order, so that clients cannot reconnect.
    drop(listener);
    let _ = hang_up.send(true);
    connections.join_all().await;
}

async fn connection(
    mut stream: TcpStream,
    service: impl Serve,
    mut hung_up: watch::Receiver<bool>,
) -> Ending {
    let _ = stream.set_nodelay(true);
    let served = async {
        let ending = service.serve(&mut stream).await.unwrap_or(Ending::Close);
        if !is_in_order(ending) {
            delivered(&stream).await;
        }
        ending
    };
    let ending = tokio::select! {
        ending = served => ending,
        _ = hung_up.wait_for(|now| *now) => Ending::Reset,
    };
    if !is_in_order(ending) {
        // Without time to linger, closing sends a reset.
        let _ = stream.set_zero_linger();
    }
    ending
}

fn is_in_order(ending: Ending) -> bool {
    matches!(ending, Ending::Close | Ending::Cut)
}

/// Waits until the client's kernel has received everything written. A reset discards the rest, and the number of
/// delivered bytes would be unknown.
async fn delivered(stream: &TcpStream) {
    const PATIENCE: Duration = Duration::from_secs(10);
    let (Ok(own), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else { return };
    let ends = [own, peer].map(|address| format!(":{:04X}", address.port()));
    let is_under_way = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, local, remote, _, queues, ..] = fields[..] else { return false };
        local.ends_with(&ends[0]) && remote.ends_with(&ends[1]) && !queues.starts_with("00000000:")
    };
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // The kernel's table of connections, with the bytes that wait to be sent or acknowledged.
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap_or_default();
        if !table.lines().any(is_under_way) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
