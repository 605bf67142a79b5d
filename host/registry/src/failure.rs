use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use url::{Position, Url};

use super::challenge;
use super::endpoint::authority;
use super::exchange::{Call, RedirectProblem, Role};
use super::transport::{Response, TransportError, TransportKind};
use dray_core::limits;
use dray_core::text::deceives;
use dray_ports::{FetchFailure, FetchFault};

/// The failure that an unwelcome status stands for.
pub(super) async fn of_status(call: &Call, response: Response) -> FetchFailure {
    let status = response.status();
    let fault = fault_of(call.role, status);
    let hint = match (call.role, fault) {
        _ if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED => Some(PROXY.to_owned()),
        (Role::Registry, FetchFault::NotFound) => Some("check the name and the tag of the image".to_owned()),
        (_, FetchFault::Protocol) => Some(STRANGE.to_owned()),
        _ => None,
    };
    let message = message_of(call, response, 1).await;
    FetchFailure { hint, ..FetchFailure::new(fault, message) }
}

/// The failure of a server that could not answer in any of several tries, or that said when to come back.
pub(super) async fn of_busy_server(
    call: &Call,
    response: Response,
    tries: u32,
    retry_after: Option<Duration>,
) -> FetchFailure {
    let is_limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let mut hint = match retry_after {
        Some(after) if !after.is_zero() => format!("try again in {} s", after.as_secs()),
        _ if is_limited => {
            "the registry limits how often it may be asked: wait, or log in if you have not".to_owned()
        }
        _ => "try again later".to_owned(),
    };
    if is_limited && let Some(quota) = quota(response.headers()) {
        let _ = write!(hint, "; {quota}");
    }
    let message = message_of(call, response, tries).await;
    let failure = FetchFailure::new(FetchFault::Unavailable, message).with_hint(hint);
    match retry_after {
        Some(after) => failure.with_retry_after(after),
        None => failure,
    }
}

/// What a registry says about the limit that was reached, such as `100;w=21600` for a hundred in six hours.
fn quota(headers: &HeaderMap) -> Option<String> {
    let said = ["ratelimit-limit", "ratelimit-remaining"].iter().filter_map(|&name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(format!("{name} is `{}`", printable(value)))
    });
    let said: Vec<String> = said.collect();
    (!said.is_empty()).then(|| format!("its {}", said.join(", ")))
}

/// The failure of a call that got no answer, or not the whole of it. `url` is where it was then.
pub(super) fn of_transport(call: &Call, url: &Url, error: TransportError) -> FetchFailure {
    let peer = peer(call, url);
    let doing = format!("{} `{}`", call.method, display(url));
    let host = authority(url);
    let (message, hint) = match error.kind {
        TransportKind::Refused => (
            format!("cannot connect to {peer}"),
            Some(format!("check that it runs, and that `{host}` is its address")),
        ),
        TransportKind::UnknownHost => (
            format!("cannot find {peer}"),
            Some(format!("check that `{host}` is spelled correctly, and the network")),
        ),
        TransportKind::Unreachable => (
            format!("cannot reach {peer}"),
            Some("check the network, and whether a proxy is needed".to_owned()),
        ),
        TransportKind::Silent(time) => {
            let message = format!("{peer} sent nothing for {} s during {doing}", time.as_secs_f32());
            (message, Some(BROKEN.to_owned()))
        }
        TransportKind::NotTls => (
            format!("{peer} does not speak TLS"),
            Some(format!("if `{host}` is meant to be used over plain HTTP, say so with `--plain-http`")),
        ),
        TransportKind::Certificate => (
            format!("the certificate of {peer} is not trusted"),
            Some(
                "install the certificate of its authority in the system's store, or name it as `ca` in a `hosts.toml`"
                    .to_owned(),
            ),
        ),
        TransportKind::WrongName => (
            format!("the certificate of {peer} is for another name"),
            Some(format!("check that `{host}` is its name, or reach it by a name that its certificate has")),
        ),
        TransportKind::WrongTime => (
            format!("the certificate of {peer} is not valid at this time"),
            Some("check the clock of this machine; if it is right, the server needs a new certificate".to_owned()),
        ),
        TransportKind::ClientCertificate => (
            format!("{peer} does not take our certificate, or wants one and gets none"),
            Some("name a certificate that it takes as `client` in a `hosts.toml`".to_owned()),
        ),
        TransportKind::BadCertificates => (
            format!("the certificates set up for {peer} cannot be used"),
            Some("`dray registry explain` says where they are named".to_owned()),
        ),
        TransportKind::Proxy => (
            format!("the proxy makes no connection to {peer}"),
            Some(PROXY.to_owned()),
        ),
        TransportKind::Forbidden => (
            format!("{peer} is not asked: its address is not a public one"),
            Some("an image may name places for its layers, but none that only your network can reach".to_owned()),
        ),
        TransportKind::NoCertificates => (
            "cannot check any certificate: this system has no certificate authorities".to_owned(),
            Some("install them; most distributions call the package `ca-certificates`".to_owned()),
        ),
        TransportKind::Broken => (format!("{peer} broke off during {doing}"), Some(BROKEN.to_owned())),
    };
    let fault = match error.kind {
        TransportKind::NotTls | TransportKind::Forbidden => FetchFault::Protocol,
        TransportKind::ClientCertificate => FetchFault::Denied,
        TransportKind::Certificate
        | TransportKind::WrongName
        | TransportKind::WrongTime
        | TransportKind::NoCertificates
        | TransportKind::BadCertificates => FetchFault::Configuration,
        _ => FetchFault::Unavailable,
    };
    let failure = FetchFailure { hint, ..FetchFailure::new(fault, message) };
    match error.into_cause() {
        Some(cause) => failure.with_source(cause),
        None => failure,
    }
}

