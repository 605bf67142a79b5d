//! Names of images: the grammar of Docker and OCI, and the normal form that containerd stores.

use std::fmt;

use super::{Digest, DigestError};

/// Registry, repository, and a tag or a digest, in the normal form that containerd stores.
///
/// The grammar is that of Docker's `distribution/reference`: short names belong to `docker.io`, official images to
/// `library/`, and a name without tag and digest means `latest`. If there are both, the digest counts and the tag is
/// dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference(Named);

/// Why a text is not a reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The text does not follow the grammar.
    #[error("`{text}` is not a valid image reference")]
    Format {
        /// The text.
        text: String,
    },
    /// The name has 64 hexadecimal digits and could be mistaken for an image id.
    #[error("repository name `{text}` must not consist of 64 hexadecimal digits")]
    LooksLikeId {
        /// The text.
        text: String,
    },
    /// The name has upper-case letters.
    #[error("repository name `{name}` must be lower case")]
    UpperCase {
        /// The repository name.
        name: String,
    },
    /// The path of the repository is too long.
    #[error("repository name has {length} characters, at most 255 are allowed")]
    TooLong {
        /// Length of the path.
        length: usize,
    },
    /// The text after `@` is not a digest.
    #[error("`{text}` has an invalid digest")]
    Digest {
        /// The text.
        text: String,
        /// Which rule the digest breaks.
        #[source]
        source: DigestError,
    },
}

const DEFAULT_DOMAIN: &str = "docker.io";

/// A name as written: normalised, but without defaults, and with both tag and digest if both were given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Named {
    /// Parses the input of a user.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::LooksLikeId { text: text.to_owned() });
        }
        let format = || ReferenceError::Format { text: text.chars().take(300).collect() };
        let (domain, rest) = split_domain(text);
        let name_part = rest.split(':').next().unwrap_or_default();
        if name_part.chars().any(char::is_uppercase) {
            return Err(ReferenceError::UpperCase { name: name_part.to_owned() });
        }

        let (rest, digest) = match rest.split_once('@') {
            None => (rest.as_str(), None),
            Some((rest, digest)) => {
                // If the digest does not even have the form of one, the whole text is not a reference.
                let shaped = digest.split_once(':').is_some_and(|(algorithm, hex)| {
                    is_digest_algorithm(algorithm)
                        && hex.len() >= 32
                        && hex.bytes().all(|b| b.is_ascii_hexdigit())
                });
                if !shaped {
                    return Err(format());
                }
                let digest = Digest::parse(digest)
                    .map_err(|source| ReferenceError::Digest { text: text.to_owned(), source })?;
                (rest, Some(digest))
            }
        };
        let (path, tag) = match rest.split_once(':') {
            None => (rest, None),
            Some((path, tag)) => (path, Some(tag)),
        };
        if !is_domain(&domain) || !path.split('/').all(is_path_component) {
            return Err(format());
        }
        if let Some(tag) = tag
            && !is_tag(tag)
        {
            return Err(format());
        }
        if path.len() > 255 {
            return Err(ReferenceError::TooLong { length: path.len() });
        }
        Ok(Self { domain, path: path.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// The registry's name with its port.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository in the registry.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag, if one was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The familiar name: without `docker.io/` and, for official images, without `library/`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return format!("{}/{}", self.domain, self.path);
        }
        let official = self.path.strip_prefix("library/").filter(|name| !name.contains('/'));
        official.unwrap_or(&self.path).to_owned()
    }

    /// The familiar name with tag and digest as written.
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_name();
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(digest.as_str());
        }
        text
    }

    /// The reference to pull: a digest replaces the tag; without both the tag is `latest`.
    pub fn to_reference(&self) -> Reference {
        let tag = match (&self.digest, &self.tag) {
            (Some(_), _) => None,
            (None, Some(tag)) => Some(tag.clone()),
            (None, None) => Some("latest".to_owned()),
        };
        Reference(Self { tag, ..self.clone() })
    }
}

impl Reference {
    /// Parses the input of a user.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Named::parse(text).map(|named| named.to_reference())
    }

    /// The registry's name with its port, such as `docker.io` or `localhost:5000`.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// The repository in the registry, such as `library/debian`.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The tag; absent if there is a digest.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.0.digest()
    }

    /// The registry's name without port and without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let domain = self.domain();
        if let Some(bracketed) = domain.strip_prefix('[') {
            return bracketed.split(']').next().unwrap_or_default();
        }
        domain.split(':').next().unwrap_or_default()
    }
}

