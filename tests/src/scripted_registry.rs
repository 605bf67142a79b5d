//! A registry that lies on a script.
//!
//! Without a script it is a correct registry in memory. Every [`Rule`] makes it do one wrong thing: to all
//! requests that match, or only to the nth. It remembers every request, for a test to look at.
//!
//! ```
//! use dray_tests::scripted_registry::{Rule, ScriptedRegistry};
//!
//! let registry = ScriptedRegistry::start();
//! let layer = registry.add_blob(vec![7; 1 << 20]);
//! registry.on(Rule::get("/blobs/").nth(1).reset_after(4096));
//! // … pull from `registry.address()` …
//! assert_eq!(registry.requests_to("GET", layer.as_str()).len(), 0);
//! ```

mod answer;
mod auth;
mod connection;
mod rule;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use bytes::Bytes;
use dray::oci::{Algorithm, Digest};
use dray::verify::digest_of;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::image::{Blob, Content};

pub use self::auth::{Auth, BearerAuth};
pub use self::rule::Rule;

/// A registry on a loopback port, which ends when it is dropped.
pub struct ScriptedRegistry {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request as it came, and what was sent in return.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Path, percent-encoded as it came. With a proxied request, the whole address.
    pub path: String,
    /// What followed the question mark.
    pub query: String,
    /// Header fields in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body that were sent, or at least given to the kernel.
    pub bytes_sent: u64,
}

impl Recorded {
    /// The value of a header field; of the first, if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A manifest as it was added.
#[derive(Clone)]
struct Document {
    media_type: String,
    digest: Digest,
    bytes: Bytes,
}

#[derive(Default)]
struct State {
    address: String,
    blobs: BTreeMap<String, Bytes>,
    /// By repository, and by tag or digest.
    manifests: BTreeMap<(String, String), Document>,
    /// By path, for requests outside of the API.
    files: BTreeMap<String, Bytes>,
    auth: Option<Auth>,
    rules: Vec<Rule>,
    requests: Vec<Recorded>,
    connections: usize,
}

impl ScriptedRegistry {
    /// Starts an empty registry.
    #[expect(clippy::unwrap_used, reason = "a test without its registry has nothing to go on with")]
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let (ready, address) = std::sync::mpsc::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                tokio::select! {
                    () = connection::accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
            // Connections that stall on purpose end with the runtime.
        });
        let address: SocketAddr = address.recv().unwrap();
        lock(&state).address = address.to_string();
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    /// Host and port, as they stand in front of an image's name.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The name of an image of this registry: `name` may have a tag or digest.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Adds a blob, which every repository then has.
    pub fn add_blob(&self, bytes: impl Into<Bytes>) -> Digest {
        self.add_blob_with(Algorithm::Sha256, bytes)
    }

    /// Adds a blob under a digest by another algorithm.
    pub fn add_blob_with(&self, algorithm: Algorithm, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = digest_of(algorithm, &bytes);
        lock(&self.state).blobs.insert(digest.to_string(), bytes);
        digest
    }

    /// Adds a manifest or index under a tag and its digest.
    pub fn add_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Digest {
        let bytes = bytes.into();
        let digest = digest_of(Algorithm::Sha256, &bytes);
        let document = Document { media_type: media_type.to_owned(), digest: digest.clone(), bytes };
        let mut state = lock(&self.state);
        state.manifests.insert((repository.to_owned(), tag.to_owned()), document.clone());
        state.manifests.insert((repository.to_owned(), digest.to_string()), document);
        digest
    }

    /// Adds an image or an index, byte for byte, with all its blobs.
    pub fn add(&self, content: &dyn Content, repository: &str, tag: &str) {
        let digest = |blob: &Blob| Digest::parse(&blob.digest).expect("a blob has a digest");
        let mut state = lock(&self.state);
        for blob in content.blobs() {
            state.blobs.insert(blob.digest.clone(), blob.bytes.clone());
        }
        for manifest in content.manifests() {
            let document = Document {
                media_type: manifest.media_type.clone(),
                digest: digest(manifest),
                bytes: manifest.bytes.clone(),
            };
            for name in [tag, &manifest.digest] {
                state.manifests.insert((repository.to_owned(), name.to_owned()), document.clone());
            }
        }
    }

    /// Adds a file at a path outside of the API, for redirects to lead to.
    pub fn add_file(&self, path: &str, bytes: impl Into<Bytes>) {
        lock(&self.state).files.insert(path.to_owned(), bytes.into());
    }

    /// Lets only those in who authenticate in this way.
    pub fn require(&self, auth: impl Into<Auth>) {
        lock(&self.state).auth = Some(auth.into());
    }

    /// Forgets all tokens that were given out, as if they had expired.
    pub fn expire_tokens(&self) {
        if let Some(Auth::Bearer(bearer)) = &mut lock(&self.state).auth {
            bearer.expire();
        }
    }

    /// Adds a rule. Of several rules that match a request all have their effect, in the order of adding.
    pub fn on(&self, rule: Rule) {
        lock(&self.state).rules.push(rule);
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state).requests.clone()
    }

    /// How many connections have been opened so far.
    pub fn connections(&self) -> usize {
        lock(&self.state).connections
    }

    /// The requests so far with this method whose path contains `part`.
    pub fn requests_to(&self, method: &str, part: &str) -> Vec<Recorded> {
        let mut requests = self.requests();
        requests.retain(|request| request.method == method && request.path.contains(part));
        requests
    }
}

impl Drop for ScriptedRegistry {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A test that failed elsewhere must not hide its message behind a poisoned lock.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
