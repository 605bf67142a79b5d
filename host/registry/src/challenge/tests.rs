use std::time::{Duration, Instant};

use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn parse_bytes(values: &[&[u8]]) -> Vec<Challenge> {
    let values = values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_bytes(value).unwrap()));
    parse(&values.collect())
}

fn parse_all(values: &[&str]) -> Vec<Challenge> {
    let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
    parse_bytes(&values)
}

fn bearer(realm: &str, service: Option<&str>, scopes: &[&str]) -> Challenge {
    Challenge::Bearer(BearerChallenge {
        realm: realm.to_owned(),
        service: service.map(|service| service.as_bytes().to_owned()),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
    })
}

#[test]
fn reads_the_challenges_that_registries_send() {
    let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull""#;
    let hub_challenge =
        bearer("https://auth.docker.io/token", Some("registry.docker.io"), &["repository:library/x:pull"]);
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
        (
            vec![r#"Bearer realm="https://a/t",empty="",service="s",scope="repository:x:pull,push""#],
            vec![bearer("https://a/t", Some("s"), &["repository:x:pull,push"])],
        ),
        (vec!["Negotiate", r#"Digest realm="x", nonce="y""#], vec![]),
        (vec!["Bearer"], vec![]),
        (vec![r#"Bearer realm="""#], vec![]),
        (vec![r#"Basic realm="x", Bearer realm="unclosed"#], vec![Challenge::Basic]),
    ] {
        assert_eq!(parse_all(&values), expected, "{values:?}");
    }
}

#[test]
fn reads_challenges_that_break_the_standard() {
    let token = bearer("https://a/t", Some("host:5000"), &[]);
    for value in [
        r#"Bearer  realm="https://a/t",service="host:5000""#,
        "Bearer realm=https://a/t,service=host:5000",
        "Bearer realm=https://a/t, service=host:5000,",
        "Bearer realm=https://a/t; service=host:5000",
        "Bearer realm=https://a/t;service=host:5000;",
        "Bearer realm=https://a/t service=host:5000",
        r#"Bearer realm="https://a/t" service="host:5000""#,
        "Bearer\trealm = \"https://a/t\" ,\tservice = host:5000",
        r#"Bearer, realm="https://a/t", service="host:5000""#,
        r#"Bearer realm="https://b/", realm="https://a/t", service="host:5000""#,
    ] {
        assert_eq!(parse_all(&[value]), std::slice::from_ref(&token), "{value}");
    }
    for (value, expected) in [
        ("Bearer realm=https://a/t?x=1&y=a=b", bearer("https://a/t?x=1&y=a=b", None, &[])),
        (
            "Bearer realm=https://a/t,service=My own registry,scope=repository:x:pull",
            bearer("https://a/t", Some("My own registry"), &["repository:x:pull"]),
        ),
        (
            "Bearer realm=https://a/t,scope=repository:x:pull,push,service=s",
            bearer("https://a/t", Some("s"), &["repository:x:pull"]),
        ),
        (
            r#"Bearer realm="https://ä.example/t",service="Régistre""#,
            bearer("https://ä.example/t", Some("Régistre"), &[]),
        ),
    ] {
        assert_eq!(parse_all(&[value]), [expected], "{value}");
    }
    for value in [
        "Basic",
        "BASIC realm",
        "Basic realm=/",
        "Basic realm=https://a/t",
        "Basic realm=My own registry",
        "Basic realm=Régistre",
        r#"Basic realm=/""#,
        r#"Basic  realm="x""#,
        r#"Basic realm="unclosed"#,
        "Basic realm=",
        "Basic charset=UTF-8; realm=x y",
        "basic, realm=x",
    ] {
        assert_eq!(parse_all(&[value]), [Challenge::Basic], "{value}");
    }
}

#[test]
fn an_unsupported_challenge_does_not_hide_the_next_one() {
    let both = [bearer("https://a/t", Some("s"), &[]), Challenge::Basic];
    for value in [
        r#"Negotiate, Basic realm="x", Bearer realm="https://a/t",service="s""#,
        r#"Negotiate YIIJvwYGKwYBBQUCoIIJszCCCa+gJDAi==, Basic realm="x", Bearer realm="https://a/t",service="s""#,
        r#"NTLM TlRMTVNTUAAB/w+A, Bearer realm="https://a/t",service="s", Basic realm="x""#,
        r#"Negotiate oYG2== Bearer realm="https://a/t" service="s" Basic realm="x""#,
        r#"Negotiate Bearer realm="https://a/t",service="s",Basic"#,
        r#"Bearer realm="https://a/t",service="s", Negotiate, Basic"#,
        "Basic realm=x Bearer realm=https://a/t service=s",
        "Digest nonce=x realm=My Basic realm, Basic, Bearer realm=https://a/t, Negotiate, service=s",
    ] {
        assert_eq!(parse_all(&[value]), both, "{value}");
        assert_eq!(parse_all(&["Negotiate", "", value]), both, "{value}");
    }
    let headers = |value| HeaderMap::from_iter([(WWW_AUTHENTICATE, HeaderValue::from_static(value))]);
    for (value, expected) in [
        ("Negotiate abc", Some("`Negotiate`")),
        ("Negotiate, NTLM abc/d==", Some("`Negotiate` or `NTLM`")),
        ("Negotiate, Basic", None),
        ("", None),
    ] {
        assert_eq!(unsupported(&headers(value)).as_deref(), expected, "{value}");
    }
    let lacking = r#"Basic, Bearer realm=x;error=insufficient_scope;scope="repository:a:push""#;
    assert_eq!(lacking_scope(&headers(lacking)).as_deref(), Some("repository:a:push"));
}

#[test]
fn naming_adds_a_repository_only_if_the_challenge_has_none() {
    for (scopes, expected) in [
        (&[][..], &["repository:team/app:pull"][..]),
        (&["x", "*", "x"], &["*", "repository:team/app:pull", "x"]),
        (
            &["registry:catalog:*", "repositories"],
            &["registry:catalog:*", "repositories", "repository:team/app:pull"],
        ),
        (&["repository:proxy/team/app:pull"], &["repository:proxy/team/app:pull"]),
        (&["x", "repository:team/app:pull,push"], &["repository:team/app:pull,push", "x"]),
        (&["repository(plugin):a:pull"], &["repository(plugin):a:pull"]),
    ] {
        let Challenge::Bearer(challenge) = bearer("https://a/t", None, scopes) else { unreachable!() };
        assert_eq!(challenge.naming("team/app").scopes, expected, "{scopes:?}");
    }
}

#[test]
fn values_keep_their_encoding() {
    let expected = Challenge::Bearer(BearerChallenge {
        realm: "https://a/t".to_owned(),
        service: Some(b"R\xe9gistre".to_vec()),
        scopes: Vec::new(),
    });
    assert_eq!(
        parse_bytes(&[b"Bearer realm=\"https://a/t\",service=\"R\xe9gistre\"", b"Basic realm=R\xe9gistre"]),
        [expected, Challenge::Basic]
    );
}

#[test]
fn fields_that_are_too_long_are_skipped() {
    let long = format!("Basic realm=\"{}\"", "x".repeat(limits::CHALLENGE_BYTES));
    assert_eq!(parse_all(&[&long]), []);
    assert_eq!(parse_all(&[&long, "Bearer realm=https://a/t"]), [bearer("https://a/t", None, &[])]);
    let many = vec!["Basic realm=x"; limits::CHALLENGE_BYTES];
    assert_eq!(parse_all(&many).len(), limits::CHALLENGE_BYTES / "Basic realm=x".len());
}

/// The parser must not read the same bytes again for every byte before them.
#[test]
fn parsing_takes_linear_time() {
    for piece in [" ", ";", "=", "a ", "a= ", "a; b ", "\"", "\\", "Basic ", "Basic a=b ", "a=b;c "] {
        for start in ["", "Basic realm=a", "Basic realm=\"a", "Basic "] {
            let field = format!("{start}{}", piece.repeat(300_000 / piece.len()));
            let began = Instant::now();
            parser::read(field.as_bytes());
            let took = began.elapsed();
            assert!(took < Duration::from_secs(3), "{start}{piece}: {took:?}");
        }
    }
}

/// A scheme with its parameters, none of which is empty.
type Written = (String, Vec<(String, Vec<u8>)>);

fn written() -> impl Strategy<Value = Vec<Written>> {
    let value = prop::collection::vec(prop_oneof![Just(b'\t'), 0x20..=0x7e_u8, 0x80..=0xff_u8], 1..12);
    let parameters = prop::collection::vec(("[a-z][a-z0-9_-]{0,6}", value), 1..4);
    prop::collection::vec(("[A-Z][a-zA-Z0-9!#$%&'*+.^_`|~-]{0,6}", parameters), 1..4)
}

proptest! {
    #[test]
    fn reads_everything_that_the_standard_allows(challenges in written()) {
        let mut field = Vec::new();
        for (scheme, parameters) in &challenges {
            field.extend_from_slice(if field.is_empty() { b"" } else { b", " });
            field.extend_from_slice(scheme.as_bytes());
            for (number, (name, value)) in parameters.iter().enumerate() {
                field.extend_from_slice(if number == 0 { b" " } else { b"," });
                field.extend_from_slice(name.as_bytes());
                field.extend_from_slice(b"=\"");
                for byte in value {
                    field.extend(matches!(byte, b'"' | b'\\').then_some(b'\\'));
                    field.push(*byte);
                }
                field.push(b'"');
            }
        }
        let read = parser::read(&field);
        prop_assert_eq!(read.len(), challenges.len());
        for (read, (scheme, parameters)) in read.iter().zip(&challenges) {
            prop_assert_eq!(&read.scheme, scheme);
            for (name, _) in parameters {
                let (_, last) = parameters.iter().rfind(|(other, _)| other == name).unwrap();
                prop_assert_eq!(read.parameter(name), Some(last.as_slice()));
            }
        }
    }

    #[test]
    fn separators_and_quotes_make_no_difference(
        values in prop::collection::vec("[a-zA-Z0-9:/.?&=é-]{0,9}[a-zA-Z0-9:/.é-]( [a-z:/]{1,5}){0,2}", 3),
        separators in prop::collection::vec("(,|;|, | ; | {1,3})", 3),
        quoted in prop::collection::vec(any::<bool>(), 3),
    ) {
        let mut field = "Bearer".to_owned();
        for (number, name) in ["realm", "service", "x"].into_iter().enumerate() {
            let value = &values[number];
            let value = if quoted[number] { format!("\"{value}\"") } else { value.clone() };
            let separator = if number == 0 { " " } else { &separators[number] };
            field = format!("{field}{separator}{name}={value}");
        }
        prop_assert_eq!(parse_all(&[&field]), [bearer(&values[0], Some(&values[1]), &[])], "{}", field);
    }

    #[test]
    fn arbitrary_bytes_neither_panic_nor_grow(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4),
    ) {
        let headers: HeaderMap = values
            .iter()
            .filter_map(|value| Some((WWW_AUTHENTICATE, HeaderValue::from_bytes(value).ok()?)))
            .collect();
        parse(&headers);
        lacking_scope(&headers);
        unsupported(&headers);
        for value in &values {
            prop_assert!(parser::read(value).len() <= value.len());
        }
    }

    #[test]
    fn text_like_a_challenge_neither_panics_nor_grows(text in r#"((Bearer|Basic|[a-z]{1,3}) {1,2}((realm|scope)=("[a-z\\" é]{0,6}"?|[a-z/:=]{0,3})[,; ]{0,2}){0,3}[,; ]{0,2}){0,3}"#) {
        parse_all(&[&text]);
    }
}
