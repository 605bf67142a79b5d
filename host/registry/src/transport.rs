pub(super) mod error;
mod no_proxy;
mod proxies;
mod response;

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::ClientBuilder;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use url::Url;

use self::proxies::Proxies;
use super::call::{Call, Patience};
use super::public_only::{self, PublicOnly};
use super::remembered::Remembered;
use super::settings::{ProxySettings, Timing};
use super::tls::{self, TlsSettings};
use dray_core::limits;
use dray_ports::{FetchFailure, FetchFault};

pub(super) use self::error::{TransportError, TransportKind};
pub(super) use self::response::Response;

/// Makes transports. Servers with equal settings share one.
pub(super) struct Transports {
    proxies: Proxies,
    user_agent: String,
    timing: Timing,
    made: Mutex<Remembered<TransportSettings, Arc<Transport>>>,
}

/// The connection settings of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TransportSettings {
    pub(super) tls: TlsSettings,
    /// Limit for establishing a connection, in place of the default. Zero means no limit.
    pub(super) dial_timeout: Option<Duration>,
    /// Whether a server that accepts a connection and stays silent may be one without TLS.
    pub(super) is_ambiguous: bool,
    /// Whether only public addresses are connected to.
    pub(super) public_only: bool,
}

impl Transports {
    pub(super) fn new(proxy: &ProxySettings, user_agent: &str, timing: Timing) -> Result<Self, FetchFailure> {
        if user_agent.trim().is_empty() || HeaderValue::from_str(user_agent).is_err() {
            let message =
                "the user agent is empty or cannot be one, and some registries refuse requests without";
            return Err(FetchFailure::new(FetchFault::Configuration, message));
        }
        let proxies = Proxies::new(proxy)?;
        let made = Mutex::new(Remembered::new(limits::REMEMBERED_REGISTRIES));
        Ok(Self { proxies, user_agent: user_agent.to_owned(), timing, made })
    }

    /// The transport for a server. Reads no file yet.
    pub(super) fn get(&self, settings: &TransportSettings) -> Result<Arc<Transport>, FetchFailure> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transport) = made.get(settings) {
            return Ok(Arc::clone(transport));
        }
        let transport = Arc::new(Transport::new(self, settings.clone())?);
        Ok(Arc::clone(made.get_or_insert_with(settings, || transport)))
    }
}

/// Sends single HTTP requests. Follows no redirect, retries nothing.
pub(super) struct Transport {
    plain: reqwest::Client,
    /// Made on first use: it reads the system's certificates, which a server without TLS does not need.
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
            // No connection takes an hour. The limit for silence still applies.
            Some(Duration::ZERO) => timing.connect = Duration::from_hours(1),
            Some(given) => timing.connect = given,
            None if settings.is_ambiguous => {
                timing.connect = timing.connect.min(limits::AMBIGUOUS_CONNECT_TIMEOUT);
            }
            None => {}
        }
        let Transports { proxies, user_agent, .. } = made_by;
        let unusable = |error| {
            FetchFailure::new(FetchFault::Configuration, "cannot set up the HTTP client").with_source(error)
        };
        let tls = tls::unused().map_err(|error| unusable(TransportError::bad_certificates(error)))?;
        let plain = builder(proxies, user_agent, timing, &settings).tls_backend_preconfigured(tls).build();
        let plain = plain.map_err(|error| unusable(error.into()))?;
        let (proxies, user_agent) = (proxies.clone(), user_agent.clone());
        Ok(Self { plain, secure: OnceCell::new(), settings, proxies, user_agent, timing })
    }

    /// Sends the call to `url`, which is its own or the target of a redirect, with header fields for this server
    /// only. Each origin gets only its own authorization, and only the origin of the call gets its form.
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
        // Sizes, digests and ranges count bytes as stored.
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for name in call.headers.keys() {
            request.headers_mut().remove(name);
        }
        for (name, value) in &call.headers {
            request.headers_mut().append(name, value.clone());
        }
        if let Some(authorization) = call.authorization_for(url) {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let is_first_hop = url.origin() == call.url.origin();
        if let Some(form) = call.form.as_ref().filter(|_| is_first_hop) {
            *request.body_mut() = Some(form.expose().to_owned().into());
        }
        let client = self.client(url).await?;
        let silence = self.timing.connect.saturating_add(self.timing.stall);
        let silence = match call.patience {
            Patience::Full => silence,
            Patience::Hurried => silence.min(limits::HURRIED_SILENCE),
        };
        match tokio::time::timeout(silence, client.execute(request)).await {
            Err(_) => Err(TransportError::silent(silence)),
            Ok(Err(error)) => Err(self.blamed(url, error)),
            Ok(Ok(inner)) => Ok(Response::new(inner, is_first_hop, self.timing.stall)),
        }
    }

    /// Whether a server accepts connections at an address. The answer of a proxy would say nothing about that.
    pub(super) async fn is_there(&self, url: &Url) -> bool {
        const NOT_WORTH_WAITING: Duration = Duration::from_secs(5);
        let Some((host, port)) = url.host_str().zip(url.port_or_known_default()) else { return false };
        if self.proxies.proxy_for(url).is_some() {
            return false;
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let connecting = TcpStream::connect((host, port));
        let limit = self.timing.connect.min(NOT_WORTH_WAITING);
        matches!(tokio::time::timeout(limit, connecting).await, Ok(Ok(_)))
    }

    /// Blames the proxy, if there is one, for a failed connection: what a server sends before the first request
    /// concerns TLS.
    fn blamed(&self, url: &Url, error: reqwest::Error) -> TransportError {
        let is_about_tls = error::causes(&error).any(<dyn Error>::is::<rustls::Error>);
        let is_by_proxy = error.is_connect() && !is_about_tls && self.proxies.proxy_for(url).is_some();
        let mut error = TransportError::from(error);
        if is_by_proxy && error.kind != TransportKind::Forbidden {
            error.kind = TransportKind::Proxy;
        }
        error
    }

    async fn client(&self, url: &Url) -> Result<&reqwest::Client, TransportError> {
        let proxy_speaks_tls = self.proxies.proxy_for(url).is_some_and(|proxy| proxy.scheme() == "https");
        if url.scheme() == "http" && !proxy_speaks_tls {
            return Ok(&self.plain);
        }
        let build = || async {
            let settings = self.settings.tls.clone();
            let config = tokio::task::spawn_blocking(move || tls::config(&settings)).await;
            let config =
                config.map_err(|error| TransportError::new(TransportKind::Broken, Some(error.into())))?;
            let config = config.map_err(TransportError::bad_certificates)?;
            let builder = builder(&self.proxies, &self.user_agent, self.timing, &self.settings);
            builder.tls_backend_preconfigured(config).build().map_err(TransportError::from)
        };
        self.secure.get_or_try_init(build).await
    }
}

fn builder(
    proxies: &Proxies,
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
        .http1_max_headers(limits::HEADER_FIELDS)
        // Some servers still send the obsolete folded fields (RFC 9112, section 5.2).
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        // Otherwise the client would read proxies from the environment.
        .no_proxy()
        .proxy(proxies.for_client());
    if settings.public_only {
        builder = builder.dns_resolver(PublicOnly);
    }
    builder
}

/// Whether a response redirects a method that can be sent again as it is.
pub(super) fn is_redirect(method: &Method, status: StatusCode) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}
