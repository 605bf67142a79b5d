use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, StatusCode};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{ClientBuilder, NoProxy, Proxy};
use rustls::{AlertDescription, CertificateError};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use url::Url;

use super::body::Body;
use super::exchange::Call;
use super::public_only::{self, PublicOnly};
use super::settings::{ProxySettings, Timing};
use super::tls::{self, TlsError, TlsSettings};
use crate::ports::{FetchFailure, FetchFault};

/// Makes transports, and the same one for servers that want the same of it.
pub(super) struct Transports {
    proxies: Proxies,
    user_agent: String,
    timing: Timing,
    made: Mutex<HashMap<TransportSettings, Arc<Transport>>>,
}

/// How a server wants to be connected with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TransportSettings {
    pub(super) tls: TlsSettings,
    /// For a connection to come about, in place of what is usual. Zero is no limit.
    pub(super) dial_timeout: Option<Duration>,
    /// Whether a server that accepts a connection and then says nothing may be one that does not speak TLS.
    pub(super) is_ambiguous: bool,
    /// Whether only addresses that everybody can reach are connected with.
    pub(super) public_only: bool,
}

impl Transports {
    pub(super) fn new(proxy: &ProxySettings, user_agent: &str, timing: Timing) -> Result<Self, FetchFailure> {
        if user_agent.trim().is_empty() || http::HeaderValue::from_str(user_agent).is_err() {
            return Err(FetchFailure {
                fault: FetchFault::Configuration,
                message:
                    "the user agent is empty or cannot be one, and some registries refuse requests without"
                        .to_owned(),
                hint: None,
                retry_after: None,
                source: None,
            });
        }
        // The HTTP client takes the cryptography of the process. If the program around us has chosen one
        // already, that is as good as ours.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let proxies = Proxies::new(proxy)?;
        Ok(Self { proxies, user_agent: user_agent.to_owned(), timing, made: Mutex::default() })
    }

    /// The transport for a server. Reads no file yet.
    pub(super) fn get(&self, settings: TransportSettings) -> Result<Arc<Transport>, FetchFailure> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = made.get(&settings) {
            return Ok(Arc::clone(transport));
        }
        let transport = Arc::new(Transport::new(self, settings.clone())?);
        made.insert(settings, Arc::clone(&transport));
        Ok(transport)
    }
}

/// Sends single HTTP requests. Follows nothing, repeats nothing, decodes nothing.
pub(super) struct Transport {
    plain: reqwest::Client,
    /// Made when it is first needed: it reads the certificates of the system, which a server without TLS needs
    /// as little as their presence.
    secure: OnceCell<reqwest::Client>,
    settings: TransportSettings,
    proxies: Proxies,
    user_agent: String,
    timing: Timing,
}

impl Transport {
    fn new(made_by: &Transports, settings: TransportSettings) -> Result<Self, FetchFailure> {
        let mut timing = made_by.timing;
        match settings.dial_timeout {
            // No connection takes an hour; what takes longer than silence may is given up all the same.
            Some(Duration::ZERO) => timing.connect = Duration::from_hours(1),
            Some(given) => timing.connect = given,
            None if settings.is_ambiguous => {
                timing.connect = timing.connect.min(crate::limits::AMBIGUOUS_CONNECT_TIMEOUT);
            }
            None => {}
        }
        let Transports { proxies, user_agent, .. } = made_by;
        let plain = builder(&proxies.all, user_agent, timing, &settings)
            .tls_certs_only([])
            .build()
            .map_err(|error| unusable("cannot set up the HTTP client", error))?;
        let (proxies, user_agent) = (proxies.clone(), user_agent.clone());
        Ok(Self { plain, secure: OnceCell::new(), settings, proxies, user_agent, timing })
    }

