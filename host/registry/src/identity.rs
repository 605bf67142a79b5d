use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

use super::credentials::{CredentialStore, FoundCredentials};
use super::secret::Credentials;
use dray_core::limits;
use dray_ports::{FetchFailure, FetchReason};

/// The user's credentials for one host.
///
/// They are looked up when they are first needed, and again when the host refuses them: a password may have expired,
/// or the user may have logged in since. Methods with a time take the start of the request. Credentials that were
/// looked up after it are current and are not looked up again.
pub(super) struct Identity {
    host: String,
    credentials: Arc<CredentialStore>,
    /// The last look-up. The lock is held during a look-up, so that other requests wait for its result.
    last: Mutex<Option<Arc<Lookup>>>,
}

/// The result of one look-up: credentials for the host, or none.
pub(super) struct Lookup {
    found: Option<FoundCredentials>,
    at: Instant,
}

impl Lookup {
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.found.as_ref().map(|found| &found.credentials)
    }
}

impl Identity {
    pub(super) fn new(host: &str, credentials: Arc<CredentialStore>) -> Self {
        Self { host: host.to_owned(), credentials, last: Mutex::default() }
    }

    /// The result of the last look-up. A failed look-up is an error, because an anonymous request would hide it.
    pub(super) async fn lookup(&self) -> Result<Arc<Lookup>, FetchFailure> {
        let mut last = self.last.lock().await;
        match &*last {
            Some(lookup) => Ok(Arc::clone(lookup)),
            None => Ok(Arc::clone(last.insert(self.look().await?))),
        }
    }

    /// Other credentials than those just refused, if there are any now.
    pub(super) async fn renewed(
        &self,
        refused: &Lookup,
        began: Instant,
    ) -> Result<Option<Arc<Lookup>>, FetchFailure> {
        let mut last = self.last.lock().await;
        let is_outdated =
            last.as_ref().is_none_or(|last| last.at < began && last.credentials() == refused.credentials());
        if is_outdated {
            *last = Some(self.look().await?);
        }
        Ok(last.clone().filter(|last| last.credentials() != refused.credentials()))
    }

    /// Whether the user has credentials. The answer "none" is checked again after a while.
    pub(super) async fn is_known(&self) -> Result<bool, FetchFailure> {
        let mut last = self.last.lock().await;
        let is_recent = |last: &Lookup| last.found.is_some() || last.at.elapsed() < limits::HOST_REST;
        let lookup = match last.take().filter(|last| is_recent(last)) {
            Some(recent) => recent,
            None => self.look().await?,
        };
        Ok(last.insert(lookup).found.is_some())
    }

    /// Which credentials the host denied access to. Starts no new look-up.
    pub(super) async fn denial(&self) -> FetchReason {
        let last = self.last.lock().await;
        let found = last.as_ref().and_then(|lookup| lookup.found.as_ref());
        self.credentials.denial(&self.host, found)
    }

    /// Whether credentials have been found. Looks nowhere.
    pub(super) async fn is_found(&self) -> bool {
        self.last.lock().await.as_ref().is_some_and(|last| last.found.is_some())
    }

    async fn look(&self) -> Result<Arc<Lookup>, FetchFailure> {
        let found = self.credentials.find(&self.host).await?;
        Ok(Arc::new(Lookup { found, at: Instant::now() }))
    }
}
