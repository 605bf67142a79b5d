use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use url::Url;

use super::call::{Call, Role};
use super::challenge;
use super::display;
use super::endpoint::authority;
use super::redirect::RedirectError;
use super::transport::{Response, TransportError, TransportKind};
use dray_core::limits;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// The failure for a status that is not a success.
pub(super) async fn of_status(call: &Call, response: Response) -> FetchFailure {
    let status = response.status();
    let fault = fault_of(call.role, status);
    let reason = match (call.role, fault) {
        _ if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED => Some(FetchReason::Proxy),
        (Role::Registry, FetchFault::NotFound) => Some(FetchReason::UnknownTag),
        (_, FetchFault::Protocol) => Some(FetchReason::NotRegistry),
        _ => None,
    };
    let message = message_of(call, response, 1).await;
    FetchFailure { reason, ..FetchFailure::new(fault, message) }
}

/// The failure of a server that was busy at every try, or that named a time for the next one.
pub(super) async fn of_busy_server(
    call: &Call,
    response: Response,
    tries: u32,
    retry_after: Option<Duration>,
) -> FetchFailure {
    let reason = match response.status() {
        StatusCode::TOO_MANY_REQUESTS => FetchReason::RateLimited {
            limit: printable_header(response.headers(), "ratelimit-limit"),
            remaining: printable_header(response.headers(), "ratelimit-remaining"),
        },
        _ => FetchReason::Busy,
    };
    let message = message_of(call, response, tries).await;
    let failure = FetchFailure::new(FetchFault::Unavailable, message).with_reason(reason);
    match retry_after {
        Some(after) => failure.with_retry_after(after),
        None => failure,
    }
}

fn printable_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(display::text)
}

