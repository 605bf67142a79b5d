use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method};
use url::Url;

use super::call::{Call, Patience, Role};
use super::display;
use super::endpoint::{Endpoint, Fallback};
use super::failure;
use super::hosts::{HostHeaders, without_port};
use super::redirect::{RedirectError, next_hop};
use super::retry;
use super::settings::Timing;
use super::transport::{self, Response, Transport, TransportError, TransportKind};
use dray_core::limits;
use dray_ports::FetchFailure;

/// Sends calls for one server of a registry, follows redirects, and retries transient failures.
pub(super) struct Exchange {
    transport: Arc<Transport>,
    timing: Timing,
    /// Header fields of every request to the server.
    headers: HeaderMap,
    fallback: Option<Fallback>,
    /// Whether a redirect from HTTPS to plain HTTP is followed.
    leaves_https: bool,
    host: String,
}

/// Why a call stops before a response that can be used.
enum FollowError {
    Transport { url: Url, error: TransportError },
    Redirect(FetchFailure),
}

impl Exchange {
    /// Calls for the sake of a server, with its header fields.
    pub(super) fn new(
        transport: Arc<Transport>,
        timing: Timing,
        endpoint: &Endpoint,
        headers: HeaderMap,
    ) -> Self {
        let (fallback, host) = (endpoint.fallback().cloned(), endpoint.host().to_owned());
        Self { transport, timing, headers, fallback, leaves_https: false, host }
    }

    /// Follows redirects from HTTPS to plain HTTP as well. For servers whose certificate is not checked: TLS protects
    /// nothing there.
    pub(super) fn leaving_https(self) -> Self {
        Self { leaves_https: true, ..self }
    }

    /// Calls for no server in particular, without its header fields.
    pub(super) fn anonymous(transport: Arc<Transport>, timing: Timing) -> Self {
        Self {
            transport,
            timing,
            headers: HeaderMap::new(),
            fallback: None,
            leaves_https: false,
            host: String::new(),
        }
    }

