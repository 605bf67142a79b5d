use std::time::Duration;

use bytes::Bytes;

use super::Recorded;
use super::answer::{Answer, End, Hold};

/// Selects requests, and changes their responses.
///
/// Several effects may be chained: `Rule::get("/blobs/").chunked().reset_after(100)`.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Option<&'static str>,
    part: String,
    matches: Matches,
    seen: usize,
    effects: Vec<Effect>,
}

#[derive(Clone, Copy, Debug)]
enum Matches {
    All,
    First(usize),
    Nth(usize),
}

#[derive(Clone, Debug)]
enum Effect {
    Status(u16),
    Header(String, String),
    NoHeader(&'static str),
    Body(Bytes),
    Corrupt,
    IgnoreRange,
    Chunked,
    LeaveOut,
    Throttle(u64),
    Hold(usize, Hold),
    Delay(Duration),
    End(usize, End),
}

impl Rule {
    /// For GET requests whose path contains `part`.
    pub fn get(part: &str) -> Self {
        Self::new(Some("GET"), part)
    }

    /// For HEAD requests whose path contains `part`.
    pub fn head(part: &str) -> Self {
        Self::new(Some("HEAD"), part)
    }

    /// For POST requests whose path contains `part`.
    pub fn post(part: &str) -> Self {
        Self::new(Some("POST"), part)
    }

    /// For all requests whose path contains `part`.
    pub fn any(part: &str) -> Self {
        Self::new(None, part)
    }

    fn new(method: Option<&'static str>, part: &str) -> Self {
        Self { method, part: part.to_owned(), matches: Matches::All, seen: 0, effects: Vec::new() }
    }

    /// Only for the nth of the requests that match, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: usize) -> Self {
        self.matches = Matches::Nth(n);
        self
    }

    /// Only for the first `n` of the requests that match.
    #[must_use]
    pub fn first(mut self, n: usize) -> Self {
        self.matches = Matches::First(n);
        self
    }

    /// Responds with this status, and with an empty body unless [`Rule::body`] sets one.
    #[must_use]
    pub fn status(self, status: u16) -> Self {
        self.with(Effect::Status(status))
    }

    /// Responds with this status and an error body of the distribution specification.
    #[must_use]
    pub fn error(self, status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        self.status(status).header("content-type", "application/json").body(body.to_string())
    }

    /// Sets a header field, replacing any of that name.
    #[must_use]
    pub fn header(self, name: &str, value: impl Into<String>) -> Self {
        self.with(Effect::Header(name.to_owned(), value.into()))
    }

    /// Omits a header field. Without `content-length` the body ends with the connection.
    #[must_use]
    pub fn without_header(self, name: &'static str) -> Self {
        self.with(Effect::NoHeader(name))
    }

    /// Sends this body.
    #[must_use]
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        self.with(Effect::Body(body.into()))
    }

    /// Sends the right number of bytes, one of them wrong.
    #[must_use]
    pub fn wrong_bytes(self) -> Self {
        self.with(Effect::Corrupt)
    }

    /// Sends the whole body in response to a range request.
    #[must_use]
    pub fn ignore_range(self) -> Self {
        self.with(Effect::IgnoreRange)
    }

    /// Sends the body in chunks, without its length.
    #[must_use]
    pub fn chunked(self) -> Self {
        self.with(Effect::Chunked)
    }

    /// Closes the connection in place of a response.
    #[must_use]
    pub fn hang_up(self) -> Self {
        self.with(Effect::LeaveOut)
    }

    /// Limits the bytes sent per second.
    #[must_use]
    pub fn throttle(self, bytes_per_second: u64) -> Self {
        self.with(Effect::Throttle(bytes_per_second))
    }

    /// Sends no byte of the body before [`ScriptedRegistry::release`](super::ScriptedRegistry::release).
    #[must_use]
    pub fn held(self) -> Self {
        self.held_after(0)
    }

    /// Sends this many bytes of the body, and the others after
    /// [`ScriptedRegistry::release`](super::ScriptedRegistry::release).
    #[must_use]
    pub fn held_after(self, bytes: usize) -> Self {
        self.with(Effect::Hold(bytes, Hold::Released))
    }

    /// Sends no byte of the body before this many blobs are under way at the same time, up to a time limit.
    #[must_use]
    pub fn held_until_at_once(self, blobs: usize) -> Self {
        self.with(Effect::Hold(0, Hold::BlobsAtOnce(blobs)))
    }

    /// Waits before responding.
    #[must_use]
    pub fn delay(self, time: Duration) -> Self {
        self.with(Effect::Delay(time))
    }

    /// Closes the connection properly after this many bytes of the body, although more were announced.
    #[must_use]
    pub fn short_body(self, bytes: usize) -> Self {
        self.with(Effect::End(bytes, End::Close))
    }

    /// Closes the connection after this many bytes of the body, without TLS's closing message.
    #[must_use]
    pub fn cut_after(self, bytes: usize) -> Self {
        self.with(Effect::End(bytes, End::Cut))
    }

    /// Resets the connection after this many bytes of the body.
    #[must_use]
    pub fn reset_after(self, bytes: usize) -> Self {
        self.with(Effect::End(bytes, End::Reset))
    }

    /// Kills the registry after this many bytes of the body: it stops listening and resets all connections.
    #[must_use]
    pub fn kill_after(self, bytes: usize) -> Self {
        self.with(Effect::End(bytes, End::Kill))
    }

    /// Stays silent after this many bytes of the body, with the connection open.
    #[must_use]
    pub fn stall_after(self, bytes: usize) -> Self {
        self.with(Effect::End(bytes, End::Stall))
    }

    /// Redirects to this address.
    #[must_use]
    pub fn redirect(self, location: impl Into<String>) -> Self {
        self.status(307).header("location", location)
    }

    fn with(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// Applies to the response if the request matches. Counts matches.
    pub(super) fn apply(&mut self, request: &Recorded, answer: &mut Answer) {
        let concerned =
            self.method.is_none_or(|method| method == request.method) && request.path.contains(&self.part);
        if !concerned {
            return;
        }
        self.seen += 1;
        let now = match self.matches {
            Matches::All => true,
            Matches::First(n) => self.seen <= n,
            Matches::Nth(n) => self.seen == n,
        };
        if now {
            for effect in &self.effects {
                effect.apply(answer);
            }
        }
    }
}

impl Effect {
    fn apply(&self, answer: &mut Answer) {
        match self {
            Self::Status(status) => *answer = Answer::new(*status),
            Self::Header(name, value) => answer.set(name, value),
            Self::NoHeader(name) => answer.remove(name),
            Self::Body(body) => answer.set_body(body.clone()),
            Self::Corrupt => answer.corrupt(),
            Self::IgnoreRange => answer.undo_range(),
            Self::Chunked => answer.chunked = true,
            Self::LeaveOut => answer.is_left_out = true,
            Self::Throttle(rate) => answer.bytes_per_second = Some(*rate),
            Self::Hold(after, hold) => answer.hold = Some((*after, *hold)),
            Self::Delay(time) => answer.delay = *time,
            Self::End(after, end) => answer.end = Some((*after, *end)),
        }
    }
}