/// Whether a call broke off, for whatever reason.
pub(super) fn is_broken(failure: &FetchFailure) -> bool {
    let cause = failure.source.as_ref().and_then(|source| source.downcast_ref::<TransportError>());
    cause.is_some_and(|error| error.kind == TransportKind::Broken)
}

const BROKEN: &str = "try again; if it stays, the log of the registry or of a proxy on the way may say why";
const PROXY: &str = "check `HTTPS_PROXY` and `HTTP_PROXY`, with user and password where the proxy wants them, or except the host with `NO_PROXY`";
const STRANGE: &str = "check that this is the address of a registry and that no proxy answers in its place";

/// The failure of a redirect that is not followed.
pub(super) fn of_redirect(call: &Call, from: &Url, problem: RedirectProblem) -> FetchFailure {
    let message = format!("{} {problem}, in answer to {} `{}`", peer(call, from), call.method, display(from));
    let hint = match problem {
        RedirectProblem::ToPlainHttp if call.role == Role::Registry => {
            "whoever runs the registry should let it redirect to HTTPS; `--insecure-registry`, or `skip_verify` in a \
             `hosts.toml`, follows such a redirect all the same"
        }
        _ => "whoever runs the registry, or a proxy in front of it, has set up its redirects wrongly",
    };
    FetchFailure::new(FetchFault::Protocol, message).with_hint(hint)
}

/// The failure of content that is not what it should be: `problem` says how.
pub(super) fn of_content(call: &Call, problem: &str) -> FetchFailure {
    let hint = "try again; if it stays, the registry or a proxy on the way changes what it serves";
    FetchFailure { hint: Some(hint.to_owned()), ..of_protocol(call, problem) }
}

/// The failure of content that is compressed in a way that nobody asked for.
pub(super) fn of_coding(call: &Call, coding: &str) -> FetchFailure {
    let hint = "the registry or a proxy on the way ignores that content is asked for as it is stored: let it not compress";
    let problem = format!("sent content with the coding `{}`, which is not supported", printable(coding));
    FetchFailure { hint: Some(hint.to_owned()), ..of_protocol(call, &problem) }
}

/// The failure of an answer that is against the protocol: `problem` says how.
pub(super) fn of_protocol(call: &Call, problem: &str) -> FetchFailure {
    let message =
        format!("{} {problem}, in answer to {} `{}`", peer(call, &call.url), call.method, display(&call.url));
    FetchFailure::new(FetchFault::Protocol, message).with_hint(STRANGE)
}

/// An address without what may be secret: user, password, query. Signed addresses are as good as a password.
pub(super) fn display(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails only for addresses that cannot have a user or a password.
    let _ = shown.set_username("").and_then(|()| shown.set_password(None));
    shown[..Position::AfterPath].to_owned()
}

