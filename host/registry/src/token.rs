use std::time::{Duration, Instant};

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method};
use serde::de::MapAccess;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::body::BodyError;
use super::call::{Call, Patience, Role};
use super::challenge::BearerChallenge;
use super::display;
use super::endpoint::Endpoint;
use super::exchange::Exchange;
use super::failure;
use super::json;
use super::secret::{self, Credentials, Secret};
use super::transport::Response;
use dray_core::limits;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// An access token, valid for some time.
#[derive(Clone)]
pub(super) struct Token {
    /// The `Authorization` field with the token.
    pub(super) authorization: HeaderValue,
    refresh_at: Instant,
}

impl Token {
    /// Whether it may expire soon.
    pub(super) fn is_stale(&self) -> bool {
        Instant::now() >= self.refresh_at
    }

    /// A token that the user supplied. Its lifetime is unknown.
    fn of_user(token: &Secret) -> Result<Self, FetchFailure> {
        let authorization = secret::bearer(token).ok_or_else(|| {
            let message = "the configured registry token has characters that none may have";
            FetchFailure::new(FetchFault::Configuration, message).with_reason(FetchReason::RegistryToken)
        })?;
        Ok(Self { authorization, refresh_at: Instant::now() + LONGEST_LIFE })
    }
}

/// The client's name towards token servers.
const CLIENT_ID: &str = "dray";

/// Lifetime of a token that does not state one (distribution, "Token Authentication Specification").
const DEFAULT_LIFE: Duration = Duration::from_mins(1);

/// Upper bound for a stated lifetime. It is longer than any pull, and additions of times do not overflow.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// Asks the token server of a challenge for a token with the rights that the challenge names, unless the user
/// supplied one for the registry.
///
/// Only the OAuth form takes identity tokens. Only the older GET with user and password works everywhere: servers
/// without the form answer it with 400 (ACR), 401 (Artifactory), 403, 404 (GCR), 405, 415, 422, 501, a redirect, or a
/// web page. So a password is sent in the form once. If that yields no token, GET decides.
pub(super) async fn request(
    exchange: &Exchange,
    registry: &Endpoint,
    challenge: &BearerChallenge,
    credentials: Option<&Credentials>,
) -> Result<Token, FetchFailure> {
    if let Some(Credentials::RegistryToken(token)) = credentials {
        return Token::of_user(token);
    }
    let realm = realm(registry, challenge)?;
    let mut basic = None;
    match credentials {
        Some(Credentials::IdentityToken(token)) => {
            let grant = [("grant_type", &b"refresh_token"[..]), ("refresh_token", token.expose())];
            return send(exchange, oauth_call(realm, challenge, &grant)).await;
        }
        Some(Credentials::Password { user, password }) => {
            let grant =
                [("grant_type", &b"password"[..]), ("username", user), ("password", password.expose())];
            let mut call = oauth_call(realm.clone(), challenge, &grant);
            call.patience = Patience::Hurried;
            match send(exchange, call).await {
                Ok(token) => return Ok(token),
                Err(failure) => tracing::debug!(%failure, "asking for a token with GET"),
            }
            basic = secret::basic(user, password);
        }
        Some(Credentials::RegistryToken(_)) | None => {}
    }
    let mut call = Call::new(Role::TokenServer, Method::GET, with_query(realm, challenge));
    call.authorization = basic;
    send(exchange, call).await
}

/// Whether a challenge can yield a token. A realm that is not a URL cannot.
pub(super) fn is_usable(registry: &Endpoint, challenge: &BearerChallenge) -> bool {
    realm(registry, challenge).is_ok()
}

