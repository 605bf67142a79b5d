//! The registry port over the OCI distribution API.
//!
//! [`RegistryClient`] resolves references and opens blobs. Its layers, from the outside in:
//!
//! - `resolve` and `fetch` know the API.
//! - `attempts` goes from one server of a registry to the next, in the order that `hosts` finds.
//! - `server` is one of these servers. `authenticator` answers its challenges with credentials from `credentials`;
//!   `redirected` does so for targets of redirects, `hidden` for servers that ask only at their root.
//! - `exchange` retries and follows redirects.
//! - `transport` speaks HTTP, over `tls`.
//! - `failure` words the errors.
//!
//! Nothing here reads the environment or trusts a byte of a blob.

mod attempts;
mod authenticator;
mod body;
mod call;
mod challenge;
mod coding;
mod credentials;
mod display;
mod docker_config;
mod endpoint;
mod exchange;
mod failure;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hidden;
mod hosts;
mod identity;
mod json;
mod layer_urls;
mod ping;
mod public_only;
mod range;
mod redirect;
mod redirected;
mod remembered;
mod resolve;
mod retry;
mod secret;
mod senders;
mod server;
mod settings;
mod tls;
mod token;
mod transport;
mod warning;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::Method;
use tokio::sync::OnceCell;

use self::attempts::Attempts;
use self::credentials::CredentialStore;
use self::remembered::Remembered;
use self::senders::Senders;
use self::server::{Server, Shared};
use self::transport::Transports;
use dray_core::limits;
use dray_core::oci::{Descriptor, Reference};
use dray_ports::{BlobStream, FetchFailure, FetchFault, Registry, RegistryAccess, Resolved};

pub use self::credentials::{
    CredentialKind, CredentialReport, CredentialSettings, CredentialSource, find_credentials,
};
pub use self::hosts::{
    Capabilities, Capability, ClientPair, HostEndpoint, HostHeaders, HostsFile, HostsFileError,
    HostsSettings, Scheme, host_endpoints, is_registry_name, parse_hosts_file,
};
pub use self::ping::{Ping, Pong};
pub use self::settings::{PlainHttp, ProxySettings, RegistrySettings, Timing};

/// Talks to registries over HTTP.
///
/// A program should keep one client and share it between all pulls. The client keeps connections, tokens, and which
/// servers are slow, dead or send wrong content, within the bounds of [`dray_core::limits`]. Credentials are looked
/// up again when they are denied, so that a later `docker login` counts. Each `hosts.toml`, the certificates, and
/// whether a server speaks TLS are read once per registry. For changes of these to count, make a new client.
pub struct RegistryClient {
    hosts: HostsSettings,
    shared: Shared,
    /// By registry. Found on first use, by one task at a time for each registry.
    servers: Mutex<Remembered<String, Arc<OnceCell<Servers>>>>,
    /// The servers that sent parts of a blob, in case its digest is wrong.
    senders: Senders,
}

/// The servers that stand for a registry, in the order of requests.
type Servers = Arc<[Arc<Server>]>;

impl RegistryClient {
    /// Makes a client with the timeouts of [`dray_core::limits`]. Touches neither network nor disk.
    ///
    /// # Errors
    ///
    /// Fails if the user agent or a proxy of the settings cannot be used.
    pub fn new(settings: RegistrySettings) -> Result<Self, FetchFailure> {
        Self::with_timing(settings, Timing::default())
    }

    /// Makes a client with other timeouts.
    ///
    /// # Errors
    ///
    /// Fails if the user agent or a proxy of the settings cannot be used.
    pub fn with_timing(settings: RegistrySettings, timing: Timing) -> Result<Self, FetchFailure> {
        Ok(Self {
            hosts: HostsSettings::from(&settings),
            shared: Shared {
                transports: Transports::new(&settings.proxy, &settings.user_agent, timing)?,
                timing,
                credentials: Arc::new(CredentialStore::new(settings.credentials)),
                warnings: Arc::default(),
            },
            servers: Mutex::new(Remembered::new(limits::REMEMBERED_REGISTRIES)),
            senders: Senders::default(),
        })
    }

    /// Asks every server that stands for the registry `host` whether it speaks the API, in the order of a pull.
    ///
    /// # Errors
    ///
    /// Fails if the servers cannot be determined. The answer or failure of each server is part of the result.
    pub async fn ping(&self, host: &str) -> Result<Vec<Ping>, FetchFailure> {
        let mut pings = Vec::new();
        for server in self.servers(host).await?.iter() {
            pings.push(ping::ping(server).await);
        }
        Ok(pings)
    }

    /// The servers that have the capabilities, for the registry of the reference.
    async fn attempts(&self, reference: &Reference, needed: &[Capability]) -> Result<Attempts, FetchFailure> {
        let registry = reference.domain();
        Attempts::new(registry, &self.servers(registry).await?, needed)
    }

    async fn servers(&self, registry: &str) -> Result<Servers, FetchFailure> {
        let known = {
            let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(servers.get_or_insert_with(&registry.to_owned(), Arc::default))
        };
        known.get_or_try_init(|| self.find_servers(registry)).await.cloned()
    }

    async fn find_servers(&self, registry: &str) -> Result<Servers, FetchFailure> {
        let (host, hosts) = (registry.to_owned(), self.hosts.clone());
        let found = tokio::task::spawn_blocking(move || host_endpoints(&host, &hosts)).await;
        let found = found.map_err(|source| {
            let message = format!("cannot find out the hosts for registry `{registry}`");
            FetchFailure::new(FetchFault::Configuration, message).with_source(source)
        })??;
        let make = |endpoint| Server::new(registry, endpoint, &self.shared).map(Arc::new);
        found.into_iter().map(make).collect()
    }
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

#[async_trait]
impl Registry for RegistryClient {
    async fn resolve(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        resolve::resolve(self, reference, Method::HEAD).await
    }

    async fn resolve_with_document(&self, reference: &Reference) -> Result<Resolved, FetchFailure> {
        resolve::resolve(self, reference, Method::GET).await
    }

    async fn fetch_unverified(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, FetchFailure> {
        fetch::open(self, reference, descriptor, offset).await
    }

    async fn distrust(&self, reference: &Reference, descriptor: &Descriptor) -> bool {
        let digest = &descriptor.digest;
        self.senders.blame(digest);
        let places = layer_urls::calls(self, reference, descriptor);
        if places.iter().any(|place| !self.senders.was_wrong(digest, &place.url)) {
            return true;
        }
        let servers = self.servers(reference.domain()).await;
        let is_left =
            |server: &Arc<Server>| server.may(&[Capability::Pull]) && !server.was_wrong_about(digest);
        servers.is_ok_and(|servers| servers.iter().any(is_left))
    }

    async fn access(&self, reference: &Reference) -> BTreeSet<RegistryAccess> {
        let mut access = BTreeSet::new();
        // Whoever has asked the registry something has found its servers.
        for server in self.servers(reference.domain()).await.iter().flat_map(|servers| servers.iter()) {
            access.extend(server.access().await);
        }
        access
    }
}
