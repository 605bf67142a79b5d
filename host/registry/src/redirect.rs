//! The target of a redirect.

use http::HeaderValue;
use url::Url;

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectError {
    #[error("redirects without naming a target")]
    NoLocation,
    #[error("redirects to a target that is not a URL")]
    NoAddress,
    #[error("redirects from HTTPS to plain HTTP, which is not followed")]
    ToPlainHttp,
    #[error("redirects to a scheme other than HTTP")]
    NotHttp,
    #[error("redirects too often")]
    TooOften,
}

/// The target of a redirect, or what is wrong with it.
pub(super) fn next_hop(
    from: &Url,
    location: Option<&HeaderValue>,
    leaves_https: bool,
) -> Result<Url, RedirectError> {
    let location = location.and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let location = location.ok_or(RedirectError::NoLocation)?;
    let mut next = from.join(location).map_err(|_| RedirectError::NoAddress)?;
    match (from.scheme(), next.scheme()) {
        ("https", "http") if !leaves_https => return Err(RedirectError::ToPlainHttp),
        (_, "http" | "https") => {}
        _ => return Err(RedirectError::NotHttp),
    }
    // A user in the URL would become an authorization for another server.
    let stripped = next.set_username("").and_then(|()| next.set_password(None));
    stripped.map_err(|()| RedirectError::NoAddress)?;
    next.set_fragment(None);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: &str, location: &str, leaves_https: bool) -> Result<String, RedirectError> {
        let location = HeaderValue::from_str(location).unwrap();
        next_hop(&Url::parse(from).unwrap(), Some(&location), leaves_https).map(String::from)
    }

    #[test]
    fn redirects_are_followed_or_refused() {
        for (from, location, expected) in [
            ("https://a/v2/x", "https://b/y?s=1", Ok("https://b/y?s=1")),
            ("https://a/v2/x?q=1", "/y", Ok("https://a/y")),
            ("https://a/v2/x", "y", Ok("https://a/v2/y")),
            ("https://a/v2/x", "//b/y#part", Ok("https://b/y")),
            ("https://a/v2/x", "https://user:pass@b/y", Ok("https://b/y")),
            ("http://a/v2/x", "https://b/y", Ok("https://b/y")),
            ("http://a/v2/x", "http://b/y", Ok("http://b/y")),
            ("https://a/v2/x", "http://a/y", Err(RedirectError::ToPlainHttp)),
            ("https://a/v2/x", "file:///etc/passwd", Err(RedirectError::NotHttp)),
            ("https://a/v2/x", "https://:99999/", Err(RedirectError::NoAddress)),
        ] {
            assert_eq!(hop(from, location, false), expected.map(str::to_owned), "{from} {location}");
        }
        assert_eq!(hop("https://a/v2/x", "http://b/y", true), Ok("http://b/y".to_owned()));
        let from = Url::parse("https://a/").unwrap();
        assert_eq!(next_hop(&from, None, false), Err(RedirectError::NoLocation));
    }
}
