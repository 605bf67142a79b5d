use std::sync::atomic::{AtomicBool, Ordering};

use http::header::ACCEPT;
use http::{HeaderValue, Method, StatusCode};
use tokio::sync::OnceCell;

use super::authenticator::Authenticator;
use super::call::{Call, Patience, Role};
use super::challenge::{self, Challenge};
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use dray_ports::FetchFailure;

/// What is known of a server that may hide its repositories. Such a server answers 404 to an anonymous request
/// instead of asking for credentials; only the root of its API asks.
#[derive(Default)]
pub(super) struct Hidden {
    /// Whether the server asks for credentials at a repository, so that it hides nothing.
    asks_openly: AtomicBool,
    /// The challenges at its root. They are asked for once.
    challenges: OnceCell<Vec<Challenge>>,
    /// Whether a warning said that the credentials were of no use. One try is enough: it may have run a slow program.
    has_warned: AtomicBool,
}

impl Hidden {
    /// Notes that the server asks for credentials.
    pub(super) fn note_challenge(&self) {
        self.asks_openly.store(true, Ordering::Relaxed);
    }

    /// The challenges that a request would have met if the server hid nothing. Empty, without a further request, if
    /// the user has no credentials for the server.
    pub(super) async fn challenges(
        &self,
        authenticator: &Authenticator,
        endpoint: &Endpoint,
        exchange: &Exchange,
        patience: Patience,
    ) -> &[Challenge] {
        let is_open = self.asks_openly.load(Ordering::Relaxed) && !self.challenges.initialized();
        if is_open || self.has_warned.load(Ordering::Relaxed) {
            return &[];
        }
        match authenticator.has_credentials().await {
            Ok(true) => self.challenges.get_or_init(|| ask(endpoint, exchange, patience)).await,
            Ok(false) => &[],
            Err(failure) => {
                self.warn(&failure);
                &[]
            }
        }
    }

    /// Warns why the anonymous answer counts although the user has credentials.
    pub(super) fn warn(&self, failure: &FetchFailure) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("the registry is used without credentials: {failure}");
        }
    }
}

/// The challenges at the root of the API, without scopes: some registries name an example repository there.
async fn ask(endpoint: &Endpoint, exchange: &Exchange, patience: Patience) -> Vec<Challenge> {
    let Ok(url) = endpoint.base() else { return Vec::new() };
    let mut call = Call::new(Role::Registry, Method::GET, url);
    call.patience = patience;
    call.headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
    let response = match exchange.send(&call).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::debug!(%failure, "cannot find out whether the registry hides repositories");
            return Vec::new();
        }
    };
    let is_challenge = response.status() == StatusCode::UNAUTHORIZED && response.is_from_first_hop();
    let challenges = if is_challenge { challenge::parse(response.headers()) } else { Vec::new() };
    response.discard().await;
    challenges.into_iter().map(Challenge::without_repository).collect()
}