    /// Sends the call to `url`, which is its own or one that it was redirected to, with header fields that
    /// only this server sees. Only the origin that the call was meant for gets its authorization and its form.
    pub(super) async fn send(
        &self,
        call: &Call,
        url: &Url,
        own: &HeaderMap,
    ) -> Result<Response, TransportError> {
        if self.settings.public_only && url.host().is_some_and(|host| public_only::refuses(&host)) {
            return Err(TransportError::new(TransportKind::Forbidden, None));
        }
        let mut request = reqwest::Request::new(call.method.clone(), url.clone());
        *request.headers_mut() = own.clone();
        for name in call.headers.keys() {
            request.headers_mut().remove(name);
        }
        for (name, value) in &call.headers {
            request.headers_mut().append(name, value.clone());
        }
        let is_first_hop = url.origin() == call.url.origin();
        if is_first_hop {
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
            Ok(Err(error)) => Err(self.blamed(url, error)),
            Ok(Ok(inner)) => Ok(Response { inner, is_first_hop, stall: self.timing.stall }),
        }
    }

    /// Whether somebody accepts connections at an address. What a proxy would say to that means nothing.
    pub(super) async fn is_there(&self, url: &Url) -> bool {
        const NOT_WORTH_WAITING: Duration = Duration::from_secs(5);
        let Some((host, port)) = url.host_str().zip(url.port_or_known_default()) else { return false };
        if self.proxies.concern(url) {
            return false;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let connecting = TcpStream::connect((host, port));
        let limit = self.timing.connect.min(NOT_WORTH_WAITING);
        matches!(tokio::time::timeout(limit, connecting).await, Ok(Ok(_)))
    }

    /// Where there is a proxy, it is the one that a connection does not come about with: all that a server says
    /// through it before the first request is about TLS.
    fn blamed(&self, url: &Url, error: reqwest::Error) -> TransportError {
        let is_about_tls = causes(&error).any(<dyn Error>::is::<rustls::Error>);
        let is_by_proxy = error.is_connect() && !is_about_tls && self.proxies.concern(url);
        let mut error = TransportError::from(error);
        if is_by_proxy && error.kind != TransportKind::Forbidden {
            error.kind = TransportKind::Proxy;
        }
        error
    }

    async fn client(&self, url: &Url) -> Result<&reqwest::Client, TransportError> {
        if url.scheme() == "http" {
            return Ok(&self.plain);
        }
        let build = || async {
            let settings = self.settings.tls.clone();
            let config = tokio::task::spawn_blocking(move || tls::config(&settings)).await;
            let config =
                config.map_err(|error| TransportError::new(TransportKind::Broken, Some(error.into())))?;
            let config = config.map_err(|error| {
                let kind = match &error {
                    TlsError::NoAuthorities { .. } => TransportKind::NoCertificates,
                    _ => TransportKind::BadCertificates,
                };
                TransportError::new(kind, Some(error.into()))
            })?;
            let builder = builder(&self.proxies.all, &self.user_agent, self.timing, &self.settings);
            builder.tls_backend_preconfigured(config).build().map_err(TransportError::from)
        };
        self.secure.get_or_try_init(build).await
    }
}

fn builder(
    proxies: &[Proxy],
    user_agent: &str,
    timing: Timing,
    settings: &TransportSettings,
) -> ClientBuilder {
    let mut builder = reqwest::Client::builder()
        .user_agent(user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(timing.connect)
        .http1_only()
        // Without this the client would look for proxies in the environment.
        .no_proxy();
    if settings.public_only {
        builder = builder.dns_resolver(PublicOnly);
    }
    proxies.iter().cloned().fold(builder, ClientBuilder::proxy)
}

/// The ways around, and for whom.
#[derive(Clone)]
struct Proxies {
    all: Vec<Proxy>,
    /// The same rules, to be asked: the HTTP client does not tell.
    matcher: Arc<Matcher>,
}

impl Proxies {
    fn new(settings: &ProxySettings) -> Result<Self, FetchFailure> {
        let own = settings.no_proxy.as_deref().unwrap_or_default();
        let no_proxy = format!("{own},localhost,127.0.0.0/8,::1");
        let make = |value: &Option<String>, make: fn(&str) -> reqwest::Result<Proxy>, name: &str| {
            let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else { return Ok(None) };
            match make(value) {
                Ok(proxy) => Ok(Some(proxy.no_proxy(NoProxy::from_string(&no_proxy)))),
                Err(error) => {
                    let message = format!("the address of the {name} proxy cannot be used");
                    let mut failure = unusable(&message, error);
                    failure.hint =
                        Some(format!("correct `{name}_PROXY`; it looks like `http://proxy.example:3128`"));
                    Err(failure)
                }
            }
        };
        let https = make(&settings.https, |url| Proxy::https(url), "HTTPS")?;
        let http = make(&settings.http, |url| Proxy::http(url), "HTTP")?;
        let matcher = Matcher::builder()
            .https(settings.https.clone().unwrap_or_default())
            .http(settings.http.clone().unwrap_or_default())
            .no(no_proxy)
            .build();
        Ok(Self { all: https.into_iter().chain(http).collect(), matcher: Arc::new(matcher) })
    }

    fn concern(&self, url: &Url) -> bool {
        url.as_str().parse().is_ok_and(|url| self.matcher.intercept(&url).is_some())
    }
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
    is_first_hop: bool,
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

    /// Whether the answer came from the server that the call was meant for, rather than from one it redirects to.
    pub(super) fn is_from_first_hop(&self) -> bool {
        self.is_first_hop
    }

    /// Whether the server that the call was meant for wants to know who asks.
    pub(super) fn asks_for_authorization(&self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED && self.is_first_hop
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
    source: Option<Box<dyn Error + Send + Sync>>,
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
    /// The certificate is not trusted.
    Certificate,
    /// The certificate is another's.
    WrongName,
    /// The certificate was good once, or will be.
    WrongTime,
    /// The server does not take our certificate, or the lack of one.
    ClientCertificate,
    /// This machine has no certificates to compare with.
    NoCertificates,
    /// The certificates or keys that are set up for the server cannot be used.
    BadCertificates,
    /// No connection came about through the proxy.
    Proxy,
    /// The server has an address that only this machine or its network can reach.
    Forbidden,
    /// What came is not HTTP, or the connection ended too early.
    Broken,
}

impl TransportError {
    fn new(kind: TransportKind, source: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source }
    }

    pub(super) fn silent(stall: Duration) -> Self {
        Self::new(TransportKind::Silent(stall), None)
    }

    /// What is to be told beside the kind.
    pub(super) fn into_cause(self) -> Option<Box<dyn Error + Send + Sync>> {
        self.source.is_some().then(|| self.into())
    }
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self::new(kind_of(&error), Some(error.without_url().into()))
    }
}

fn kind_of(error: &reqwest::Error) -> TransportKind {
    for cause in causes(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return match tls {
                // The first byte was none that a TLS server can begin with.
                rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
                    TransportKind::NotTls
                }
                rustls::Error::InvalidCertificate(error) => kind_of_certificate(error),
                rustls::Error::NoCertificatesPresented => TransportKind::Certificate,
                rustls::Error::AlertReceived(alert) if is_about_certificates(*alert) => {
                    TransportKind::ClientCertificate
                }
                _ => TransportKind::Broken,
            };
        }
        if cause.downcast_ref::<public_only::Refused>().is_some() {
            return TransportKind::Forbidden;
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

fn kind_of_certificate(error: &CertificateError) -> TransportKind {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TransportKind::WrongName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TransportKind::WrongTime,
        _ => TransportKind::Certificate,
    }
}

/// What a server can have against the certificate that it asked for.
fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired
    )
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

/// Of a request only the innermost cause: the layers above it say no more than that it failed.
impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(source) = &self.source else { return f.write_str("no answer in time") };
        let source: &(dyn Error + 'static) = source.as_ref();
        if let Some(error) = source.downcast_ref::<TlsError>() {
            return write!(f, "{error}");
        }
        match causes(source).last() {
            Some(cause) => write!(f, "{cause}"),
            None => Ok(()),
        }
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref()?.downcast_ref::<TlsError>()?.source()
    }
}

/// Whether the server is asked to look elsewhere, with a method whose request can simply be sent there.
pub(super) fn is_redirect(method: &Method, status: StatusCode) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
