use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;
use tokio::sync::Mutex;

use super::challenge::{BearerChallenge, Challenge};
use super::credentials::CredentialStore;
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::identity::{Identity, Lookup};
use super::remembered::Remembered;
use super::secret::{self, Credentials};
use super::token::{self, Token};
use dray_core::limits;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// Answers the challenges of one server, and remembers the authorization for each repository.
pub(super) struct Authenticator {
    endpoint: Endpoint,
    exchange: Arc<Exchange>,
    identity: Identity,
    /// By repository. The lock of an entry is held while a token is fetched, so that other requests wait for the same
    /// token and do not fetch another.
    entries: StdMutex<Remembered<String, Arc<Mutex<Option<Authorization>>>>>,
}

/// A request that the server answered with 401 and challenges.
pub(super) struct Unauthorized<'a> {
    /// The repository, as the image's name has it.
    pub(super) repository: &'a str,
    /// The server's own name for the repository.
    pub(super) name: String,
    /// The challenges of the server, stronger schemes first.
    pub(super) challenges: Vec<Challenge>,
    /// The authorization that the request carried.
    pub(super) used: Option<&'a HeaderValue>,
    pub(super) began: Instant,
}

/// The answer to a challenge.
#[derive(Clone)]
enum Authorization {
    /// User and password.
    Basic { authorization: HeaderValue, by: Arc<Lookup> },
    /// A token.
    Bearer {
        challenge: BearerChallenge,
        token: Token,
        by: Arc<Lookup>,
        /// Whether the server has ever taken this token.
        is_accepted: bool,
    },
}

