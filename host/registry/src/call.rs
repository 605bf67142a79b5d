use std::fmt;

use http::{HeaderMap, HeaderValue, Method};
use url::{Origin, Url};

use super::endpoint;
use super::secret::Secret;

/// One request to a server of a registry.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Every header field but the authorization. Also sent to the targets of redirects.
    pub(super) headers: HeaderMap,
    /// Sent only to the origin of `url`.
    pub(super) authorization: Option<HeaderValue>,
    /// Authorizations for targets of redirects, each sent only to its origin.
    pub(super) after_redirect: Vec<(Origin, HeaderValue)>,
    /// The body of a POST.
    pub(super) form: Option<Secret>,
    pub(super) role: Role,
    pub(super) patience: Patience,
}

/// What the server of a call is. Decides on messages and on the meaning of statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Registry,
    TokenServer,
    /// A URL outside of any registry that the image names for a layer.
    LayerUrl,
}

/// Whether a request is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// There is no other server: transient failures are retried.
    Full,
    /// There is another server to ask: it is asked at once.
    Hurried,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registry => "registry",
            Self::TokenServer => "token server",
            Self::LayerUrl => "server",
        })
    }
}

impl Call {
    /// A call without body and authorization, with full patience.
    pub(super) fn new(role: Role, method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            authorization: None,
            after_redirect: Vec::new(),
            form: None,
            role,
            patience: Patience::Full,
        }
    }

    /// The authorization that the server at `url` receives. A target of a redirect gets one only for paths of a
    /// repository: the redirecting server must not choose other requests that are made in the user's name.
    pub(super) fn authorization_for(&self, url: &Url) -> Option<&HeaderValue> {
        let origin = url.origin();
        if origin == self.url.origin() {
            return self.authorization.as_ref();
        }
        endpoint::repository_in(url)?;
        self.after_redirect.iter().find(|(other, _)| *other == origin).map(|(_, authorization)| authorization)
    }
}
