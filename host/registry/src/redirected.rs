use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::{HeaderMap, HeaderValue};
use url::{Origin, Url};

use super::authenticator::Authenticator;
use super::credentials::CredentialStore;
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::remembered::Remembered;
use super::settings::Timing;
use super::transport::Transport;
use dray_core::limits;

/// Servers that a registry redirects to and that ask for credentials, as the registry behind a vanity domain does.
///
/// Each gets the user's credentials for its own host, or an anonymous token.
pub(super) struct Redirected {
    transport: Arc<Transport>,
    timing: Timing,
    credentials: Arc<CredentialStore>,
    authenticators: Mutex<Remembered<Origin, Arc<Authenticator>>>,
}

impl Redirected {
    pub(super) fn new(transport: Arc<Transport>, timing: Timing, credentials: Arc<CredentialStore>) -> Self {
        let authenticators = Mutex::new(Remembered::new(limits::REMEMBERED_REDIRECTS));
        Self { transport, timing, credentials, authenticators }
    }

    /// The authorizations for a repository at those servers that have asked for one before.
    pub(super) async fn known(&self, repository: &str, began: Instant) -> Vec<(Origin, HeaderValue)> {
        let authenticators: Vec<_> = {
            let authenticators = self.authenticators.lock().unwrap_or_else(PoisonError::into_inner);
            authenticators.iter().map(|(origin, found)| (origin.clone(), Arc::clone(found))).collect()
        };
        let mut known = Vec::new();
        for (origin, authenticator) in authenticators {
            match authenticator.known(repository, began).await {
                Ok(authorization) => known.extend(authorization.map(|value| (origin, value))),
                // The token may not be needed. If it is, the server asks for it, and the failure is reported then.
                Err(failure) => tracing::debug!(%failure, "cannot replace a token that is about to expire"),
            }
        }
        known
    }

    /// The authenticator for a target of a redirect.
    pub(super) fn authenticator(&self, url: &Url) -> Arc<Authenticator> {
        let make = || {
            let endpoint = Endpoint::redirected(url);
            let transport = Arc::clone(&self.transport);
            let exchange = Exchange::new(transport, self.timing, &endpoint, HeaderMap::new());
            Arc::new(Authenticator::new(endpoint, Arc::new(exchange), Arc::clone(&self.credentials)))
        };
        let mut authenticators = self.authenticators.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(authenticators.get_or_insert_with(&url.origin(), make))
    }

    /// The same, if the server has asked for credentials before.
    pub(super) fn known_authenticator(&self, url: &Url) -> Option<Arc<Authenticator>> {
        let mut authenticators = self.authenticators.lock().unwrap_or_else(PoisonError::into_inner);
        authenticators.get(&url.origin()).cloned()
    }
}
