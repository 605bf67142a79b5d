use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// A password or token. Shows itself to nobody who does not ask by name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Proof of who the user is, towards a registry or its token server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, which only a token server understands.
    IdentityToken(Secret),
    /// A token that a registry takes as it is.
    RegistryToken(Secret),
}

impl Credentials {
    /// What user and password stand for; nothing without a password.
    pub(super) fn of_user(user: String, password: Secret) -> Option<Self> {
        match (user.as_str(), password.expose()) {
            (_, "") => None,
            // The name that docker's helpers give to an identity token.
            ("<token>", _) => Some(Self::IdentityToken(password)),
            _ => Some(Self::Password { user, password }),
        }
    }
}

/// The `Authorization` of the Basic scheme (RFC 7617).
pub(super) fn basic(user: &str, password: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
}

/// The `Authorization` of the Bearer scheme (RFC 6750). Absent if the token has characters that no header
/// may have.
pub(super) fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.expose()))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_themselves() {
        let credentials = Credentials::Password { user: "ann".into(), password: Secret::new("pass".into()) };
        assert_eq!(format!("{credentials:?}"), r#"Password { user: "ann", password: <redacted> }"#);
        let header = basic("ann", &Secret::new("pass".into())).unwrap();
        assert_eq!(header, "Basic YW5uOnBhc3M=");
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(bearer(&Secret::new("a\nb".into())).is_none());
    }
}
