use std::time::Duration;

use bytes::Bytes;

use super::auth::Auth;
use super::{Document, Recorded, State};

/// A response, and how it is sent.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The body before a range was cut out.
    whole: Option<Bytes>,
    pub(super) chunked: bool,
    /// Whether the connection is closed in place of a response.
    pub(super) is_left_out: bool,
    pub(super) bytes_per_second: Option<u64>,
    /// The number of body bytes before a pause, and its end.
    pub(super) hold: Option<(usize, Hold)>,
    pub(super) delay: Duration,
    /// The number of body bytes before a premature end, and its kind.
    pub(super) end: Option<(usize, End)>,
}

/// How a body ends prematurely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Close,
    Cut,
    Reset,
    Stall,
    Kill,
}

/// How long a body is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Until the test releases it.
    Released,
    /// Until this many blobs are under way at the same time.
    BlobsAtOnce(usize),
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        let mut answer = Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            whole: None,
            chunked: false,
            is_left_out: false,
            bytes_per_second: None,
            hold: None,
            delay: Duration::ZERO,
            end: None,
        };
        answer.set_body(Bytes::new());
        answer
    }

    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        let mut answer = Self::new(status);
        answer.set("content-type", "application/json");
        answer.set_body(body.to_string().into());
        answer
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &serde_json::json!({"errors": [{"code": code, "message": message}]}))
    }

    fn bytes(media_type: &str, body: Bytes) -> Self {
        let mut answer = Self::new(200);
        answer.set("content-type", media_type);
        answer.set_body(body);
        answer
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }

    pub(super) fn set_body(&mut self, body: Bytes) {
        self.set("content-length", &body.len().to_string());
        self.body = body;
    }

    pub(super) fn corrupt(&mut self) {
        let mut bytes = self.body.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
        self.body = bytes.into();
    }

    pub(super) fn undo_range(&mut self) {
        if let Some(whole) = self.whole.take() {
            self.status = 200;
            self.remove("content-range");
            self.set_body(whole);
        }
    }

    /// Cuts out the range of a `Range: bytes=N-` or `Range: bytes=N-M`. Several ranges get the whole, as HTTP permits.
    fn honour_range(&mut self, request: &Recorded) {
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
        let Some((start, end)) = range.and_then(|range| range.split_once('-')) else { return };
        let Ok(start) = start.parse::<usize>() else { return };
        let end = if end.is_empty() { Ok(usize::MAX) } else { end.parse::<usize>() };
        let Ok(last) = end else { return };
        let whole = self.body.clone();
        let length = whole.len();
        if start >= length {
            *self = Self::new(416);
            self.set("content-range", &format!("bytes */{length}"));
        } else {
            self.status = 206;
            let last = last.clamp(start, length - 1);
            self.set("content-range", &format!("bytes {start}-{last}/{length}"));
            self.set_body(whole.slice(start..=last));
        }
        self.whole = Some(whole);
    }
}

/// The correct response to a request, before any rule.
pub(super) fn correct(state: &mut State, request: &Recorded) -> Answer {
    let path = origin_form(&request.path);
    if let Some(Auth::Bearer(bearer)) = &mut state.auth
        && path == "/token"
    {
        return bearer.token(request);
    }
    if let Some(file) = state.files.get(path) {
        let mut answer = Answer::bytes("application/octet-stream", file.clone());
        answer.honour_range(request);
        return answer;
    }
    let Some(rest) = path.strip_prefix("/v2/") else { return Answer::new(404) };
    if let Some(auth) = &mut state.auth
        && !auth.admits(request)
    {
        if let Some(status) = state.hides.filter(|_| !rest.is_empty()) {
            return Answer::error(status, "MANIFEST_UNKNOWN", "nothing that everybody may see");
        }
        let mut answer = Answer::error(401, "UNAUTHORIZED", "authentication required");
        for challenge in auth.challenges(&state.realm, rest) {
            answer.add("www-authenticate", &challenge);
        }
        return answer;
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::error(405, "UNSUPPORTED", "the operation is unsupported");
    }
    if rest.is_empty() {
        return Answer::json(200, &serde_json::json!({}));
    }
    if let Some((_, digest)) = rest.split_once("/blobs/") {
        let Some(blob) = state.blobs.get(digest) else {
            return Answer::error(404, "BLOB_UNKNOWN", "blob unknown to registry");
        };
        let mut answer = Answer::bytes("application/octet-stream", blob.clone());
        answer.set("docker-content-digest", digest);
        answer.honour_range(request);
        return answer;
    }
    if rest.contains("/referrers/") {
        // As a registry that is older than them: clients then look for a tag.
        return Answer::new(404);
    }
    let Some((repository, name)) = rest.split_once("/manifests/") else {
        return Answer::error(404, "NAME_UNKNOWN", "repository name not known to registry");
    };
    match state.manifests.get(&(repository.to_owned(), name.to_owned())) {
        None => Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        Some(Document { media_type, digest, bytes }) => {
            let mut answer = Answer::bytes(media_type, bytes.clone());
            answer.set("docker-content-digest", digest.as_str());
            answer.honour_range(request);
            answer
        }
    }
}

/// The path of a request, which has an absolute URL if we are its proxy.
fn origin_form(target: &str) -> &str {
    match target.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])) {
        Some(path) => path,
        None => target,
    }
}
