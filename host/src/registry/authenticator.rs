use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;
use tokio::sync::Mutex;

use super::challenge::{BearerChallenge, Challenge};
use super::credentials::{CredentialStore, Found};
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::remembered::Remembered;
use super::secret::{self, Credentials};
use super::token::{self, Token};
use crate::limits;
use crate::ports::{FetchFailure, FetchFault};

/// Answers the challenges of one registry, and remembers the answers for each repository.
///
/// Credentials are looked for when the registry first wants to know who asks, and again when it, or its token
/// server, does not take what was found then: a password may have expired, or the user logged in meanwhile. Where
/// a method takes a time, it is when the request began that the authorization is for. What has been looked for
/// since then is as new as can be, and is not looked for again.
pub(super) struct Authenticator {
    endpoint: Endpoint,
    exchange: Arc<Exchange>,
    credentials: Arc<CredentialStore>,
    /// What was found last. The lock is held while somebody looks: the others wait rather than look as well.
    last: Mutex<Option<Arc<Sighting>>>,
    /// By repository. Each has its own lock, which is held while a token is fetched: whoever needs the same
    /// token waits for it rather than fetching another.
    ways: StdMutex<Remembered<String, Arc<Mutex<Option<Way>>>>>,
}

/// The user's credentials for this registry, or that there are none, at some time.
struct Sighting {
    found: Option<Found>,
    at: Instant,
}

/// How the registry wants to be approached.
enum Way {
    Basic {
        authorization: HeaderValue,
        by: Arc<Sighting>,
    },
    Bearer {
        challenge: BearerChallenge,
        token: Token,
        by: Arc<Sighting>,
        /// Whether the registry has ever taken this token. One that it refused from the beginning is not
        /// worth replacing, as the next would be the same, unless the credentials are others.
        accepted: bool,
    },
}

impl Authenticator {
    pub(super) fn new(
        endpoint: Endpoint,
        exchange: Arc<Exchange>,
        credentials: Arc<CredentialStore>,
    ) -> Self {
        let ways = StdMutex::new(Remembered::new(limits::REMEMBERED_REPOSITORIES));
        Self { endpoint, exchange, credentials, last: Mutex::default(), ways }
    }

    /// The authorization for a repository, as far as the registry has asked for one before. A token that is
    /// about to expire is replaced first.
    pub(super) async fn known(
        &self,
        repository: &str,
        began: Instant,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let way = self.way(repository);
        let mut way = way.lock().await;
        if let Some(Way::Bearer { challenge, token, .. }) = &*way
            && token.is_stale()
        {
            let challenge = challenge.clone();
            *way = Some(self.by_token(repository, challenge, began).await?);
        }
        Ok(way.as_ref().map(|way| way.authorization().clone()))
    }

    /// The authorization that answers a challenge, or `None` if there is none beside the one just refused.
    pub(super) async fn answer(
        &self,
        repository: &str,
        challenges: &[Challenge],
        refused: Option<&HeaderValue>,
        began: Instant,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let way = self.way(repository);
        let mut way = way.lock().await;
        let is_refused = |way: &Way| refused == Some(way.authorization());
        let answer = match challenges.first() {
            None => None,
            Some(Challenge::Basic) => {
                let sighting = self.sighting().await?;
                match Way::basic(&sighting).filter(|way| !is_refused(way)) {
                    Some(answer) => Some(answer),
                    None => self.renewed(&sighting, began).await?.and_then(|newer| Way::basic(&newer)),
                }
            }
            Some(Challenge::Bearer(challenge)) => {
                if let Some(current @ Way::Bearer { challenge: known, token, by, accepted }) = &*way
                    && known == challenge
                {
                    if !is_refused(current) && !token.is_stale() {
                        return Ok(Some(token.authorization.clone()));
                    }
                    if !accepted && self.renewed(by, began).await?.is_none() {
                        return Ok(None);
                    }
                }
                let answer = self.by_token(repository, challenge.clone(), began).await?;
                // The user may have brought the token along, and then it is the same as long as nobody looks for
                // another.
                if is_refused(&answer) && self.renewed(answer.by(), began).await?.is_some() {
                    Some(self.by_token(repository, challenge.clone(), began).await?)
                } else {
                    Some(answer)
                }
            }
        };
        let Some(answer) = answer else { return Ok(None) };
        let authorization = (!is_refused(&answer)).then(|| answer.authorization().clone());
        *way = Some(answer);
        Ok(authorization)
    }

