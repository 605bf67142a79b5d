use std::time::Duration;

use http::{HeaderMap, StatusCode};
use url::Url;

use crate::body::Body;
use crate::coding::{Coding, Gunzip};

/// An answer whose body has not been read yet.
pub(crate) struct Response {
    inner: reqwest::Response,
    is_first_hop: bool,
    stall: Duration,
}

impl Response {
    pub(super) fn new(inner: reqwest::Response, is_first_hop: bool, stall: Duration) -> Self {
        Self { inner, is_first_hop, stall }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.inner.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Where the answer came from in the end.
    pub(crate) fn url(&self) -> &Url {
        self.inner.url()
    }

    /// Whether the answer came from the server that the call was meant for, rather than from one it redirects to.
    pub(crate) fn is_from_first_hop(&self) -> bool {
        self.is_first_hop
    }

    /// The coding that its body has on the way.
    pub(crate) fn coding(&self) -> Coding {
        Coding::of(self.headers())
    }

    /// How many bytes the body has as it is sent, if the server said so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.inner.content_length()
    }

    /// The body, without the coding that it may have.
    pub(crate) fn into_body(self) -> Body {
        let gunzip = (self.coding() == Coding::Gzip).then(Gunzip::new);
        Body::new(self.inner, gunzip, self.stall)
    }

    /// The body as it is sent, whatever the server says about its coding.
    pub(crate) fn into_body_as_sent(self) -> Body {
        Body::new(self.inner, None, self.stall)
    }

    /// Reads a small body to its end, so that the connection can be used again.
    pub(crate) async fn discard(self) {
        const NOT_WORTH_WAITING: Duration = Duration::from_secs(1);
        const NOT_WORTH_READING: u64 = 16 * 1024;
        if self.inner.content_length().is_none_or(|length| length <= NOT_WORTH_READING) {
            let read = self.into_body().read(NOT_WORTH_READING);
            let _ = tokio::time::timeout(NOT_WORTH_WAITING, read).await;
        }
    }
}
