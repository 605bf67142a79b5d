//! A registry whose faults a test scripts.
//!
//! Without a script it is a correct registry in memory. Each [`Rule`] adds one fault, to all requests that match or
//! only to the nth. It records every request.
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
mod certificates;
mod connection;
mod rule;
mod tls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use dray::oci::{Algorithm, Digest};
use dray::verify::digest_of;

use crate::image::{Blob, Content};
use crate::loopback::Server;

pub use self::auth::{Auth, BearerAuth};
pub use self::certificates::{Certificate, P256_SHA512_AUTHORITY};
pub use self::rule::Rule;
pub use self::tls::{Authority, Security, TlsFiles};

pub(crate) use self::auth::http_basic;

/// A registry on a loopback port, which ends when it is dropped.
pub struct ScriptedRegistry {
    server: Server,
    state: Arc<Mutex<State>>,
}

/// A request as received, with facts on its response.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Method.
    pub method: String,
    /// Path, percent-encoded as received. In a proxied request, the absolute URL.
    pub path: String,
    /// The text after the question mark.
    pub query: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Status of the response.
    pub status: u16,
    /// Bytes of the response's body that were sent, or at least passed to the kernel.
    pub bytes_sent: u64,
}

impl Recorded {
    /// The value of a header field, the first one if there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A stored manifest.
#[derive(Clone)]
struct Document {
    media_type: String,
    digest: Digest,
    bytes: Bytes,
}

#[derive(Default)]
struct State {
    /// The address of its token server, unless a test sets another.
    realm: String,
    blobs: BTreeMap<String, Bytes>,
    /// By repository, and by tag or digest.
    manifests: BTreeMap<(String, String), Document>,
    /// By path, for requests outside of the API.
    files: BTreeMap<String, Bytes>,
    auth: Option<Auth>,
    /// The status for unauthorized clients, in place of a challenge.
    hides: Option<u16>,
    rules: Vec<Rule>,
    requests: Vec<Recorded>,
    connections: usize,
    /// The number of body bytes after which every connection is reset.
    resets_after: Option<u64>,
    /// The number of blobs requested and not sent yet, and its maximum so far.
    open: usize,
    most_open: usize,
    released: bool,
}

impl ScriptedRegistry {
    /// Starts an empty registry that speaks plain HTTP.
    pub fn start() -> Self {
        Self::start_with(Security::Plain)
    }

    /// Starts an empty registry.
    pub fn start_with(security: Security) -> Self {
        let scheme = if matches!(security, Security::Tls(_)) { "https" } else { "http" };
        let state = Arc::new(Mutex::new(State::default()));
        let server = Server::start(connection::Service { security, state: Arc::clone(&state) });
        lock(&state).realm = format!("{scheme}://{}/token", server.address());
        Self { server, state }
    }

    /// Host and port, as in the name of an image.
    pub fn address(&self) -> String {
        self.server.address().to_string()
    }

    /// The name of an image on this registry. `name` may have a tag or digest.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.server.address())
    }

    /// Stops listening and resets every connection. The records can still be read.
    pub fn kill(&self) {
        self.server.kill();
    }

    /// Resets every connection after it has carried this many bytes of bodies, summed over its responses.
    pub fn reset_connections_after(&self, bytes: u64) {
        lock(&self.state).resets_after = Some(bytes);
    }

    /// Answers the requests that [`Rule::held`] keeps waiting, and holds no further ones.
    pub fn release(&self) {
        lock(&self.state).released = true;
    }

    /// Adds a blob, in every repository.
    pub fn add_blob(&self, bytes: impl Into<Bytes>) -> Digest {
        self.add_blob_with(Algorithm::Sha256, bytes)
    }

    /// Adds a blob under a digest of another algorithm.
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

    /// Adds a file at a path outside of the API, as a target for redirects.
    pub fn add_file(&self, path: &str, bytes: impl Into<Bytes>) {
        lock(&self.state).files.insert(path.to_owned(), bytes.into());
    }

    /// Requires this authentication.
    pub fn require(&self, auth: impl Into<Auth>) {
        lock(&self.state).auth = Some(auth.into());
    }

    /// Answers unauthorized clients with this status, as if the content did not exist. Only the root of the API sends
    /// a challenge.
    pub fn hide_with(&self, status: u16) {
        lock(&self.state).hides = Some(status);
    }

    /// Invalidates all tokens, as if they had expired.
    pub fn expire_tokens(&self) {
        if let Some(Auth::Bearer(bearer)) = &mut lock(&self.state).auth {
            bearer.expire();
        }
    }

    /// Adds a rule. If several rules match a request, all of them apply, in the order of adding.
    pub fn on(&self, rule: Rule) {
        lock(&self.state).rules.push(rule);
    }

    /// All requests so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state).requests.clone()
    }

    /// The bytes of this blob sent so far, over all requests.
    pub fn bytes_of(&self, blob: &Digest) -> u64 {
        self.bytes_where(|request| request.path.ends_with(&format!("/blobs/{blob}")))
    }

    /// The bytes of bodies sent so far.
    pub fn bytes(&self) -> u64 {
        self.bytes_where(|_| true)
    }

    fn bytes_where(&self, counts: impl Fn(&Recorded) -> bool) -> u64 {
        let state = lock(&self.state);
        state.requests.iter().filter(|request| counts(request)).map(|request| request.bytes_sent).sum()
    }

    /// The maximum number of blobs under way at the same time.
    pub fn most_blobs_at_once(&self) -> usize {
        lock(&self.state).most_open
    }

    /// The number of connections so far.
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

/// A test that failed must not hide its message behind a poisoned lock.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
