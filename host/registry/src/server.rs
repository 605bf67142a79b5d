use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::StatusCode;
use url::Url;

use super::authenticator::{Authenticator, Unauthorized};
use super::call::Call;
use super::challenge;
use super::credentials::CredentialStore;
use super::endpoint::{Endpoint, authority, repository_in};
use super::exchange::Exchange;
use super::failure;
use super::hidden::Hidden;
use super::hosts::{Capability, HostEndpoint, Scheme};
use super::redirected::Redirected;
use super::remembered::Remembered;
use super::settings::Timing;
use super::transport::{Response, TransportSettings, Transports};
use super::warning::Warnings;
use dray_core::limits;
use dray_core::oci::Digest;
use dray_ports::{FetchFailure, FetchFault, FetchReason, RegistryAccess};

/// One of the servers that stand for a registry, with what was learned about it.
pub(super) struct Server {
    settings: HostEndpoint,
    endpoint: Endpoint,
    exchange: Arc<Exchange>,
    authenticator: Authenticator,
    redirected: Redirected,
    hidden: Hidden,
    warnings: Arc<Warnings>,
    rests_until: Mutex<Option<Instant>>,
    /// Whether it has answered a call with success.
    has_served: AtomicBool,
    /// Blobs for which it sent wrong content.
    wrong: Mutex<Remembered<Digest, ()>>,
}

/// The state that all servers share.
pub(super) struct Shared {
    pub(super) transports: Transports,
    pub(super) timing: Timing,
    pub(super) credentials: Arc<CredentialStore>,
    pub(super) warnings: Arc<Warnings>,
}

impl Server {
    pub(super) fn new(
        namespace: &str,
        settings: HostEndpoint,
        shared: &Shared,
    ) -> Result<Self, FetchFailure> {
        let endpoint = Endpoint::new(namespace, &settings)?;
        let transport = shared.transports.get(&TransportSettings {
            tls: (&settings).into(),
            dial_timeout: settings.dial_timeout,
            is_ambiguous: settings.http_fallback,
            public_only: false,
        })?;
        let headers = settings.headers.to_map();
        let credentials = Arc::clone(&shared.credentials);
        let redirected = Redirected::new(Arc::clone(&transport), shared.timing, Arc::clone(&credentials));
        let exchange = Exchange::new(transport, shared.timing, &endpoint, headers);
        let exchange = Arc::new(if settings.skip_verify { exchange.leaving_https() } else { exchange });
        let authenticator = Authenticator::new(endpoint.clone(), Arc::clone(&exchange), credentials);
        let warnings = Arc::clone(&shared.warnings);
        let rests_until = Mutex::default();
        let wrong = Mutex::new(Remembered::new(limits::REMEMBERED_BLOBS));
        let hidden = Hidden::default();
        Ok(Self {
            settings,
            endpoint,
            exchange,
            authenticator,
            redirected,
            hidden,
            warnings,
            has_served: AtomicBool::new(false),
            rests_until,
            wrong,
        })
    }

