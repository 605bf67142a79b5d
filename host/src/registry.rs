//! The registry port over the OCI distribution API.
//!
//! [`RegistryClient`] resolves references and opens blobs. Below it lie, from the outside in: `resolve` and
//! `fetch` know the API; `authenticator` answers challenges with the help of `docker_config`; `exchange`
//! repeats what is worth repeating and follows redirects; `transport` speaks HTTP. `failure` words what went
//! wrong. Nothing here reads the environment, and nothing here trusts a byte of a blob.

mod authenticator;
mod body;
mod challenge;
mod docker_config;
mod endpoint;
mod exchange;
mod failure;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hosts;
mod resolve;
mod retry;
mod secret;
mod settings;
mod token;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::authenticator::Authenticator;
use self::docker_config::DockerConfig;
use self::endpoint::Endpoint;
use self::exchange::{Call, Exchange};
use self::transport::{Response, Transport};
use crate::oci::{Descriptor, Reference};
use crate::ports::{BlobStream, FetchFailure, Registry, Resolved};

pub use self::hosts::{
    Capabilities, Capability, ClientPair, HostEndpoint, HostHeaders, HostsFile, HostsFileError,
    HostsSettings, Scheme, host_endpoints, is_registry_name, parse_hosts_file,
};
pub use self::settings::{PlainHttp, ProxySettings, RegistrySettings, Timing};

/// Speaks with registries over HTTP. Keeps connections and tokens for as long as it lives.
pub struct RegistryClient {
    plain_http: PlainHttp,
    exchange: Arc<Exchange>,
    docker_config: Arc<DockerConfig>,
    authenticators: Mutex<HashMap<Endpoint, Arc<Authenticator>>>,
}

impl RegistryClient {
    /// Makes a client with the waiting times of [`crate::limits`]. Touches neither network nor disk.
    ///
    /// # Errors
    ///
    /// Fails if the user agent or a proxy of the settings cannot be used.
    pub fn new(settings: RegistrySettings) -> Result<Self, FetchFailure> {
        Self::with_timing(settings, Timing::default())
    }

    /// Makes a client with waiting times of one's own.
    ///
    /// # Errors
    ///
    /// Fails if the user agent or a proxy of the settings cannot be used.
    pub fn with_timing(settings: RegistrySettings, timing: Timing) -> Result<Self, FetchFailure> {
        let transport = Transport::new(&settings.proxy, &settings.user_agent, timing)?;
        Ok(Self {
            plain_http: settings.plain_http,
            exchange: Arc::new(Exchange::new(transport, timing)),
            docker_config: Arc::new(DockerConfig::new(settings.docker_config)),
            authenticators: Mutex::default(),
        })
    }

    fn endpoint(&self, reference: &Reference) -> Endpoint {
        Endpoint::of(reference, self.plain_http)
    }

    fn authenticator(&self, endpoint: &Endpoint) -> Arc<Authenticator> {
        let mut authenticators = self.authenticators.lock().unwrap_or_else(PoisonError::into_inner);
        let authenticator = authenticators.entry(endpoint.clone()).or_insert_with(|| {
            Arc::new(Authenticator::new(
                endpoint.clone(),
                Arc::clone(&self.exchange),
                Arc::clone(&self.docker_config),
            ))
        });
        Arc::clone(authenticator)
    }

    /// Sends a call about `repository` with whatever authorization is known, and once more with another when
    /// the registry asks for it. The response may have any status that is not worth another try.
    async fn send(
        &self,
        endpoint: &Endpoint,
        repository: &str,
        call: &Call,
    ) -> Result<Response, FetchFailure> {
        let authenticator = self.authenticator(endpoint);
        let mut call = call.clone();
        call.authorization = authenticator.known(repository).await?;
        let response = self.exchange.send(&call).await?;
        if !response.asks_for_authorization(&call) {
            authenticator.accepted(repository, call.authorization.as_ref()).await;
            return Ok(response);
        }
        let challenges = challenge::parse(response.headers());
        let refused = call.authorization.take();
        match authenticator.answer(repository, &challenges, refused.as_ref()).await? {
            None => Ok(response),
            Some(authorization) => {
                response.discard().await;
                call.authorization = Some(authorization);
                let response = self.exchange.send(&call).await?;
                if !response.asks_for_authorization(&call) {
                    authenticator.accepted(repository, call.authorization.as_ref()).await;
                }
                Ok(response)
            }
        }
    }

    /// The failure that a response with an unwelcome status stands for.
    async fn failure(&self, endpoint: &Endpoint, call: &Call, response: Response) -> FetchFailure {
        let from_registry = response.is_from(&call.url);
        let mut failure = failure::of_status(call, response).await;
        if failure.fault == crate::ports::FetchFault::Denied && from_registry {
            failure.hint = Some(self.authenticator(endpoint).denial_hint().await);
        }
        failure
    }
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient").field("plain_http", &self.plain_http).finish_non_exhaustive()
    }
}

#[async_trait]
impl Registry for RegistryClient {
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        resolve::resolve(self, reference).await
    }

    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        fetch::open(self, reference, descriptor, offset).await
    }
}
