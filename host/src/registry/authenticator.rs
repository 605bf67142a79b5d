use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};

use http::HeaderValue;
use tokio::sync::{Mutex, OnceCell};

use super::challenge::{BearerChallenge, Challenge};
use super::credentials::{CredentialStore, Found};
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::secret::{self, Credentials};
use super::token::{self, Token};
use crate::ports::{FetchFailure, FetchFault};

/// Answers the challenges of one registry, and remembers the answers for each repository.
pub(super) struct Authenticator {
    endpoint: Endpoint,
    exchange: Arc<Exchange>,
    credentials: Arc<CredentialStore>,
    found: OnceCell<Option<Found>>,
    /// By repository. Each has its own lock, which is held while a token is fetched: whoever needs the same
    /// token waits for it rather than fetching another.
    ways: StdMutex<HashMap<String, Arc<Mutex<Option<Way>>>>>,
}

/// How the registry wants to be approached.
enum Way {
    Basic(HeaderValue),
    Bearer {
        challenge: BearerChallenge,
        token: Token,
        /// Whether the registry has ever taken this token. One that it refused from the beginning is not
        /// worth replacing: the next would be the same.
        accepted: bool,
    },
}

impl Authenticator {
    pub(super) fn new(
        endpoint: Endpoint,
        exchange: Arc<Exchange>,
        credentials: Arc<CredentialStore>,
    ) -> Self {
        Self { endpoint, exchange, credentials, found: OnceCell::new(), ways: StdMutex::default() }
    }

    /// The authorization for a repository, as far as the registry has asked for one before. A token that is
    /// about to expire is replaced first.
    pub(super) async fn known(&self, repository: &str) -> Result<Option<HeaderValue>, FetchFailure> {
        let way = self.way(repository);
        let mut way = way.lock().await;
        match &mut *way {
            None => Ok(None),
            Some(Way::Basic(authorization)) => Ok(Some(authorization.clone())),
            Some(Way::Bearer { challenge, token, accepted }) => {
                if token.is_stale() {
                    *token = self.fetch_token(repository, challenge).await?;
                    *accepted = false;
                }
                Ok(Some(token.authorization.clone()))
            }
        }
    }

    /// The authorization that answers a challenge, or `None` if there is none beside the one just refused.
    pub(super) async fn answer(
        &self,
        repository: &str,
        challenges: &[Challenge],
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let way = self.way(repository);
        let mut way = way.lock().await;
        let answer = match challenges.first() {
            None => return Ok(None),
            Some(Challenge::Basic) => match self.credentials().await? {
                Some(Credentials::Password { user, password }) => secret::basic(user, password),
                // A registry without a token server cannot do anything with tokens.
                Some(Credentials::IdentityToken(_) | Credentials::RegistryToken(_)) | None => None,
            }
            .map(Way::Basic),
            Some(Challenge::Bearer(challenge)) => {
                if let Some(Way::Bearer { challenge: known, token, accepted }) = &*way
                    && known == challenge
                {
                    if refused != Some(&token.authorization) && !token.is_stale() {
                        return Ok(Some(token.authorization.clone()));
                    }
                    if !accepted {
                        return Ok(None);
                    }
                }
                let token = self.fetch_token(repository, challenge).await?;
                Some(Way::Bearer { challenge: challenge.clone(), token, accepted: false })
            }
        };
        let authorization = answer.as_ref().map(|way| match way {
            Way::Basic(authorization) => authorization.clone(),
            Way::Bearer { token, .. } => token.authorization.clone(),
        });
        if answer.is_some() {
            *way = answer;
        }
        Ok(authorization.filter(|authorization| refused != Some(authorization)))
    }

    /// Takes note that the registry did not refuse this authorization.
    pub(super) async fn accepted(&self, repository: &str, authorization: Option<&HeaderValue>) {
        let Some(authorization) = authorization else { return };
        if let Some(Way::Bearer { token, accepted, .. }) = &mut *self.way(repository).lock().await {
            *accepted |= token.authorization == *authorization;
        }
    }

    /// What a user can do when the registry denies access. Looks nowhere that has not been looked at.
    pub(super) fn denial_hint(&self) -> String {
        let found = self.found.get().and_then(Option::as_ref);
        self.credentials.denial_hint(self.endpoint.host(), found)
    }

    fn way(&self, repository: &str) -> Arc<Mutex<Option<Way>>> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        match ways.get(repository) {
            Some(way) => Arc::clone(way),
            None => Arc::clone(ways.entry(repository.to_owned()).or_default()),
        }
    }

    /// The user's credentials for this registry. Looked for once, when the registry first wants to know who
    /// asks; a failure is told then, as an anonymous answer would only hide it.
    async fn credentials(&self) -> Result<Option<&Credentials>, FetchFailure> {
        let found = self.found.get_or_try_init(|| self.credentials.find(self.endpoint.host())).await?;
        Ok(found.as_ref().map(|found| &found.credentials))
    }

    async fn fetch_token(
        &self,
        repository: &str,
        challenge: &BearerChallenge,
    ) -> Result<Token, FetchFailure> {
        let own = format!("repository:{repository}:pull");
        let scopes: BTreeSet<String> = challenge.scopes.iter().cloned().chain([own]).collect();
        let scopes: Vec<String> = scopes.into_iter().collect();
        let credentials = self.credentials().await?;
        let token = token::request(&self.exchange, &self.endpoint, challenge, &scopes, credentials).await;
        match token {
            Err(mut failure) if failure.fault == FetchFault::Denied => {
                failure.hint = Some(self.denial_hint());
                Err(failure)
            }
            other => other,
        }
    }
}
