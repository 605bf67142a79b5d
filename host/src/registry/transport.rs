use std::error::Error;
use std::io;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{ClientBuilder, NoProxy, Proxy};
use tokio::sync::OnceCell;
use url::Url;

use super::body::Body;
use super::exchange::Call;
use super::settings::{ProxySettings, Timing};
use crate::ports::{FetchFailure, FetchFault};

/// Sends single HTTP requests. Follows nothing, repeats nothing, decodes nothing.
pub(super) struct Transport {
    plain: reqwest::Client,
    /// Made when it is first needed: it reads the certificates of the system, which a registry on loopback
    /// needs as little as their presence.
    secure: OnceCell<reqwest::Client>,
    proxies: Vec<Proxy>,
    user_agent: String,
    timing: Timing,
}

impl Transport {
    pub(super) fn new(proxy: &ProxySettings, user_agent: &str, timing: Timing) -> Result<Self, FetchFailure> {
        if user_agent.trim().is_empty() {
            return Err(FetchFailure {
                fault: FetchFault::Configuration,
                message: "the user agent is empty, and some registries refuse requests without one"
                    .to_owned(),
                hint: None,
                retry_after: None,
                source: None,
            });
        }
        // The HTTP client takes the cryptography of the process. If the program around us has chosen one
        // already, that is as good as ours.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxies = proxies(proxy)?;
        let plain = builder(&proxies, user_agent, timing)
            .tls_certs_only([])
            .build()
            .map_err(|error| unusable("cannot set up the HTTP client", error))?;
        Ok(Self { plain, secure: OnceCell::new(), proxies, user_agent: user_agent.to_owned(), timing })
    }

    /// Sends the call to `url`, which is its own or one that it was redirected to. Only the origin that the
    /// call was meant for gets its authorization and its form.
    pub(super) async fn send(&self, call: &Call, url: &Url) -> Result<Response, TransportError> {
        let mut request = reqwest::Request::new(call.method.clone(), url.clone());
        *request.headers_mut() = call.headers.clone();
        if url.origin() == call.url.origin() {
            if let Some(authorization) = &call.authorization {
                request.headers_mut().insert(AUTHORIZATION, authorization.clone());
            }
            if let Some(form) = &call.form {
                *request.body_mut() = Some(form.expose().to_owned().into());
            }
        }
        let client = self.client(url).await?;
        let silence = self.timing.connect + self.timing.stall;
        match tokio::time::timeout(silence, client.execute(request)).await {
            Err(_) => Err(TransportError::silent(silence)),
            Ok(Err(error)) => Err(TransportError::from(error)),
            Ok(Ok(inner)) => Ok(Response { inner, stall: self.timing.stall }),
        }
    }

    async fn client(&self, url: &Url) -> Result<&reqwest::Client, TransportError> {
        if url.scheme() == "http" {
            return Ok(&self.plain);
        }
        let build = || async { builder(&self.proxies, &self.user_agent, self.timing).build() };
        self.secure.get_or_try_init(build).await.map_err(|error| TransportError {
            kind: TransportKind::NoCertificates,
            source: Some(error.without_url()),
        })
    }
}

fn builder(proxies: &[Proxy], user_agent: &str, timing: Timing) -> ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(timing.connect)
        .http1_only()
        // Without this the client would look for proxies in the environment.
        .no_proxy();
    proxies.iter().cloned().fold(builder, ClientBuilder::proxy)
}

fn proxies(settings: &ProxySettings) -> Result<Vec<Proxy>, FetchFailure> {
    let own = settings.no_proxy.as_deref().unwrap_or_default();
    let no_proxy = NoProxy::from_string(&format!("{own},localhost,127.0.0.0/8,::1"));
    let make = |value: &Option<String>, make: fn(&str) -> reqwest::Result<Proxy>, name: &str| {
        let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else { return Ok(None) };
        match make(value) {
            Ok(proxy) => Ok(Some(proxy.no_proxy(no_proxy.clone()))),
            Err(error) => Err(unusable(&format!("the address of the {name} proxy cannot be used"), error)),
        }
    };
    let https = make(&settings.https, |url| Proxy::https(url), "HTTPS")?;
    let http = make(&settings.http, |url| Proxy::http(url), "HTTP")?;
    Ok(https.into_iter().chain(http).collect())
}

