use std::fmt;

use url::Url;

/// The scheme of a connection to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme as URLs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The URL of a server in a `hosts.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) path: String,
}

impl Address {
    /// Parses a URL. The default scheme is HTTPS. Without `override_path` the path gets `/v2` at its end.
    pub(super) fn parse(text: &str, override_path: bool) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Https, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some(_) => return Err(format!("`{text}` is neither an HTTP nor an HTTPS address")),
        };
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let (host, path) = rest[..end].split_at(rest[..end].find('/').unwrap_or(end));
        if host.contains('@') {
            return Err("an address here cannot have a user".to_owned());
        }
        let url = Url::parse(&format!("{scheme}://{host}{path}"));
        if host.is_empty() || host.ends_with(':') || !url.is_ok_and(|url| url.has_host()) {
            return Err(format!("`{text}` is not an address"));
        }
        Ok(Self { scheme, host: host.to_owned(), path: api_root(path, override_path) })
    }
}

fn api_root(path: &str, override_path: bool) -> String {
    if override_path && path.is_empty() {
        return String::new();
    }
    let cleaned = cleaned(path);
    if override_path || cleaned.ends_with("/v2") {
        return cleaned;
    }
    format!("{}/v2", cleaned.trim_end_matches('/'))
}

/// The path without empty segments, `.` and `..`.
fn cleaned(path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    format!("/{}", steps.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_as_containerd_does() {
        for (text, override_path, expected) in [
            ("https://mirror", false, "https mirror /v2"),
            ("https://mirror/", false, "https mirror /v2"),
            ("mirror:5000", false, "https mirror:5000 /v2"),
            ("httpbin.example", false, "https httpbin.example /v2"),
            ("HTTP://mirror:80/us/", false, "http mirror:80 /us/v2"),
            ("https://mirror/us/v2", false, "https mirror /us/v2"),
            ("https://mirror/a/./b/../c?x=1#y", false, "https mirror /a/c/v2"),
            ("https://Mirror:443", true, "https Mirror:443 "),
            ("https://mirror/v2/prefix/", true, "https mirror /v2/prefix"),
            ("https://[::1]:5000", false, "https [::1]:5000 /v2"),
        ] {
            let Address { scheme, host, path } = Address::parse(text, override_path).unwrap();
            assert_eq!(format!("{scheme} {host} {path}"), expected, "{text}");
        }
        for text in
            ["", "https://", "ftp://mirror", "https://a b", "https://mirror:99999", "mirror:", "u:p@mirror"]
        {
            assert!(Address::parse(text, false).is_err(), "{text}");
        }
    }
}
