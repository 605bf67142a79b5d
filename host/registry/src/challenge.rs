mod parser;
#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use self::parser::RawChallenge;
use dray_core::limits;

/// An authentication scheme that a registry offers (RFC 9110, section 11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token from a token server.
    Bearer(BearerChallenge),
    /// User name and password.
    Basic,
}

/// Where to get a token, and for which rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BearerChallenge {
    /// Address of the token server, as the registry writes it.
    pub(super) realm: String,
    /// The name that the token server knows the registry by, in the registry's encoding.
    pub(super) service: Option<Vec<u8>>,
    /// Rights that the registry asks for.
    pub(super) scopes: Vec<String>,
}

impl BearerChallenge {
    /// Adds the right to pull from `repository`, unless the challenge names a repository itself. The server may have
    /// another name for it, and a strict token server gives no token for an unknown repository.
    pub(super) fn naming(mut self, repository: &str) -> Self {
        if !self.scopes.iter().any(|scope| is_of_repository(scope)) {
            self.scopes.push(format!("repository:{repository}:pull"));
        }
        self.scopes.sort_unstable();
        self.scopes.dedup();
        self
    }
}

impl Challenge {
    /// The challenge without the scopes of repositories.
    pub(super) fn without_repository(mut self) -> Self {
        if let Self::Bearer(challenge) = &mut self {
            challenge.scopes.retain(|scope| !is_of_repository(scope));
        }
        self
    }
}

/// Whether a scope is about a repository. Its type may have a class, as in `repository(plugin):a:pull`.
fn is_of_repository(scope: &str) -> bool {
    scope.split([':', '(']).next() == Some("repository")
}

/// Reads the challenges of all `WWW-Authenticate` fields, stronger schemes first.
///
/// Challenges that cannot be read or are not supported are skipped, so that they do not spoil the others. Fields
/// beyond [`limits::CHALLENGE_BYTES`] are skipped as well.
pub(super) fn parse(headers: &HeaderMap) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = all(headers).iter().filter_map(supported).collect();
    challenges.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
    challenges
}

/// The scope that the registry misses in the token it was sent (RFC 6750, section 3.1), if that is its complaint.
pub(super) fn lacking_scope(headers: &HeaderMap) -> Option<String> {
    let lacks = |challenge: &&RawChallenge| challenge.parameter("error") == Some(b"insufficient_scope");
    all(headers).iter().find(lacks).and_then(|challenge| text(challenge, "scope"))
}

/// The schemes that a registry offers, if none of them is supported.
pub(super) fn unsupported(headers: &HeaderMap) -> Option<String> {
    let schemes: Vec<String> =
        all(headers).iter().map(|challenge| format!("`{}`", challenge.scheme)).collect();
    (!schemes.is_empty() && parse(headers).is_empty()).then(|| schemes.join(" or "))
}

fn all(headers: &HeaderMap) -> Vec<RawChallenge> {
    let mut left = limits::CHALLENGE_BYTES;
    let mut challenges = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        if let Some(rest) = left.checked_sub(value.len()) {
            left = rest;
            challenges.append(&mut parser::read(value.as_bytes()));
        }
    }
    challenges
}

fn text(challenge: &RawChallenge, name: &str) -> Option<String> {
    challenge.parameter(name).map(|value| String::from_utf8_lossy(value).into_owned())
}

fn supported(challenge: &RawChallenge) -> Option<Challenge> {
    if challenge.is("Basic") {
        return Some(Challenge::Basic);
    }
    if !challenge.is("Bearer") {
        return None;
    }
    let scopes = text(challenge, "scope").unwrap_or_default();
    Some(Challenge::Bearer(BearerChallenge {
        realm: text(challenge, "realm")?,
        service: challenge.parameter("service").map(<[u8]>::to_owned),
        scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
    }))
}
