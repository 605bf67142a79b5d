//! A scripted snapshotter for containerd's proxy plugin interface.
//!
//! It records every call. A script decides whether it provides a layer, hangs, fails or dies. It stores snapshots in plain
//! directories, so that pulls and containers work, or forwards all calls to a real daemon.
//!
//! ```
//! use dray_tests::snapshot_service::{Reply, SnapshotService};
//!
//! // Provides all layers but the third.
//! let service = SnapshotService::start(|ask| if ask.number == 3 { Reply::Mounts } else { Reply::Provide });
//! // … a containerd with `service.plugin("lazy")`, and a pull …
//! assert_eq!(service.asked(), []);
//! ```

mod directories;
mod forward;
mod script;
mod wire;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use containerd_client::tonic::transport::Server;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::daemon::ProxyPlugin;
use crate::scratch::{Place, Scratch};

use self::directories::Directories;
use self::forward::Forward;
pub use self::script::{Ask, Call, Reply};
use self::script::{Scripted, Shared};
use self::wire::{Snapshots, Wire};

/// A running service. It ends when it is dropped.
pub struct SnapshotService {
    // Dropped in this order: the server ends before its directory is removed.
    server: Option<Running>,
    snapshots: Arc<dyn Snapshots>,
    shared: Arc<Shared>,
    socket: PathBuf,
    layers: Option<Arc<Directories>>,
    _scratch: Scratch,
}

impl SnapshotService {
    /// Starts a service with snapshots in directories. `script` answers the questions for layers.
    pub fn start(script: impl FnMut(&Ask) -> Reply + Send + 'static) -> Self {
        let scratch = Scratch::new(Place::Memory);
        let directories = Arc::new(Directories::new(&scratch.path().join("root")));
        let backend = Arc::clone(&directories);
        Self::serve(scratch, backend, Some(directories), Box::new(script))
    }

    /// Starts a service that forwards every call to the snapshotter at the socket `daemon`.
    pub fn in_front_of(daemon: &Path) -> Self {
        let backend = Arc::new(Forward::new(daemon));
        Self::serve(Scratch::new(Place::Memory), backend, None, Box::new(|_| Reply::Mounts))
    }

    fn serve(
        scratch: Scratch,
        backend: Arc<dyn Snapshots>,
        layers: Option<Arc<Directories>>,
        script: script::Script,
    ) -> Self {
        let socket = scratch.path().join("service.sock");
        let shared = Arc::new(Shared::new(script));
        let snapshots: Arc<dyn Snapshots> =
            Arc::new(Scripted::new(backend, layers.clone(), Arc::clone(&shared)));
        let server = Some(Running::start(&socket, &snapshots, &shared));
        Self { server, snapshots, shared, socket, layers, _scratch: scratch }
    }

    /// Adds the content of the layer with this digest: a tar archive, plain or gzip. Layers without content are provided empty.
    pub fn add_layer(&self, digest: &str, archive: impl Into<Vec<u8>>) {
        let layers = self.layers.as_ref().expect("layers are kept in directories");
        layers.add_layer(digest, archive.into());
    }

    /// Its entry in a containerd's configuration.
    pub fn plugin(&self, name: &str) -> ProxyPlugin {
        let exports = vec![("enable_remote_snapshot_annotations".to_owned(), "true".to_owned())];
        ProxyPlugin { name: name.to_owned(), socket: self.socket.clone(), exports }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The questions for layers so far, in order.
    pub fn asked(&self) -> Vec<Ask> {
        self.shared.asked()
    }

    /// All calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls()
    }

    /// Ends [`Reply::Hang`]: hanging and later questions get the answer of [`Reply::Mounts`].
    pub fn release(&self) {
        self.shared.release();
    }

    /// Stops listening and closes all connections, as a killed daemon. Snapshots are kept.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Listens again.
    pub fn restart(&mut self) {
        self.kill();
        self.server = Some(Running::start(&self.socket, &self.snapshots, &self.shared));
    }
}

impl fmt::Debug for SnapshotService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotService").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// A server on its own thread and runtime. Its connections end with the runtime.
struct Running {
    end: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(socket: &Path, snapshots: &Arc<dyn Snapshots>, shared: &Arc<Shared>) -> Self {
        // A killed server leaves its socket behind.
        let _ = std::fs::remove_file(socket);
        let end = shared.life();
        let listener = std::os::unix::net::UnixListener::bind(socket).expect("a socket can be made");
        listener.set_nonblocking(true).expect("a socket need not block");
        let wire = Wire::new(Arc::clone(snapshots));
        let (ended, socket) = (end.clone(), socket.to_owned());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let runtime = runtime.expect("a runtime can be built");
            runtime.block_on(async {
                let listener = UnixListener::from_std(listener).expect("it is a socket");
                let incoming = futures_util::stream::unfold(listener, |listener| async {
                    let connection = listener.accept().await.map(|(connection, _)| connection);
                    Some((connection, listener))
                });
                let serving = Server::builder().serve_with_incoming(wire, incoming);
                tokio::select! {
                    () = ended.cancelled() => {}
                    served = serving => served.expect("connections can be served"),
                }
            });
            let _ = std::fs::remove_file(socket);
            // Does not wait for calls that hang.
            runtime.shutdown_background();
        });
        Self { end, thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
