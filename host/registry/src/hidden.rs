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

/// What is known of a server that may hide its repositories: instead of asking a stranger for credentials it says that
/// there is nothing, and only the root of its API asks.
#[derive(Default)]
pub(super) struct Hidden {
    /// Whether the server asks for credentials where it wants some, so that it hides nothing.
    asks_openly: AtomicBool,
    /// What it asks at its root. It is asked there once.
    challenges: OnceCell<Vec<Challenge>>,
    /// Whether the credentials turned out to be of no use. One try is enough: it may have run a slow program.
    has_warned: AtomicBool,
}

impl Hidden {
    /// Takes note that the server asks for credentials.
    pub(super) fn note_challenge(&self) {
        self.asks_openly.store(true, Ordering::Relaxed);
    }

    /// The challenges that a request would have met if the server hid nothing. None, and not a request more, where the
    /// user has no credentials for the server.
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

    /// Says why what the server shows to strangers counts though the user has credentials.
    pub(super) fn warn(&self, failure: &FetchFailure) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("only what the registry shows to everybody is found: {failure}");
        }
    }
}

/// The challenges at the root of the API, which are about no repository: some registries name an example there.
async fn ask(endpoint: &Endpoint, exchange: &Exchange, patience: Patience) -> Vec<Challenge> {
    let Ok(url) = endpoint.base() else { return Vec::new() };
    let mut call = Call::new(Role::Registry, Method::GET, url);
    call.patience = patience;
    call.headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
    let response = match exchange.send(&call).await {
        Ok(response) => response,
        Err(failure) => {
            tracing::debug!(%failure, "whether the registry hides anything is not known");
            return Vec::new();
        }
    };
    let is_challenge = response.status() == StatusCode::UNAUTHORIZED && response.is_from_first_hop();
    let challenges = if is_challenge { challenge::parse(response.headers()) } else { Vec::new() };
    response.discard().await;
    challenges.into_iter().map(Challenge::without_repository).collect()
}
