use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

use super::credentials::{CredentialStore, Found};
use super::secret::Credentials;
use dray_core::limits;
use dray_ports::{FetchFailure, FetchReason};

/// Who the user is towards one host.
///
/// Credentials are looked for when they are first needed, and again when they are refused: a password may have
/// expired, or the user logged in meanwhile. Where a method takes a time, it is when the request began that the
/// authorization is for. What has been looked for since then is as new as can be, and is not looked for again.
pub(super) struct Identity {
    host: String,
    credentials: Arc<CredentialStore>,
    /// What was found last. The lock is held while somebody looks: the others wait rather than look as well.
    last: Mutex<Option<Arc<Sighting>>>,
}

/// The user's credentials for the host, or that there are none, at some time.
pub(super) struct Sighting {
    found: Option<Found>,
    at: Instant,
}

impl Sighting {
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.found.as_ref().map(|found| &found.credentials)
    }
}

impl Identity {
    pub(super) fn new(host: &str, credentials: Arc<CredentialStore>) -> Self {
        Self { host: host.to_owned(), credentials, last: Mutex::default() }
    }

    /// The credentials as they were found last. A failure to find them is told, as an anonymous request would only
    /// hide it.
    pub(super) async fn sighting(&self) -> Result<Arc<Sighting>, FetchFailure> {
        let mut last = self.last.lock().await;
        match &*last {
            Some(sighting) => Ok(Arc::clone(sighting)),
            None => Ok(Arc::clone(last.insert(self.look().await?))),
        }
    }

    /// Other credentials than those that were just refused, if there are any by now.
    pub(super) async fn renewed(
        &self,
        refused: &Sighting,
        began: Instant,
    ) -> Result<Option<Arc<Sighting>>, FetchFailure> {
        let mut last = self.last.lock().await;
        let is_outdated =
            last.as_ref().is_none_or(|last| last.at < began && last.credentials() == refused.credentials());
        if is_outdated {
            *last = Some(self.look().await?);
        }
        Ok(last.clone().filter(|last| last.credentials() != refused.credentials()))
    }

    /// Whether the user has credentials. That there are none is looked at again after a while.
    pub(super) async fn is_known(&self) -> Result<bool, FetchFailure> {
        let mut last = self.last.lock().await;
        let is_recent = |last: &Sighting| last.found.is_some() || last.at.elapsed() < limits::HOST_REST;
        let sighting = match last.take().filter(|last| is_recent(last)) {
            Some(recent) => recent,
            None => self.look().await?,
        };
        Ok(last.insert(sighting).found.is_some())
    }

    /// Which credentials the host denied access to. Looks nowhere that has not been looked at.
    pub(super) async fn denial(&self) -> FetchReason {
        let last = self.last.lock().await;
        let found = last.as_ref().and_then(|sighting| sighting.found.as_ref());
        self.credentials.denial(&self.host, found)
    }

    async fn look(&self) -> Result<Arc<Sighting>, FetchFailure> {
        let found = self.credentials.find(&self.host).await?;
        Ok(Arc::new(Sighting { found, at: Instant::now() }))
    }
}
