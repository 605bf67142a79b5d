use std::fmt;
use std::time::SystemTime;

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, Method};
use url::Url;

use super::failure;
use super::retry;
use super::secret::Secret;
use super::settings::Timing;
use super::transport::{self, Response, Transport, TransportError, TransportKind};
use crate::limits;
use crate::ports::FetchFailure;

/// One question to a server.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Everything but the authorization. Goes along to wherever the call is redirected.
    pub(super) headers: HeaderMap,
    /// Shown only to the origin of `url`.
    pub(super) authorization: Option<HeaderValue>,
    /// The body of a POST.
    pub(super) form: Option<Secret>,
    pub(super) role: Role,
}

/// What the server of a call is to us, for messages and for the meaning of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Registry,
    TokenServer,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registry => "registry",
            Self::TokenServer => "token server",
        })
    }
}

impl Call {
    /// A call without body and authorization.
    pub(super) fn new(role: Role, method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), authorization: None, form: None, role }
    }
}

/// Sends calls, follows redirects, and tries again what may pass.
pub(super) struct Exchange {
    transport: Transport,
    timing: Timing,
}

enum Obstacle {
    Transport { url: Url, error: TransportError },
    Redirect(FetchFailure),
}

impl Exchange {
    pub(super) fn new(transport: Transport, timing: Timing) -> Self {
        Self { transport, timing }
    }

    /// The answer to a call, with any status that another try would not change.
    pub(super) async fn send(&self, call: &Call) -> Result<Response, FetchFailure> {
        let mut tries = 0;
        loop {
            tries += 1;
            let pause = retry::back_off(&self.timing, tries);
            let pause = match self.follow(call).await {
                Ok(response) if !retry::is_transient(response.status()) => return Ok(response),
                Ok(response) => {
                    let asked = retry::retry_after(response.headers(), SystemTime::now());
                    let too_long = asked.is_some_and(|asked| asked > self.timing.longest_pause);
                    if tries >= limits::REQUEST_TRIES || too_long {
                        return Err(failure::of_busy_server(call, response, tries, asked).await);
                    }
                    response.discard().await;
                    pause.max(asked.unwrap_or_default())
                }
                Err(Obstacle::Transport { url, error }) => {
                    if tries >= tries_worth_making(error.kind) {
                        return Err(failure::of_transport(call, &url, error));
                    }
                    pause
                }
                Err(Obstacle::Redirect(failure)) => return Err(failure),
            };
            tracing::debug!(url = failure::display(&call.url), tries, ?pause, "trying again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn follow(&self, call: &Call) -> Result<Response, Obstacle> {
        let mut url = call.url.clone();
        for _ in 0..=limits::REDIRECTS {
            let response = match self.transport.send(call, &url).await {
                Ok(response) => response,
                Err(error) => return Err(Obstacle::Transport { url, error }),
            };
            if !transport::is_redirect(&call.method, response.status()) {
                return Ok(response);
            }
            let next = next_hop(&url, response.headers().get(LOCATION))
                .map_err(|problem| Obstacle::Redirect(failure::of_redirect(call, &url, problem)))?;
            response.discard().await;
            url = next;
        }
        Err(Obstacle::Redirect(failure::of_redirect(call, &url, "redirects too often")))
    }
}

/// Tries that a kind of failure deserves. A server that is being started may refuse connections for a moment,
/// a resolver may miss a beat; beyond that a user would rather know.
fn tries_worth_making(kind: TransportKind) -> u32 {
    match kind {
        TransportKind::NotTls | TransportKind::Certificate | TransportKind::NoCertificates => 1,
        TransportKind::Refused
        | TransportKind::UnknownHost
        | TransportKind::Unreachable
        | TransportKind::Silent(_) => 2.min(limits::REQUEST_TRIES),
        TransportKind::Broken => limits::REQUEST_TRIES,
    }
}

/// Where a redirect leads, or what is wrong with it.
fn next_hop(from: &Url, location: Option<&HeaderValue>) -> Result<Url, &'static str> {
    let location = location.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let location = location.ok_or("redirects without saying where to")?;
    let mut next = from.join(location).map_err(|_| "redirects to something that is not an address")?;
    match (from.scheme(), next.scheme()) {
        ("https", "http") => return Err("redirects from HTTPS to HTTP, which is not followed"),
        (_, "http" | "https") => {}
        _ => return Err("redirects to something else than HTTP"),
    }
    // Credentials in an address would become an `Authorization`, which is never given on to another server.
    let stripped = next.set_username("").and_then(|()| next.set_password(None));
    stripped.map_err(|()| "redirects to something that is not an address")?;
    next.set_fragment(None);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, location: &str) -> Result<String, &'static str> {
        let location = HeaderValue::from_str(location).unwrap();
        next_hop(&Url::parse(from).unwrap(), Some(&location)).map(String::from)
    }

    #[test]
    fn redirects() {
        for (from, location, expected) in [
            ("https://a/v2/x", "https://b/y?s=1", Ok("https://b/y?s=1")),
            ("https://a/v2/x?q=1", "/y", Ok("https://a/y")),
            ("https://a/v2/x", "y", Ok("https://a/v2/y")),
            ("https://a/v2/x", "//b/y#part", Ok("https://b/y")),
            ("https://a/v2/x", "https://user:pass@b/y", Ok("https://b/y")),
            ("http://a/v2/x", "https://b/y", Ok("https://b/y")),
            ("http://a/v2/x", "http://b/y", Ok("http://b/y")),
            ("https://a/v2/x", "http://a/y", Err("redirects from HTTPS to HTTP, which is not followed")),
            ("https://a/v2/x", "file:///etc/passwd", Err("redirects to something else than HTTP")),
            ("https://a/v2/x", "https://:99999/", Err("redirects to something that is not an address")),
        ] {
            assert_eq!(hop(from, location).as_deref(), expected.as_ref().copied(), "{from} {location}");
        }
        let from = Url::parse("https://a/").unwrap();
        assert_eq!(next_hop(&from, None), Err("redirects without saying where to"));
    }
}