    /// The response to a call, with any status that is not worth a retry.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, FetchFailure> {
        let mut call = Cow::Borrowed(call);
        if let Some(plain) = self.fallback.as_ref().and_then(|fallback| fallback.known(&call.url)) {
            call.to_mut().url = plain;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let pause = retry::back_off(&self.timing, tries);
            let pause = match self.follow(&call).await {
                Ok(response) if !is_worth_another_try(&call, &response) => return Ok(response),
                Ok(response) => {
                    let asked = retry::retry_after(response.headers(), SystemTime::now());
                    let too_long = asked.is_some_and(|asked| asked > self.timing.longest_pause);
                    let is_last = tries >= limits::REQUEST_TRIES || call.patience == Patience::Hurried;
                    if is_last || too_long {
                        return Err(failure::of_busy_server(&call, response, tries, asked).await);
                    }
                    response.discard().await;
                    pause.max(asked.unwrap_or_default())
                }
                Err(FollowError::Transport { url, error }) => {
                    if url == call.url
                        && let Some(plain) = self.plain_instead(&url, error.kind).await
                    {
                        tracing::debug!(url = display::url(&url), "no TLS is spoken here");
                        call.to_mut().url = plain;
                        tries -= 1;
                        continue;
                    }
                    if tries >= tries_worth_making(error.kind, &call) {
                        return Err(failure::of_transport(&call, &url, error));
                    }
                    pause
                }
                Err(FollowError::Redirect(failure)) => return Err(failure),
            };
            tracing::debug!(url = display::url(&call.url), tries, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn follow(&self, call: &Call) -> Result<Response, FollowError> {
        let mut url = call.url.clone();
        for _ in 0..=limits::REDIRECTS {
            let own = self.headers_for(call, &url);
            let response = match self.transport.send(call, &url, &own).await {
                Ok(response) => response,
                Err(error) => return Err(FollowError::Transport { url, error }),
            };
            if !transport::is_redirect(&call.method, response.status()) {
                return Ok(response);
            }
            let leaves_https = self.leaves_https && call.role == Role::Registry;
            let next = next_hop(&url, response.headers().get(LOCATION), leaves_https)
                .map_err(|problem| FollowError::Redirect(failure::of_redirect(call, &url, problem)))?;
            response.discard().await;
            url = self.fallback.as_ref().and_then(|fallback| fallback.known(&next)).unwrap_or(next);
        }
        Err(FollowError::Redirect(failure::of_redirect(call, &url, RedirectError::TooOften)))
    }

    /// The server's own fields go to it and to its token server, and to no other host. Fields that authenticate the
    /// user are not sent to a token server on another host.
    fn headers_for(&self, call: &Call, url: &Url) -> Cow<'_, HeaderMap> {
        if self.headers.is_empty() {
            return Cow::Borrowed(&self.headers);
        }
        if url.origin() != call.url.origin() {
            return Cow::Owned(HeaderMap::new());
        }
        let host = url.host_str().unwrap_or_default();
        if call.role == Role::TokenServer && !without_port(&self.host).eq_ignore_ascii_case(host) {
            let mut headers = self.headers.clone();
            for name in self.headers.keys().filter(|name| HostHeaders::is_secret(name.as_str())) {
                headers.remove(name);
            }
            return Cow::Owned(headers);
        }
        Cow::Borrowed(&self.headers)
    }

    /// The plain URL to go on with, if the server does not speak TLS and plain HTTP is allowed.
    ///
    /// The failure must come from the server itself. If no port is given, a refused connection to the port of HTTPS
    /// counts too.
    async fn plain_instead(&self, url: &Url, kind: TransportKind) -> Option<Url> {
        let fallback = self.fallback.as_ref()?;
        let plain = fallback.plain(url)?;
        let speaks_no_tls = match kind {
            TransportKind::NotTls => true,
            TransportKind::Unreachable => self.transport.is_there(url).await,
            _ => false,
        };
        if speaks_no_tls {
            fallback.note();
            return Some(plain);
        }
        let other_port = url.port().is_none()
            && matches!(kind, TransportKind::Refused | TransportKind::Unreachable)
            && self.transport.is_there(&plain).await;
        if other_port {
            fallback.note();
        }
        other_port.then_some(plain)
    }
}

/// Whether a retry may succeed. GET may succeed at once where HEAD failed.
fn is_worth_another_try(call: &Call, response: &Response) -> bool {
    let (status, headers) = (response.status(), response.headers());
    let is_left_to_get =
        call.method == Method::HEAD && status.is_server_error() && !headers.contains_key(RETRY_AFTER);
    retry::is_transient(status) && !is_left_to_get
}

/// How many tries a kind of failure deserves. A server that starts may refuse connections for a moment, and a
/// resolver may fail once. Beyond that an error helps the user more.
fn tries_worth_making(kind: TransportKind, call: &Call) -> u32 {
    let tries = match kind {
        TransportKind::NotTls
        | TransportKind::Certificate
        | TransportKind::WrongName
        | TransportKind::WrongTime
        | TransportKind::ClientCertificate
        | TransportKind::NoCertificates
        | TransportKind::BadCertificates
        | TransportKind::Forbidden => 1,
        TransportKind::Refused
        | TransportKind::UnknownHost
        | TransportKind::Unreachable
        | TransportKind::Proxy
        | TransportKind::Silent(_) => 2,
        // GET may succeed.
        TransportKind::Broken if call.method == Method::HEAD => 1,
        TransportKind::Broken => limits::REQUEST_TRIES,
    };
    match (call.patience, kind) {
        (Patience::Full, _) => tries,
        // The server may just have closed an idle connection.
        (Patience::Hurried, TransportKind::Broken) => tries.min(2),
        (Patience::Hurried, _) => 1,
    }
}
