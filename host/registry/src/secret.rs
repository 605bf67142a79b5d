use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// A password or token, in the encoding of its source. `Debug` and `Display` do not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Credentials for a registry or its token server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// User name and password.
    Password {
        /// The name, in the encoding of the password.
        user: Vec<u8>,
        /// The password.
        password: Secret,
    },
    /// A refresh token, which only a token server accepts.
    IdentityToken(Secret),
    /// A token that the registry accepts as it is.
    RegistryToken(Secret),
}

impl Credentials {
    /// Credentials from user and password. `None` without a password.
    pub(super) fn of_user(user: Vec<u8>, password: Secret) -> Option<Self> {
        match (user.as_slice(), password.expose()) {
            (_, b"") => None,
            // The user name with which docker's helpers mark an identity token.
            (b"<token>", _) => Some(Self::IdentityToken(password)),
            _ => Some(Self::Password { user, password }),
        }
    }
}

/// The `Authorization` of the Basic scheme (RFC 7617).
pub(super) fn basic(user: &[u8], password: &Secret) -> Option<HeaderValue> {
    let encoded = STANDARD.encode([user, b":", password.expose()].concat());
    sensitive(&[b"Basic ", encoded.as_bytes()].concat())
}

/// The `Authorization` of the Bearer scheme (RFC 6750). `None` if the token has characters that a header field must
/// not have.
pub(super) fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&[b"Bearer ", token.expose()].concat())
}

fn sensitive(value: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let credentials = Credentials::Password { user: b"ann".to_vec(), password: Secret::new("pass") };
        assert_eq!(format!("{credentials:?}"), "Password { user: [97, 110, 110], password: <redacted> }");
        let header = basic(b"ann", &Secret::new("pass")).unwrap();
        assert_eq!(header, "Basic YW5uOnBhc3M=");
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(bearer(&Secret::new("a\nb")).is_none());
    }
}