/// Text of a stranger, made fit for a terminal: one line of limited length, with a space for every character that
/// could deceive.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut shown: String =
        text.trim().chars().take(LONGEST).map(|c| if deceives(c) { ' ' } else { c }).collect();
    if text.trim().chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn peer(call: &Call, url: &Url) -> String {
    let meant = format!("{} `{}`", call.role, authority(&call.url));
    if authority(url) == authority(&call.url) {
        return meant;
    }
    format!("server `{}` (by way of {meant})", authority(url))
}

fn fault_of(role: Role, status: StatusCode) -> FetchFault {
    match (role, status.as_u16()) {
        // It comes from a proxy, which is in the way.
        (_, 407) => FetchFault::Unavailable,
        (_, 401 | 403 | 451) | (Role::TokenServer, 400..=499) => FetchFault::Denied,
        (Role::Registry | Role::Elsewhere, 404 | 410) => FetchFault::NotFound,
        (_, 408 | 429 | 500..=599) => FetchFault::Unavailable,
        _ => FetchFault::Protocol,
    }
}

async fn message_of(call: &Call, response: Response, tries: u32) -> String {
    let url = response.url().clone();
    let peer = match response.status() {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => format!("the proxy on the way to {}", peer(call, &url)),
        _ => peer(call, &url),
    };
    let mut message =
        format!("{peer} answered {} to {} `{}`", response.status().as_u16(), call.method, display(&url));
    if tries > 1 {
        let _ = write!(message, " ({tries} tries)");
    }
    if let Some(lacking) = challenge::lacking_scope(response.headers()) {
        let _ = write!(message, ": insufficient scope, it wants `{}`", printable(&lacking));
    }
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(schemes) = challenge::unsupported(response.headers())
    {
        let _ = write!(message, ": it asks for {}, which is not supported", printable(&schemes));
    }
    let body = response.into_body().read_beginning(limits::ERROR_BODY_BYTES).await;
    if let Some(reason) = reason(&body) {
        message.push_str(": ");
        message.push_str(&reason);
    }
    message
}

/// What the body of an error says: the specification's form (distribution specification, "Error Codes"), or
/// one of those that are in use beside it. Web pages say nothing.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).map(printable).filter(|text| !text.is_empty())
    };
    if let Some(errors) = body.get("errors").and_then(Value::as_array) {
        const SHOWN: usize = 3;
        let reasons: Vec<String> = errors
            .iter()
            .filter_map(|error| match (text(error, "code"), text(error, "message")) {
                (Some(code), Some(message)) => Some(format!("{code}: {message}")),
                (code, message) => code.or(message),
            })
            .take(SHOWN)
            .collect();
        return (!reasons.is_empty()).then(|| reasons.join("; "));
    }
    ["message", "details", "error_description", "error"].iter().find_map(|key| text(&body, key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reasons() {
        for (body, expected) in [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                Some("MANIFEST_UNKNOWN: manifest unknown"),
            ),
            (r#"{"errors":[{"code":"A"},{"message":"b"},{}]}"#, Some("A; b")),
            (r#"{"errors":[]}"#, None),
            (r#"{"errors":"x"}"#, None),
            (r#"{"details":"incorrect username or password"}"#, Some("incorrect username or password")),
            (
                r#"{"error":"invalid_grant","error_description":"bad refresh token"}"#,
                Some("bad refresh token"),
            ),
            ("<html><body>502 Bad Gateway</body></html>", None),
            ("", None),
            ("[1]", None),
            (r#"{"message":"a\u001b[2Jb\n\u202ec"}"#, Some("a [2Jb  c")),
            (r#"{"message":"a\u061cb\u200bc\ufeffd"}"#, Some("a b c d")),
        ] {
            assert_eq!(reason(body.as_bytes()).as_deref(), expected, "{body}");
        }
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 301);
    }

    #[test]
    fn addresses_without_secrets() {
        let url = Url::parse("https://user:pass@host:8443/v2/x?X-Amz-Signature=abc#part").unwrap();
        assert_eq!(display(&url), "https://host:8443/v2/x");
        assert_eq!(authority(&url), "host:8443");
    }

    proptest! {
        #[test]
        fn no_body_can_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            reason(&body);
        }

        #[test]
        fn nothing_steers_a_terminal(text in any::<String>()) {
            prop_assert!(!printable(&text).contains(deceives));
        }
    }
}
