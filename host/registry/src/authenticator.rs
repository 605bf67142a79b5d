use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;
use tokio::sync::Mutex;

use super::challenge::{BearerChallenge, Challenge};
use super::credentials::CredentialStore;
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::identity::{Identity, Sighting};
use super::remembered::Remembered;
use super::secret::{self, Credentials};
use super::token::{self, Token};
use dray_core::limits;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// Answers the challenges of one server, and remembers the answers for each repository.
pub(super) struct Authenticator {
    endpoint: Endpoint,
    exchange: Arc<Exchange>,
    identity: Identity,
    /// By repository. Each has its own lock, which is held while a token is fetched: whoever needs the same
    /// token waits for it rather than fetching another.
    entries: StdMutex<Remembered<String, Arc<Mutex<Option<Authorization>>>>>,
}

/// A request that the server did not answer because it wants to know who asks.
pub(super) struct Refusal<'a> {
    /// The repository, as it stands in the name of the image.
    pub(super) repository: &'a str,
    /// What the server itself calls it.
    pub(super) name: String,
    /// How the server wants to be answered, the better ways first.
    pub(super) challenges: Vec<Challenge>,
    /// The authorization that the request had.
    pub(super) used: Option<&'a HeaderValue>,
    pub(super) began: Instant,
}

/// What answers a challenge.
#[derive(Clone)]
enum Authorization {
    /// User and password.
    Basic { authorization: HeaderValue, by: Arc<Sighting> },
    /// A token.
    Bearer {
        challenge: BearerChallenge,
        token: Token,
        by: Arc<Sighting>,
        /// Whether the server has ever taken this token.
        is_accepted: bool,
    },
}

/// What is known of a token for a Bearer challenge.
enum TokenState<'a> {
    /// No token, or one for another challenge.
    Unanswered,
    /// A token that was not refused: somebody else has fetched it since the request began.
    Answered(&'a Authorization),
    /// A token that the server took at some time and now refuses, or that is about to expire.
    Expired,
    /// A token that the server has refused from the beginning. The next would be the same, unless the credentials are
    /// others.
    Worthless(&'a Sighting),
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

    /// The authorization for a repository, as far as the server has asked for one before. A token that is
    /// about to expire is replaced first.
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

    /// The authorization that answers a challenge, or `None` if there is none beside the one just refused.
    pub(super) async fn answer(&self, refusal: Refusal<'_>) -> Result<Option<HeaderValue>, FetchFailure> {
        let Refusal { repository, name, challenges, used, began } = refusal;
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

    /// The authorization in place of one that the server understands and that gives no right, if the credentials
    /// have changed since it was made. Some registries say so of a password that has expired.
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

    /// Takes note that the server did not refuse this authorization.
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

    /// Which credentials the server denied access to. Looks nowhere that has not been looked at.
    pub(super) async fn denial(&self) -> FetchReason {
        self.identity.denial().await
    }

    fn entry(&self, repository: &str) -> Arc<Mutex<Option<Authorization>>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(entries.get_or_insert_with(&repository.to_owned(), Arc::default))
    }

    /// The first challenge that can be answered. If there is none, the first, so that it can be said why.
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
        let sighting = self.identity.sighting().await?;
        if let Some(entry) = Authorization::basic(&sighting)
            && entry.unless_refused(used).is_some()
        {
            return Ok(Some(entry));
        }
        let newer = self.identity.renewed(&sighting, began).await?;
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
        // The user has brought the refused token along, and it stays the same as long as nobody looks for another.
        match self.identity.renewed(answer.by(), began).await? {
            Some(_) => self.by_token(challenge, began).await.map(Some),
            None => Ok(None),
        }
    }

    /// A token by the user's credentials, and by newer ones if these are denied.
    async fn by_token(
        &self,
        challenge: BearerChallenge,
        began: Instant,
    ) -> Result<Authorization, FetchFailure> {
        let mut by = self.identity.sighting().await?;
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

    async fn fetch_token(&self, challenge: &BearerChallenge, by: &Sighting) -> Result<Token, FetchFailure> {
        token::request(&self.exchange, &self.endpoint, challenge, by.credentials()).await
    }
}

impl Authorization {
    /// The authorization by user and password. A server without a token server cannot do anything with tokens.
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

    /// The authorization, unless it is the one that was refused.
    fn unless_refused(&self, refused: Option<&HeaderValue>) -> Option<&HeaderValue> {
        Some(self.authorization()).filter(|&authorization| Some(authorization) != refused)
    }

    fn by(&self) -> &Arc<Sighting> {
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