/// The failure of a call without a complete response. `url` is where the call was at that time.
pub(super) fn of_transport(call: &Call, url: &Url, error: TransportError) -> FetchFailure {
    let peer = peer(call, url);
    let doing = format!("{} `{}`", call.method, display::url(url));
    let host = authority(url).to_string();
    let (message, reason) = match error.kind {
        TransportKind::Refused => {
            (format!("cannot connect to {peer}"), FetchReason::ConnectionRefused { host })
        }
        TransportKind::UnknownHost => (format!("cannot find {peer}"), FetchReason::UnknownHost { host }),
        TransportKind::Unreachable => (format!("cannot reach {peer}"), FetchReason::Unreachable),
        TransportKind::Silent(time) => {
            let message = format!("{peer} sent nothing for {} s during {doing}", time.as_secs_f32());
            (message, FetchReason::Interrupted)
        }
        TransportKind::Broken => (format!("{peer} broke off during {doing}"), FetchReason::Interrupted),
        TransportKind::Proxy => (format!("cannot connect to {peer} through the proxy"), FetchReason::Proxy),
        TransportKind::NotTls => (format!("{peer} does not speak TLS"), FetchReason::NoTls { host }),
        TransportKind::Certificate => {
            (format!("the certificate of {peer} is not trusted"), FetchReason::UntrustedCertificate)
        }
        TransportKind::WrongName => {
            (format!("the certificate of {peer} is for another name"), FetchReason::CertificateName { host })
        }
        TransportKind::WrongTime => {
            (format!("the certificate of {peer} is not valid at this time"), FetchReason::CertificateTime)
        }
        TransportKind::ClientCertificate => {
            let message = format!("{peer} refused the client certificate, or requires one");
            (message, FetchReason::ClientCertificate)
        }
        TransportKind::BadCertificates => {
            let message = format!("the certificates configured for {peer} cannot be used");
            (message, FetchReason::UnusableCertificates)
        }
        TransportKind::NoCertificates => {
            let message = "cannot check any certificate: this system has no certificate authorities";
            (message.to_owned(), FetchReason::NoAuthorities)
        }
        TransportKind::Forbidden => {
            let message = format!("{peer} is not asked: its address is not a public one");
            (message, FetchReason::PrivateAddress)
        }
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
    let failure = FetchFailure::new(fault, message).with_reason(reason);
    match error.into_cause() {
        Some(cause) => failure.with_source(cause),
        None => failure,
    }
}

/// Whether the connection of a call broke off.
pub(super) fn is_broken(failure: &FetchFailure) -> bool {
    let cause = failure.source.as_ref().and_then(|source| source.downcast_ref::<TransportError>());
    cause.is_some_and(|error| error.kind == TransportKind::Broken)
}

/// The failure of a redirect that is not followed.
pub(super) fn of_redirect(call: &Call, from: &Url, problem: RedirectError) -> FetchFailure {
    let message =
        format!("{} {problem}, in answer to {} `{}`", peer(call, from), call.method, display::url(from));
    let reason = match problem {
        RedirectError::ToPlainHttp if call.role == Role::Registry => FetchReason::RedirectToPlainHttp,
        _ => FetchReason::BadRedirect,
    };
    FetchFailure::new(FetchFault::Protocol, message).with_reason(reason)
}

/// The failure for wrong content. `problem` says what is wrong.
pub(super) fn of_content(call: &Call, problem: &str) -> FetchFailure {
    of_protocol(call, problem).with_reason(FetchReason::ChangedContent)
}

/// The failure for content with a coding that was not asked for.
pub(super) fn of_coding(call: &Call, coding: &str) -> FetchFailure {
    let problem = format!("sent content with the coding `{}`, which is not supported", display::text(coding));
    of_protocol(call, &problem).with_reason(FetchReason::UnwantedCoding)
}

/// The failure for a response that violates the protocol. `problem` says how.
pub(super) fn of_protocol(call: &Call, problem: &str) -> FetchFailure {
    let message = format!(
        "{} {problem}, in answer to {} `{}`",
        peer(call, &call.url),
        call.method,
        display::url(&call.url)
    );
    FetchFailure::new(FetchFault::Protocol, message).with_reason(FetchReason::NotRegistry)
}

fn peer(call: &Call, url: &Url) -> String {
    let meant = format!("{} `{}`", call.role, authority(&call.url));
    if authority(url) == authority(&call.url) {
        return meant;
    }
    format!("server `{}` (redirected from {meant})", authority(url))
}

fn fault_of(role: Role, status: StatusCode) -> FetchFault {
    match (role, status.as_u16()) {
        // A status of a proxy on the way.
        (_, 407) => FetchFault::Unavailable,
        (_, 401 | 403 | 451) | (Role::TokenServer, 400..=499) => FetchFault::Denied,
        (Role::Registry | Role::LayerUrl, 404 | 410) => FetchFault::NotFound,
        (_, 408 | 429 | 500..=599) => FetchFault::Unavailable,
        _ => FetchFault::Protocol,
    }
}

async fn message_of(call: &Call, response: Response, tries: u32) -> String {
    let url = response.url().clone();
    let peer = match response.status() {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => format!("the proxy for {}", peer(call, &url)),
        _ => peer(call, &url),
    };
    let mut message =
        format!("{peer} answered {} to {} `{}`", response.status().as_u16(), call.method, display::url(&url));
    if tries > 1 {
        let _ = write!(message, " ({tries} tries)");
    }
    if let Some(lacking) = challenge::lacking_scope(response.headers()) {
        let _ = write!(message, ": insufficient scope, it requires `{}`", display::text(&lacking));
    }
    if response.status() == StatusCode::UNAUTHORIZED
        && let Some(schemes) = challenge::unsupported(response.headers())
    {
        let _ = write!(message, ": it asks for {}, which is not supported", display::text(&schemes));
    }
    let body = response.into_body().read_beginning(limits::ERROR_BODY_BYTES).await;
    if let Some(reason) = reason(&body) {
        message.push_str(": ");
        message.push_str(&reason);
    }
    message
}

/// The message in the body of an error: in the form of the specification (distribution specification, "Error Codes"),
/// or in one of the other forms in use. Web pages yield none.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).map(display::text).filter(|text| !text.is_empty())
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
    fn messages_are_found_in_error_bodies() {
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
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..100)) {
            reason(&body);
        }
    }
}