    /// The authorization in place of one that the registry understands and that gives no right, if the credentials
    /// have changed since it was made. Some registries say so of a password that has expired.
    pub(super) async fn instead_of(
        &self,
        repository: &str,
        powerless: &HeaderValue,
        began: Instant,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let way = self.way(repository);
        let mut way = way.lock().await;
        let Some(known) = &*way else { return Ok(None) };
        if known.authorization() != powerless {
            return Ok(Some(known.authorization().clone()));
        }
        let Some(newer) = self.renewed(known.by(), began).await? else { return Ok(None) };
        let answer = match known {
            Way::Basic { .. } => Way::basic(&newer),
            Way::Bearer { challenge, .. } => Some(self.by_token(repository, challenge.clone(), began).await?),
        };
        let Some(answer) = answer else { return Ok(None) };
        let authorization = answer.authorization().clone();
        *way = Some(answer);
        Ok(Some(authorization))
    }

    /// Takes note that the registry did not refuse this authorization.
    pub(super) async fn accepted(&self, repository: &str, authorization: Option<&HeaderValue>) {
        let Some(authorization) = authorization else { return };
        if let Some(Way::Bearer { token, accepted, .. }) = &mut *self.way(repository).lock().await {
            *accepted |= token.authorization == *authorization;
        }
    }

    /// What a user can do when the registry denies access. Looks nowhere that has not been looked at.
    pub(super) async fn denial_hint(&self) -> String {
        let last = self.last.lock().await;
        let found = last.as_ref().and_then(|sighting| sighting.found.as_ref());
        self.credentials.denial_hint(self.endpoint.host(), found)
    }

    fn way(&self, repository: &str) -> Arc<Mutex<Option<Way>>> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(ways.get_or_insert_with(&repository.to_owned(), Arc::default))
    }

    /// The credentials as they were found last. A failure to find them is told, as an anonymous answer would only
    /// hide it.
    async fn sighting(&self) -> Result<Arc<Sighting>, FetchFailure> {
        let mut last = self.last.lock().await;
        match &*last {
            Some(sighting) => Ok(Arc::clone(sighting)),
            None => Ok(Arc::clone(last.insert(self.look().await?))),
        }
    }

    /// Other credentials than those that were just refused, if there are any by now.
    async fn renewed(
        &self,
        refused: &Arc<Sighting>,
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

    async fn look(&self) -> Result<Arc<Sighting>, FetchFailure> {
        let found = self.credentials.find(self.endpoint.host()).await?;
        Ok(Arc::new(Sighting { found, at: Instant::now() }))
    }

    /// A token by the user's credentials, and by newer ones if these are denied.
    async fn by_token(
        &self,
        repository: &str,
        challenge: BearerChallenge,
        began: Instant,
    ) -> Result<Way, FetchFailure> {
        let mut by = self.sighting().await?;
        let mut token = self.fetch_token(repository, &challenge, &by).await;
        if token.as_ref().is_err_and(|failure| failure.fault == FetchFault::Denied)
            && let Some(newer) = self.renewed(&by, began).await?
        {
            token = self.fetch_token(repository, &challenge, &newer).await;
            by = newer;
        }
        match token {
            Ok(token) => Ok(Way::Bearer { challenge, token, by, accepted: false }),
            Err(failure) if failure.fault == FetchFault::Denied => {
                Err(failure.with_hint(self.denial_hint().await))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn fetch_token(
        &self,
        repository: &str,
        challenge: &BearerChallenge,
        by: &Sighting,
    ) -> Result<Token, FetchFailure> {
        let own = format!("repository:{repository}:pull");
        let scopes: BTreeSet<String> = challenge.scopes.iter().cloned().chain([own]).collect();
        let scopes: Vec<String> = scopes.into_iter().collect();
        token::request(&self.exchange, &self.endpoint, challenge, &scopes, by.credentials()).await
    }
}

impl Sighting {
    fn credentials(&self) -> Option<&Credentials> {
        self.found.as_ref().map(|found| &found.credentials)
    }
}

impl Way {
    /// The way of user and password. A registry without a token server cannot do anything with tokens.
    fn basic(by: &Arc<Sighting>) -> Option<Self> {
        let authorization = match by.credentials()? {
            Credentials::Password { user, password } => secret::basic(user, password)?,
            Credentials::IdentityToken(_) | Credentials::RegistryToken(_) => return None,
        };
        Some(Self::Basic { authorization, by: Arc::clone(by) })
    }

    fn authorization(&self) -> &HeaderValue {
        match self {
            Self::Basic { authorization, .. } => authorization,
            Self::Bearer { token, .. } => &token.authorization,
        }
    }

    fn by(&self) -> &Arc<Sighting> {
        match self {
            Self::Basic { by, .. } | Self::Bearer { by, .. } => by,
        }
    }
}
