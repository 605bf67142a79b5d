//! Where a redirect leads.

use http::HeaderValue;
use url::Url;

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectProblem {
    #[error("redirects without saying where to")]
    NoLocation,
    #[error("redirects to something that is not an address")]
    NoAddress,
    #[error("redirects from HTTPS to plain HTTP, which is not followed")]
    ToPlainHttp,
    #[error("redirects to something else than HTTP")]
    NotHttp,
    #[error("redirects too often")]
    TooOften,
}

/// Where a redirect leads, or what is wrong with it.
pub(super) fn next_hop(
    from: &Url,
    location: Option<&HeaderValue>,
    leaves_https: bool,
) -> Result<Url, RedirectProblem> {
    let location = location.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let location = location.ok_or(RedirectProblem::NoLocation)?;
    let mut next = from.join(location).map_err(|_| RedirectProblem::NoAddress)?;
    match (from.scheme(), next.scheme()) {
        ("https", "http") if !leaves_https => return Err(RedirectProblem::ToPlainHttp),
        (_, "http" | "https") => {}
        _ => return Err(RedirectProblem::NotHttp),
    }
    // Credentials in an address would become an `Authorization`, which is never given on to another server.
    let stripped = next.set_username("").and_then(|()| next.set_password(None));
    stripped.map_err(|()| RedirectProblem::NoAddress)?;
    next.set_fragment(None);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, location: &str, leaves_https: bool) -> Result<String, RedirectProblem> {
        let location = HeaderValue::from_str(location).unwrap();
        next_hop(&Url::parse(from).unwrap(), Some(&location), leaves_https).map(String::from)
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
            ("https://a/v2/x", "http://a/y", Err(RedirectProblem::ToPlainHttp)),
            ("https://a/v2/x", "file:///etc/passwd", Err(RedirectProblem::NotHttp)),
            ("https://a/v2/x", "https://:99999/", Err(RedirectProblem::NoAddress)),
        ] {
            assert_eq!(hop(from, location, false), expected.map(str::to_owned), "{from} {location}");
        }
        assert_eq!(hop("https://a/v2/x", "http://b/y", true), Ok("http://b/y".to_owned()));
        let from = Url::parse("https://a/").unwrap();
        assert_eq!(next_hop(&from, None, false), Err(RedirectProblem::NoLocation));
    }
}