fn realm(registry: &Endpoint, challenge: &BearerChallenge) -> Result<Url, FetchFailure> {
    let fault =
        |message| FetchFailure::new(FetchFault::Protocol, message).with_reason(FetchReason::BadTokenServer);
    let refuse = |problem: &str| {
        fault(format!(
            "registry `{}` names the token server `{}`, {problem}",
            registry.host(),
            display::text(challenge.realm.split(['?', '#']).next().unwrap_or_default())
        ))
    };
    let url = Url::parse(&challenge.realm).map_err(|_| refuse("which is not an address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        let registry = registry.host();
        return Err(fault(format!("registry `{registry}` names a token server with a user in its address")));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if registry.allows_plain(&url) => Ok(url),
        "http" => {
            Err(refuse("which does not use TLS, so that credentials and tokens could be read on the way"))
        }
        _ => Err(refuse("which does not speak HTTP")),
    }
}

/// A call with an OAuth grant (RFC 6749, sections 4.3 and 6).
fn oauth_call(realm: Url, challenge: &BearerChallenge, grant: &[(&str, &[u8])]) -> Call {
    let scope = challenge.scopes.join(" ");
    let mut pairs = grant.to_vec();
    pairs.push(("client_id", CLIENT_ID.as_bytes()));
    pairs.extend(challenge.service.iter().map(|service| ("service", service.as_slice())));
    pairs.push(("scope", scope.as_bytes()));
    let mut call = Call::new(Role::TokenServer, Method::POST, realm);
    call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    call.form = Some(Secret::new(encoded(&pairs)));
    call
}

fn with_query(mut realm: Url, challenge: &BearerChallenge) -> Url {
    let service = challenge.service.iter().map(|service| ("service", service.as_slice()));
    let scopes = challenge.scopes.iter().map(|scope| ("scope", scope.as_bytes()));
    let pairs: Vec<_> = service.chain(scopes).collect();
    let own = realm.query().filter(|query| !query.is_empty()).map(str::to_owned);
    let parts: Vec<String> = own.into_iter().chain((!pairs.is_empty()).then(|| encoded(&pairs))).collect();
    realm.set_query((!parts.is_empty()).then(|| parts.join("&")).as_deref());
    realm
}

/// Pairs encoded for forms and queries. The values may have any encoding.
fn encoded(pairs: &[(&str, &[u8])]) -> String {
    let pair =
        |(name, value): &(&str, &[u8])| format!("{name}={}", byte_serialize(value).collect::<String>());
    pairs.iter().map(pair).collect::<Vec<String>>().join("&")
}

async fn send(exchange: &Exchange, mut call: Call) -> Result<Token, FetchFailure> {
    call.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let response = exchange.send(&call).await?;
    read(&call, response).await
}

/// Whether a text is complete JSON, followed only by blanks.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

async fn read(call: &Call, response: Response) -> Result<Token, FetchFailure> {
    if !response.status().is_success() {
        return Err(failure::of_status(call, response).await);
    }
    let received = Instant::now();
    let url = response.url().clone();
    let body = match response.into_body().read_if(limits::TOKEN_BYTES, is_json).await {
        Ok(body) => body,
        Err(BodyError::Transport(error)) => return Err(failure::of_transport(call, &url, error)),
        Err(BodyError::TooLong(_)) => {
            let problem = format!("sent a token of more than {} bytes", limits::TOKEN_BYTES);
            return Err(failure::of_protocol(call, &problem));
        }
    };
    let Granted { token, life } =
        parse(&body).ok_or_else(|| failure::of_protocol(call, "sent an answer without a token"))?;
    let authorization = secret::bearer(&token)
        .ok_or_else(|| failure::of_protocol(call, "sent a token with characters that none may have"))?;
    // A tenth of the lifetime early, so that the token does not expire on its way to the registry.
    Ok(Token { authorization, refresh_at: received + life.mul_f64(0.9) })
}

#[derive(Default)]
struct RawToken {
    token: String,
    access_token: String,
    expires_in: Value,
}

impl json::Object for RawToken {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, _: &str, value: &mut A) -> Result<(), A::Error> {
        match name {
            "token" => json::take(&mut self.token, value),
            "access_token" => json::take(&mut self.access_token, value),
            "expires_in" => json::take(&mut self.expires_in, value),
            _ => json::skip(value),
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) struct Granted {
    token: Secret,
    life: Duration,
}

pub(super) fn parse(body: &[u8]) -> Option<Granted> {
    let raw: RawToken = json::object(body).ok()?;
    let token = [raw.access_token, raw.token].into_iter().find(|token| !token.is_empty())?;
    let life = match raw.expires_in.as_f64() {
        Some(seconds) if seconds >= 1.0 => {
            Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE).min(LONGEST_LIFE)
        }
        _ => DEFAULT_LIFE,
    };
    Some(Granted { token: Secret::new(token), life })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::PlainHttp;
    use dray_core::oci::Reference;

    #[test]
    fn token_responses_are_parsed() {
        for (body, expected) in [
            (r#"{"token":"a"}"#, Some(("a", 60))),
            (r#"{"access_token":"a","expires_in":300}"#, Some(("a", 300))),
            (r#"{"token":"a","access_token":"b","expires_in":null}"#, Some(("b", 60))),
            (r#"{"token":"a","access_token":"","expires_in":0}"#, Some(("a", 60))),
            (r#"{"token":"a","expires_in":-5}"#, Some(("a", 60))),
            (r#"{"token":"a","expires_in":1e300}"#, Some(("a", 86400))),
            (r#"{"token":"a","expires_in":"300","issued_at":"x"}"#, Some(("a", 60))),
            ("{\"Token\":\"a\",\"other\":1e400}\n<!-- cached -->", Some(("a", 60))),
            (r#"{"token":null,"access_token":null}"#, None),
            (r#"{"token":""}"#, None),
            (r#"{"token":5}"#, None),
            ("<html>", None),
        ] {
            let expected = expected.map(|(token, seconds)| Granted {
                token: Secret::new(token),
                life: Duration::from_secs(seconds),
            });
            assert_eq!(parse(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn realms_are_checked() {
        for (registry, plain_http, realm_text, expected) in [
            ("host/x", PlainHttp::Loopback, "https://other/token", None),
            ("host/x", PlainHttp::Loopback, "http://host/token", Some("does not use TLS")),
            ("host/x", PlainHttp::Loopback, "http://localhost/token", Some("does not use TLS")),
            ("host.example/x", PlainHttp::Everywhere, "http://other/token", None),
            ("localhost:5000/x", PlainHttp::Loopback, "http://127.0.0.1:5001/token", None),
            ("localhost:5000/x", PlainHttp::Loopback, "http://[::1]/token", None),
            ("localhost:5000/x", PlainHttp::Loopback, "http://other/token", Some("does not use TLS")),
            ("host/x", PlainHttp::Loopback, "file:///etc/passwd", Some("does not speak HTTP")),
            ("host/x", PlainHttp::Loopback, "/token", Some("not an address")),
            ("host/x", PlainHttp::Loopback, "https://u:p@host/", Some("a user in its address")),
        ] {
            let endpoint = Endpoint::of(&Reference::parse(registry).unwrap(), plain_http);
            let challenge =
                BearerChallenge { realm: realm_text.to_owned(), service: None, scopes: Vec::new() };
            let failure = realm(&endpoint, &challenge).err().map(|failure| failure.message);
            match expected {
                None => assert_eq!(failure, None, "{realm_text}"),
                Some(reason) => assert!(failure.unwrap().contains(reason), "{realm_text}"),
            }
        }
    }

    #[test]
    fn a_token_request_has_service_and_scopes() {
        let challenge = |service: Option<&[u8]>, scopes: &[&str]| BearerChallenge {
            realm: String::new(),
            service: service.map(<[u8]>::to_vec),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        for (realm, challenge, expected) in [
            ("https://a/t", challenge(None, &[]), "https://a/t"),
            ("https://a/t?", challenge(Some(b"host:5000"), &[]), "https://a/t?service=host%3A5000"),
            (
                "https://a/t?account=me",
                challenge(Some(b"My \xe9"), &["repository:a/b:pull", "x"]),
                "https://a/t?account=me&service=My+%E9&scope=repository%3Aa%2Fb%3Apull&scope=x",
            ),
        ] {
            assert_eq!(with_query(Url::parse(realm).unwrap(), &challenge).as_str(), expected);
        }
        let realm = Url::parse("https://a/t").unwrap();
        let call =
            oauth_call(realm, &challenge(Some("é".as_bytes()), &["x", "y"]), &[("password", b"&=\xff")]);
        let form = call.form.unwrap();
        let form = String::from_utf8_lossy(form.expose()).into_owned();
        assert_eq!(form, "password=%26%3D%FF&client_id=dray&service=%C3%A9&scope=x+y");
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..100), life in any::<f64>()) {
            parse(&body);
            parse(serde_json::json!({"token": "a", "expires_in": life}).to_string().as_bytes());
        }
    }
}