fn unusable(message: &str, error: reqwest::Error) -> FetchFailure {
    FetchFailure {
        fault: FetchFault::Configuration,
        message: message.to_owned(),
        hint: None,
        retry_after: None,
        source: Some(Box::new(TransportError::from(error))),
    }
}

/// An answer whose body has not been read yet.
pub(super) struct Response {
    inner: reqwest::Response,
    stall: Duration,
}

impl Response {
    pub(super) fn status(&self) -> StatusCode {
        self.inner.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.inner.headers()
    }

    /// Where the answer came from in the end.
    pub(super) fn url(&self) -> &Url {
        self.inner.url()
    }

    /// Whether the answer came from the server of this address, rather than from one it redirects to.
    pub(super) fn is_from(&self, url: &Url) -> bool {
        self.url().origin() == url.origin()
    }

    /// Whether the server that the call was meant for wants to know who asks.
    pub(super) fn asks_for_authorization(&self, call: &Call) -> bool {
        self.status() == StatusCode::UNAUTHORIZED && self.is_from(&call.url)
    }

    /// The body.
    pub(super) fn into_body(self) -> Body {
        Body::new(self.inner, self.stall)
    }

    /// Reads a small body to its end, so that the connection can be used again.
    pub(super) async fn discard(self) {
        const NOT_WORTH_WAITING: Duration = Duration::from_secs(1);
        const NOT_WORTH_READING: u64 = 16 * 1024;
        if self.inner.content_length().is_none_or(|length| length <= NOT_WORTH_READING) {
            let read = self.into_body().read(NOT_WORTH_READING);
            let _ = tokio::time::timeout(NOT_WORTH_WAITING, read).await;
        }
    }
}

/// Why there is no answer, or not the whole of it.
#[derive(Debug)]
pub(super) struct TransportError {
    pub(super) kind: TransportKind,
    source: Option<reqwest::Error>,
}

/// The kinds that a user can do different things about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TransportKind {
    /// Nobody listens.
    Refused,
    /// The name has no address.
    UnknownHost,
    /// No connection came about in time.
    Unreachable,
    /// Nothing came for so long.
    Silent(Duration),
    /// We began to speak TLS and were answered in something else.
    NotTls,
    /// The certificate is not trusted, or is another's.
    Certificate,
    /// This machine has no certificates to compare with.
    NoCertificates,
    /// What came is not HTTP, or the connection ended too early.
    Broken,
}

impl TransportError {
    pub(super) fn silent(stall: Duration) -> Self {
        Self { kind: TransportKind::Silent(stall), source: None }
    }

    /// What is to be told beside the kind.
    pub(super) fn into_cause(self) -> Option<Box<dyn Error + Send + Sync>> {
        self.source.is_some().then(|| self.into())
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self { kind: kind_of(&error), source: Some(error.without_url()) }
    }
}

fn kind_of(error: &reqwest::Error) -> TransportKind {
    for cause in causes(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return match tls {
                // The first byte was none that a TLS server can begin with.
                rustls::Error::InvalidMessage(_) => TransportKind::NotTls,
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                    TransportKind::Certificate
                }
                _ => TransportKind::Broken,
            };
        }
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return TransportKind::Refused;
        }
    }
    match () {
        () if error.is_dns() => TransportKind::UnknownHost,
        () if error.is_connect() && error.is_timeout() => TransportKind::Unreachable,
        () => TransportKind::Broken,
    }
}

/// The error and everything below it. An I/O error that wraps another skips it in its own chain.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

/// Only the innermost cause: the layers above it say no more than that a request failed.
impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.source.as_ref().and_then(|error| causes(error).last()) {
            Some(cause) => write!(f, "{cause}"),
            None => f.write_str("no answer in time"),
        }
    }
}

impl Error for TransportError {}

/// Whether the server is asked to look elsewhere, with a method whose request can simply be sent there.
pub(super) fn is_redirect(method: &Method, status: StatusCode) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
