use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;
use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;

/// A way to authenticate that a registry offers (RFC 9110, section 11.6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A token of a token server.
    Bearer(BearerChallenge),
    /// User name and password.
    Basic,
}

/// Where a token comes from and what it must be good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BearerChallenge {
    /// Address of the token server, as written.
    pub(super) realm: String,
    /// The registry's name towards the token server.
    pub(super) service: Option<String>,
    /// Rights that the registry asks for.
    pub(super) scopes: Vec<String>,
}

/// Reads the challenges of all `WWW-Authenticate` fields, those of the stronger scheme first.
///
/// What cannot be read and what is not supported is left out, so that one strange challenge does not spoil
/// the others.
pub(super) fn parse(headers: &HeaderMap) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = all(headers).filter_map(|challenge| supported(&challenge)).collect();
    challenges.sort_by_key(|challenge| matches!(challenge, Challenge::Basic));
    challenges
}

/// The rights that a registry wants beyond those of the token that it was shown (RFC 6750, section 3.1), if
/// that is what it complains about.
pub(super) fn lacking_scope(headers: &HeaderMap) -> Option<String> {
    let lacks = |challenge: &ChallengeRef<'_>| {
        parameter(challenge, "error").is_some_and(|error| error == "insufficient_scope")
    };
    all(headers).find(lacks).and_then(|challenge| parameter(&challenge, "scope"))
}

/// The schemes that a registry offers, if none of them is one that can be answered.
pub(super) fn unsupported(headers: &HeaderMap) -> Option<String> {
    let schemes: Vec<String> = all(headers).map(|challenge| format!("`{}`", challenge.scheme)).collect();
    (!schemes.is_empty() && parse(headers).is_empty()).then(|| schemes.join(" or "))
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = ChallengeRef<'_>> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| ChallengeParser::new(value).map_while(Result::ok))
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let (_, value) = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.to_unescaped()).filter(|value| !value.is_empty())
}

fn supported(challenge: &ChallengeRef<'_>) -> Option<Challenge> {
    if challenge.scheme.eq_ignore_ascii_case("Basic") {
        return Some(Challenge::Basic);
    }
    if !challenge.scheme.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    let scopes = parameter(challenge, "scope").unwrap_or_default();
    Some(Challenge::Bearer(BearerChallenge {
        realm: parameter(challenge, "realm")?,
        service: parameter(challenge, "service"),
        scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn parse_all(values: &[&str]) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).unwrap());
        }
        parse(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Challenge {
        Challenge::Bearer(BearerChallenge {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        })
    }

    #[test]
    fn challenges_of_registries() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull""#;
        let hub_challenge = bearer(
            "https://auth.docker.io/token",
            Some("registry.docker.io"),
            &["repository:library/x:pull"],
        );
        for (values, expected) in [
            (vec![hub], vec![hub_challenge.clone()]),
            (vec![r#"Basic realm="x""#, hub], vec![hub_challenge.clone(), Challenge::Basic]),
            (
                vec![r#"bearer REALM="https://a/t", Basic realm="b""#],
                vec![bearer("https://a/t", None, &[]), Challenge::Basic],
            ),
            (
                vec![r#"Bearer realm="https://a/\"t", scope="a  b""#],
                vec![bearer("https://a/\"t", None, &["a", "b"])],
            ),
            (vec!["Negotiate", r#"Digest realm="x", nonce="y""#], vec![]),
            (vec!["Bearer"], vec![]),
            (vec![r#"Bearer realm="""#], vec![]),
            (vec![r#"Basic realm="x", Bearer realm="unclosed"#], vec![Challenge::Basic]),
        ] {
            assert_eq!(parse_all(&values), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn no_field_can_make_it_panic(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)) {
            let mut headers = HeaderMap::new();
            for value in values {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(WWW_AUTHENTICATE, value);
                }
            }
            parse(&headers);
        }

        #[test]
        fn nor_one_that_looks_like_a_challenge(text in r#"((Bearer|Basic|[a-z]{1,3}) ((realm|scope)=("[a-z\\" ]{0,6}"?|[a-z]{0,3})[, ]{0,2}){0,3}[, ]{0,2}){0,3}"#) {
            parse_all(&[&text]);
        }
    }
}