    pub(super) fn settings(&self) -> &HostEndpoint {
        &self.settings
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The exchange for calls without authorization.
    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Whether it has all of these capabilities.
    pub(super) fn may(&self, needed: &[Capability]) -> bool {
        needed.iter().all(|&capability| self.settings.capabilities.has(capability))
    }

    /// Sends a call about `repository` with the known authorization. Answers challenges of the server and of targets
    /// of redirects, and sends the call again. The response may have any status that is not worth a retry. The call
    /// then holds the URL that was asked.
    pub(super) async fn send(&self, repository: &str, call: &mut Call) -> Result<Response, FetchFailure> {
        // Two servers may ask, and each may refuse a stored authorization and then get a new one.
        const ANSWERS: usize = 4;
        let began = Instant::now();
        call.authorization = self.authenticator.known(repository, began).await?;
        call.after_redirect = self.redirected.known(repository, began).await;
        let mut response = self.exchange.send(call).await?;
        for _ in 0..ANSWERS {
            if !self.authorize(repository, call, &response, began).await? {
                break;
            }
            response.discard().await;
            response = self.exchange.send(call).await?;
        }
        self.note_accepted(repository, call, &response).await;
        if response.status().is_success() {
            self.has_served.store(true, Ordering::Relaxed);
        }
        if let Some(plain) = self.endpoint.fallback().and_then(|fallback| fallback.known(&call.url)) {
            call.url = plain;
        }
        if response.is_from_first_hop() {
            self.warnings.show(self.endpoint.host(), response.headers());
        }
        Ok(response)
    }

    /// Gives the call another authorization, if the response asks for one and there is another.
    async fn authorize(
        &self,
        repository: &str,
        call: &mut Call,
        response: &Response,
        began: Instant,
    ) -> Result<bool, FetchFailure> {
        if !response.is_from_first_hop() {
            return self.authorize_redirected(repository, call, response, began).await;
        }
        let used = call.authorization.as_ref();
        let name = self.endpoint.name_of(repository);
        let other = match (response.status(), used) {
            (StatusCode::UNAUTHORIZED, _) => {
                self.hidden.note_challenge();
                let challenges = challenge::parse(response.headers());
                self.authenticator.answer(Unauthorized { repository, name, challenges, used, began }).await?
            }
            (StatusCode::FORBIDDEN, Some(used)) => {
                self.authenticator.instead_of(repository, used, began).await?
            }
            (StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, None) => {
                let Self { authenticator, endpoint, exchange, .. } = self;
                let patience = call.patience;
                let challenges = self.hidden.challenges(authenticator, endpoint, exchange, patience).await;
                let unauthorized =
                    Unauthorized { repository, name, challenges: challenges.to_vec(), used: None, began };
                self.authenticator.answer(unauthorized).await.unwrap_or_else(|failure| {
                    self.hidden.warn(&failure);
                    None
                })
            }
            _ => None,
        };
        let Some(authorization) = other else { return Ok(false) };
        call.authorization = Some(authorization);
        Ok(true)
    }

    /// The same for a target of a redirect.
    async fn authorize_redirected(
        &self,
        repository: &str,
        call: &mut Call,
        response: &Response,
        began: Instant,
    ) -> Result<bool, FetchFailure> {
        let url = response.url();
        let Some(name) = repository_in(url).filter(|_| self.may_be_told(url)) else {
            return Ok(false);
        };
        let used = call.authorization_for(url);
        let other = match (response.status(), used) {
            (StatusCode::UNAUTHORIZED, _) => {
                let challenges = challenge::parse(response.headers());
                if challenges.is_empty() {
                    return Ok(false);
                }
                let unauthorized =
                    Unauthorized { repository, name: name.to_owned(), challenges, used, began };
                self.redirected.authenticator(url).answer(unauthorized).await?
            }
            (StatusCode::FORBIDDEN, Some(used)) => match self.redirected.known_authenticator(url) {
                Some(authenticator) => authenticator.instead_of(repository, used, began).await?,
                None => None,
            },
            _ => None,
        };
        let Some(authorization) = other else { return Ok(false) };
        call.after_redirect.retain(|(origin, _)| *origin != url.origin());
        call.after_redirect.push((url.origin(), authorization));
        Ok(true)
    }

    /// Whether a target of a redirect may get credentials. Over plain HTTP only if this server uses plain HTTP too.
    /// with in the same way.
    fn may_be_told(&self, url: &Url) -> bool {
        url.scheme() == "https" || self.endpoint.allows_plain(url)
    }

    /// Notes the authorizations that were accepted.
    async fn note_accepted(&self, repository: &str, call: &Call, response: &Response) {
        let is_refused = response.status() == StatusCode::UNAUTHORIZED;
        if !(is_refused && response.is_from_first_hop()) {
            self.authenticator.accepted(repository, call.authorization.as_ref()).await;
        }
        if !(is_refused || response.is_from_first_hop())
            && let Some(authenticator) = self.redirected.known_authenticator(response.url())
        {
            authenticator.accepted(repository, call.authorization_for(response.url())).await;
        }
    }

    /// The failure for a status that is not a success.
    pub(super) async fn failure(&self, call: &Call, response: Response) -> FetchFailure {
        let is_from_first_hop = response.is_from_first_hop();
        let url = response.url().clone();
        let mut failure = failure::of_status(call, response).await;
        if failure.fault != FetchFault::Denied {
            return failure;
        }
        if is_from_first_hop {
            failure.reason = Some(self.authenticator.denial().await);
        } else if !self.may_be_told(&url) {
            failure.reason = Some(FetchReason::CredentialsWithheld { host: authority(&url).to_string() });
        } else if let Some(authenticator) = self.redirected.known_authenticator(&url) {
            failure.reason = Some(authenticator.denial().await);
        }
        failure
    }

    /// Notes a failure. A server that cannot be reached is not asked for a while. A server that answers "not found"
    /// or "denied" was reached.
    pub(super) fn note(&self, failure: &FetchFailure) {
        if matches!(failure.fault, FetchFault::NotFound | FetchFault::Denied) {
            return;
        }
        let mut rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        *rests_until = Some(Instant::now() + limits::HOST_REST);
    }

    /// What it took to be served by it; nothing if it has not served yet.
    pub(super) async fn access(&self) -> Vec<RegistryAccess> {
        if !self.has_served.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let HostEndpoint { ca, client, skip_verify, .. } = &self.settings;
        let has_own_certificates = !ca.is_empty() || !client.is_empty() || *skip_verify;
        let is_encrypted = self.endpoint.scheme() == Scheme::Https;
        let took = [
            (RegistryAccess::PlainHttp, self.endpoint.is_exposed()),
            (RegistryAccess::PrivateCa, is_encrypted && has_own_certificates),
            (RegistryAccess::Mirror, self.endpoint.is_mirror()),
            (RegistryAccess::Credentials, self.authenticator.has_told_credentials().await),
        ];
        took.into_iter().filter_map(|(access, is_used)| is_used.then_some(access)).collect()
    }

    /// Whether it failed a short while ago.
    pub(super) fn is_resting(&self) -> bool {
        let rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes that it sent wrong content for a blob. It is not asked for this blob again: unlike a failure, wrong
    /// content does not pass.
    pub(super) fn note_wrong(&self, digest: &Digest) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(digest, || ());
    }

    /// Whether it sent wrong content for this blob.
    pub(super) fn was_wrong_about(&self, digest: &Digest) -> bool {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).get(digest).is_some()
    }
}
