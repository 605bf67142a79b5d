use std::time::Duration;

use http::{HeaderMap, StatusCode};
use url::Url;

use crate::body::Body;
use crate::coding::{Coding, Gunzip};

/// A response whose body has not been read.
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

    /// The URL that the response came from.
    pub(crate) fn url(&self) -> &Url {
        self.inner.url()
    }

    /// Whether the response came from the call's own server, not from the target of a redirect.
    pub(crate) fn is_from_first_hop(&self) -> bool {
        self.is_first_hop
    }

    /// The content coding of the body.
    pub(crate) fn coding(&self) -> Coding {
        Coding::of(self.headers())
    }

    /// The length of the body as sent, if the server stated it.
    pub(crate) fn length(&self) -> Option<u64> {
        self.inner.content_length()
    }

    /// The body with its content coding undone.
    pub(crate) fn into_body(self) -> Body {
        let gunzip = (self.coding() == Coding::Gzip).then(Gunzip::new);
        Body::new(self.inner, gunzip, self.stall)
    }

    /// The body as sent, whatever coding the server states.
    pub(crate) fn into_body_as_sent(self) -> Body {
        Body::new(self.inner, None, self.stall)
    }

    /// Reads a small body to its end, so that the connection can be reused.
    pub(crate) async fn discard(self) {
        const NOT_WORTH_WAITING: Duration = Duration::from_secs(1);
        const NOT_WORTH_READING: u64 = 16 * 1024;
        if self.inner.content_length().is_none_or(|length| length <= NOT_WORTH_READING) {
            let read = self.into_body().read(NOT_WORTH_READING);
            let _ = tokio::time::timeout(NOT_WORTH_WAITING, read).await;
        }
    }
}