/// Splits the input of a user into repository and tag, as `docker images` and nerdctl show them: the familiar name,
/// and the tag, by default `latest`. With a digest, the tag is the empty string.
///
/// # Errors
///
/// Says which rule the text breaks.
pub fn parse_repo_tag(name: &str) -> Result<(String, String), ReferenceError> {
    let named = Named::parse(name)?;
    let reference = named.to_reference();
    Ok((named.familiar_name(), reference.tag().unwrap_or_default().to_owned()))
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Named { domain, path, tag, digest } = &self.0;
        write!(f, "{domain}/{path}")?;
        if let Some(tag) = tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Splits off the registry by Docker's heuristic, and fills in the defaults of a short name.
fn split_domain(text: &str) -> (String, String) {
    let (domain, rest) = match text.split_once('/') {
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.chars().any(char::is_uppercase) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    };
    let domain = if domain == "index.docker.io" { DEFAULT_DOMAIN } else { domain };
    let rest = if domain == DEFAULT_DOMAIN && !rest.contains('/') {
        format!("library/{rest}")
    } else {
        rest.to_owned()
    };
    (domain.to_owned(), rest)
}

fn is_domain(text: &str) -> bool {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else { return false };
        if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
            return false;
        }
        match after.strip_prefix(':') {
            Some(port) => (None, Some(port)),
            None if after.is_empty() => (None, None),
            None => return false,
        }
    } else {
        match text.split_once(':') {
            None => (Some(text), None),
            Some((name, port)) => (Some(name), Some(port)),
        }
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.is_none_or(|name| name.split('.').all(label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// `[a-z0-9]+` joined inside by one of `.`, `_`, `__`, or any run of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    if !(bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word)) {
        return false;
    }
    bytes
        .split(|&b| is_word(b))
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}

/// Letters and digits, starting with a letter, in parts joined by one of `+.-_`.
fn is_digest_algorithm(text: &str) -> bool {
    text.split(['+', '.', '-', '_']).all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_get_their_normal_form() {
        let hex = "a".repeat(64);
        let by_digest = format!("overlayfs@sha256:{hex}");
        let both = format!("debian:12@sha256:{hex}");
        for (text, expected) in [
            ("debian", "docker.io/library/debian:latest".to_owned()),
            ("debian:12", "docker.io/library/debian:12".to_owned()),
            ("foo/bar:baz", "docker.io/foo/bar:baz".to_owned()),
            ("index.docker.io/debian", "docker.io/library/debian:latest".to_owned()),
            ("host:5000", "docker.io/library/host:5000".to_owned()),
            ("localhost/x", "localhost/x:latest".to_owned()),
            ("127.0.0.1:5000/foo/bar:baz", "127.0.0.1:5000/foo/bar:baz".to_owned()),
            ("[::1]:5000/x", "[::1]:5000/x:latest".to_owned()),
            ("UPPER/x", "UPPER/x:latest".to_owned()),
            ("registry-1.docker.io/foo", "registry-1.docker.io/foo:latest".to_owned()),
            (&by_digest, format!("docker.io/library/overlayfs@sha256:{hex}")),
            (&both, format!("docker.io/library/debian@sha256:{hex}")),
            ("a/b__c.d---e", "docker.io/a/b__c.d---e:latest".to_owned()),
        ] {
            let reference = Reference::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.to_string(), expected, "{text}");
            assert_eq!(Reference::parse(&expected).as_ref(), Ok(&reference), "{text}: stable");
        }
    }

    #[test]
    fn invalid_references_are_refused() {
        let long = format!("{}/x", "a".repeat(260));
        let hex = "a".repeat(64);
        let algorithm = format!("x@md5:{hex}");
        for (text, reason) in [
            ("", "not a valid"),
            (hex.as_str(), "64 hexadecimal"),
            ("Debian", "lower case"),
            ("docker.io/Debian", "lower case"),
            ("a//b", "not a valid"),
            ("a:b:c", "not a valid"),
            ("a___b", "not a valid"),
            ("-a", "not a valid"),
            ("a@sha256:abc", "not a valid"),
            (algorithm.as_str(), "invalid digest"),
            (long.as_str(), "at most 255"),
            ("a:-x", "not a valid"),
            ("a\n", "not a valid"),
            ("bad_.host/x.y", "not a valid"),
        ] {
            let error = Reference::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn names_keep_what_was_written() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let both = format!("debian:12@{digest}");
        for (text, tag, familiar) in [
            ("debian", None, "debian"),
            ("docker.io/library/debian:12", Some("12"), "debian:12"),
            ("docker.io/library/a/b", None, "library/a/b"),
            ("foo/bar", None, "foo/bar"),
            ("localhost/x:1", Some("1"), "localhost/x:1"),
            (both.as_str(), Some("12"), both.as_str()),
        ] {
            let named = Named::parse(text).unwrap();
            assert_eq!((named.tag(), named.familiar().as_str()), (tag, familiar), "{text}");
        }
        assert_eq!(Named::parse(&both).unwrap().to_reference().tag(), None);
    }

    #[test]
    fn a_host_has_no_port() {
        for (text, host) in [("localhost:5000/x", "localhost"), ("[::1]:5000/x", "::1"), ("x", "docker.io")] {
            assert_eq!(Reference::parse(text).unwrap().host(), host);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused_or_has_a_stable_normal_form(text in "[a-zA-Z0-9./:@_\\[\\]-]{0,80}|\\PC{0,60}") {
            if let Ok(reference) = Reference::parse(&text) {
                let normal = reference.to_string();
                proptest::prop_assert_eq!(Reference::parse(&normal).unwrap().to_string(), normal);
            }
        }
    }
}