/// The state of the stored token when a Bearer challenge arrives.
enum TokenState<'a> {
    /// There is no token, or it answers another challenge.
    Unanswered,
    /// The token was not refused: another request fetched it after this one began.
    Answered(&'a Authorization),
    /// The server accepted the token once and now refuses it, or it is about to expire.
    Expired,
    /// The server never accepted the token. Another token would be refused too, unless the credentials have changed.
    Worthless(&'a Lookup),
}

impl Authenticator {
    pub(super) fn new(
        endpoint: Endpoint,
        exchange: Arc<Exchange>,
        credentials: Arc<CredentialStore>,
    ) -> Self {
        let identity = Identity::new(endpoint.host(), credentials);
        let entries = StdMutex::new(Remembered::new(limits::REMEMBERED_REPOSITORIES));
        Self { endpoint, exchange, identity, entries }
    }

    /// Whether the server has been told who the user is.
    pub(super) async fn has_told_credentials(&self) -> bool {
        self.identity.is_found().await
    }

    /// The authorization for a repository, if the server has asked for one before. A token that is about to expire is
    /// replaced first.
    pub(super) async fn known(
        &self,
        repository: &str,
        began: Instant,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let entry = self.entry(repository);
        let mut entry = entry.lock().await;
        if let Some(Authorization::Bearer { challenge, token, .. }) = &*entry
            && token.is_stale()
        {
            let challenge = challenge.clone();
            *entry = Some(self.by_token(challenge, began).await?);
        }
        Ok(entry.as_ref().map(|entry| entry.authorization().clone()))
    }

    /// Answers a challenge. `None` if there is no authorization but the one just refused.
    pub(super) async fn answer(
        &self,
        unauthorized: Unauthorized<'_>,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let Unauthorized { repository, name, challenges, used, began } = unauthorized;
        let entry = self.entry(repository);
        let mut entry = entry.lock().await;
        let answer = match self.choose(challenges) {
            None => None,
            Some(Challenge::Basic) => self.answer_basic(used, began).await?,
            Some(Challenge::Bearer(challenge)) => {
                self.answer_bearer(challenge.naming(&name), entry.as_ref(), used, began).await?
            }
        };
        let Some(answer) = answer else { return Ok(None) };
        let authorization = answer.unless_refused(used).cloned();
        *entry = Some(answer);
        Ok(authorization)
    }

    /// Replaces an authorization that the server accepts as valid and that gives no access, if the credentials have
    /// changed since. Some registries answer an expired password in this way.
    pub(super) async fn instead_of(
        &self,
        repository: &str,
        powerless: &HeaderValue,
        began: Instant,
    ) -> Result<Option<HeaderValue>, FetchFailure> {
        let entry = self.entry(repository);
        let mut entry = entry.lock().await;
        let Some(known) = &*entry else { return Ok(None) };
        if known.authorization() != powerless {
            return Ok(Some(known.authorization().clone()));
        }
        let Some(newer) = self.identity.renewed(known.by(), began).await? else { return Ok(None) };
        let answer = match known {
            Authorization::Basic { .. } => Authorization::basic(&newer),
            Authorization::Bearer { challenge, .. } => Some(self.by_token(challenge.clone(), began).await?),
        };
        let Some(answer) = answer else { return Ok(None) };
        let authorization = answer.authorization().clone();
        *entry = Some(answer);
        Ok(Some(authorization))
    }

    /// Notes that the server accepted this authorization.
    pub(super) async fn accepted(&self, repository: &str, authorization: Option<&HeaderValue>) {
        let Some(authorization) = authorization else { return };
        if let Some(Authorization::Bearer { token, is_accepted, .. }) =
            &mut *self.entry(repository).lock().await
        {
            *is_accepted |= token.authorization == *authorization;
        }
    }

    /// Whether the user has credentials for the server.
    pub(super) async fn has_credentials(&self) -> Result<bool, FetchFailure> {
        self.identity.is_known().await
    }

    /// Which credentials were denied access. Starts no new look-up.
    pub(super) async fn denial(&self) -> FetchReason {
        self.identity.denial().await
    }

    fn entry(&self, repository: &str) -> Arc<Mutex<Option<Authorization>>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(entries.get_or_insert_with(&repository.to_owned(), Arc::default))
    }

    /// The first challenge that can be answered. If there is none, the first, so that the error can say why.
    fn choose(&self, challenges: Vec<Challenge>) -> Option<Challenge> {
        let can_be_answered = |challenge: &Challenge| match challenge {
            Challenge::Basic => true,
            Challenge::Bearer(challenge) => token::is_usable(&self.endpoint, challenge),
        };
        let chosen = challenges.iter().position(can_be_answered).unwrap_or_default();
        challenges.into_iter().nth(chosen)
    }

    async fn answer_basic(
        &self,
        used: Option<&HeaderValue>,
        began: Instant,
    ) -> Result<Option<Authorization>, FetchFailure> {
        let lookup = self.identity.lookup().await?;
        if let Some(entry) = Authorization::basic(&lookup)
            && entry.unless_refused(used).is_some()
        {
            return Ok(Some(entry));
        }
        let newer = self.identity.renewed(&lookup, began).await?;
        Ok(newer.as_ref().and_then(Authorization::basic))
    }

    async fn answer_bearer(
        &self,
        challenge: BearerChallenge,
        known: Option<&Authorization>,
        used: Option<&HeaderValue>,
        began: Instant,
    ) -> Result<Option<Authorization>, FetchFailure> {
        match TokenState::of(known, &challenge, used) {
            TokenState::Answered(entry) => return Ok(Some(entry.clone())),
            TokenState::Worthless(by) if self.identity.renewed(by, began).await?.is_none() => {
                return Ok(None);
            }
            TokenState::Worthless(_) | TokenState::Expired | TokenState::Unanswered => {}
        }
        let answer = self.by_token(challenge.clone(), began).await?;
        if answer.unless_refused(used).is_some() {
            return Ok(Some(answer));
        }
        // The user supplied the refused token. It stays the same until the credentials are looked up again.
        match self.identity.renewed(answer.by(), began).await? {
            Some(_) => self.by_token(challenge, began).await.map(Some),
            None => Ok(None),
        }
    }

    /// Fetches a token with the user's credentials, and once more with newer ones if these are denied.
    async fn by_token(
        &self,
        challenge: BearerChallenge,
        began: Instant,
    ) -> Result<Authorization, FetchFailure> {
        let mut by = self.identity.lookup().await?;
        let mut token = self.fetch_token(&challenge, &by).await;
        if token.as_ref().is_err_and(|failure| failure.fault == FetchFault::Denied)
            && let Some(newer) = self.identity.renewed(&by, began).await?
        {
            token = self.fetch_token(&challenge, &newer).await;
            by = newer;
        }
        match token {
            Ok(token) => Ok(Authorization::Bearer { challenge, token, by, is_accepted: false }),
            Err(failure) if failure.fault == FetchFault::Denied => {
                Err(failure.with_reason(self.denial().await))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn fetch_token(&self, challenge: &BearerChallenge, by: &Lookup) -> Result<Token, FetchFailure> {
        token::request(&self.exchange, &self.endpoint, challenge, by.credentials()).await
    }
}

impl Authorization {
    /// The authorization for the Basic scheme. Tokens need a token server, so they do not serve here.
    fn basic(by: &Arc<Lookup>) -> Option<Self> {
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

    /// The authorization, unless it is the one that was refused.
    fn unless_refused(&self, refused: Option<&HeaderValue>) -> Option<&HeaderValue> {
        Some(self.authorization()).filter(|&authorization| Some(authorization) != refused)
    }

    fn by(&self) -> &Arc<Lookup> {
        match self {
            Self::Basic { by, .. } | Self::Bearer { by, .. } => by,
        }
    }
}

impl<'a> TokenState<'a> {
    fn of(known: Option<&'a Authorization>, asked: &BearerChallenge, refused: Option<&HeaderValue>) -> Self {
        match known {
            Some(entry @ Authorization::Bearer { challenge, token, by, is_accepted })
                if challenge == asked =>
            {
                if entry.unless_refused(refused).is_some() && !token.is_stale() {
                    Self::Answered(entry)
                } else if *is_accepted {
                    Self::Expired
                } else {
                    Self::Worthless(by)
                }
            }
            _ => Self::Unanswered,
        }
    }
}
