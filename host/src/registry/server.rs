use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;

use super::authenticator::{Authenticator, Refusal};
use super::challenge;
use super::credentials::CredentialStore;
use super::endpoint::Endpoint;
use super::exchange::{Call, Exchange};
use super::failure;
use super::hosts::{Capability, HostEndpoint};
use super::remembered::Remembered;
use super::settings::Timing;
use super::transport::{Response, TransportSettings, Transports};
use super::warning::Warnings;
use crate::limits;
use crate::oci::Digest;
use crate::ports::{FetchFailure, FetchFault};

/// One of the servers that stand for a registry, with what has been learned about it.
pub(super) struct Server {
    settings: HostEndpoint,
    endpoint: Endpoint,
    exchange: Arc<Exchange>,
    authenticator: Authenticator,
    warnings: Arc<Warnings>,
    rests_until: Mutex<Option<Instant>>,
    /// Blobs in whose place it has sent something else.
    wrong: Mutex<Remembered<Digest, ()>>,
}

/// What all servers have in common.
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
        let exchange = Arc::new(Exchange::new(transport, shared.timing, &endpoint, headers));
        let credentials = Arc::clone(&shared.credentials);
        let authenticator = Authenticator::new(endpoint.clone(), Arc::clone(&exchange), credentials);
        let warnings = Arc::clone(&shared.warnings);
        let rests_until = Mutex::default();
        let wrong = Mutex::new(Remembered::new(limits::REMEMBERED_BLOBS));
        Ok(Self { settings, endpoint, exchange, authenticator, warnings, rests_until, wrong })
    }

    pub(super) fn settings(&self) -> &HostEndpoint {
        &self.settings
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends calls without any authorization.
    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Whether it may be asked for all of these.
    pub(super) fn may(&self, needed: &[Capability]) -> bool {
        needed.iter().all(|&capability| self.settings.capabilities.has(capability))
    }

    /// Sends a call about `repository` with whatever authorization is known, and again with another when
    /// the server asks for it. The response may have any status that is not worth another try. The call then
    /// has the address that was asked.
    pub(super) async fn send(&self, repository: &str, call: &mut Call) -> Result<Response, FetchFailure> {
        // One answer may be made of what has been known for long, and one of what has been found since.
        const ANSWERS: usize = 2;
        let began = Instant::now();
        call.authorization = self.authenticator.known(repository, began).await?;
        let mut response = self.exchange.send(call).await?;
        for _ in 0..ANSWERS {
            let other = self.other_authorization(repository, call, &response, began).await?;
            let Some(authorization) = other else { break };
            response.discard().await;
            call.authorization = Some(authorization);
            response = self.exchange.send(call).await?;
        }
        if !response.asks_for_authorization() {
            self.authenticator.accepted(repository, call.authorization.as_ref()).await;
        }
        if let Some(plain) = self.endpoint.fallback().and_then(|fallback| fallback.known(&call.url)) {
            call.url = plain;
        }
        if response.is_from_first_hop() {
            self.warnings.show(self.endpoint.host(), response.headers());
        }
        Ok(response)
    }

    /// What to try instead of the authorization that got this response, if that is the reason for it.
    async fn other_authorization(
        &self,
        repository: &str,
        call: &Call,
        response: &Response,
        began: Instant,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let used = call.authorization.as_ref();
        if response.asks_for_authorization() {
            let challenges = challenge::parse(response.headers());
            let name = self.endpoint.name_of(repository);
            let refusal = Refusal { repository, name, challenges, used, began };
            return self.authenticator.answer(refusal).await;
        }
        match used {
            Some(used) if response.forbids() => self.authenticator.instead_of(repository, used, began).await,
            _ => Ok(None),
        }
    }

    /// The failure that a response with an unwelcome status stands for.
    pub(super) async fn failure(&self, call: &Call, response: Response) -> FetchFailure {
        let from_registry = response.is_from_first_hop();
        let mut failure = failure::of_status(call, response).await;
        if failure.fault == FetchFault::Denied && from_registry {
            failure.hint = Some(self.authenticator.denial_hint().await);
        }
        failure
    }

    /// Takes note of a failure: a server that cannot be spoken with is left alone for a while. One that says
    /// what it does not have, or to whom it does not give it, has been spoken with.
    pub(super) fn note(&self, failure: &FetchFailure) {
        if matches!(failure.fault, FetchFault::NotFound | FetchFault::Denied) {
            return;
        }
        let mut rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        *rests_until = Some(Instant::now() + limits::HOST_REST);
    }

    /// Whether it has failed a short while ago.
    pub(super) fn is_resting(&self) -> bool {
        let rests_until = self.rests_until.lock().unwrap_or_else(PoisonError::into_inner);
        rests_until.is_some_and(|until| Instant::now() < until)
    }

    /// Takes note that what it sent of a blob was something else. It is not asked for this blob again: unlike a
    /// failure, that does not pass.
    pub(super) fn note_wrong(&self, digest: &Digest) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(digest, || ());
    }

    /// Whether it has sent something else in place of this blob.
    pub(super) fn was_wrong_about(&self, digest: &Digest) -> bool {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).get(digest).is_some()
    }
}
