use std::fmt;

use http::{HeaderMap, HeaderValue, Method};
use url::{Origin, Url};

use super::endpoint;
use super::secret::Secret;

/// One question to a server.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Everything but the authorization. Goes along to wherever the call is redirected.
    pub(super) headers: HeaderMap,
    /// Shown only to the origin of `url`.
    pub(super) authorization: Option<HeaderValue>,
    /// Those for servers that the call is redirected to, each shown only to its origin.
    pub(super) after_redirect: Vec<(Origin, HeaderValue)>,
    /// The body of a POST.
    pub(super) form: Option<Secret>,
    pub(super) role: Role,
    pub(super) patience: Patience,
}

/// What the server of a call is to us, for messages and for the meaning of its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Registry,
    TokenServer,
    /// A place outside of any registry that an image names for one of its layers.
    LayerUrl,
}

/// How long an answer is worth waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Nobody else can answer: what may pass is waited for.
    Full,
    /// Somebody else can be asked instead.
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
    /// A call without body and authorization, whose answer is worth waiting for.
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

    /// What the server at `url` is shown of who asks. Where the call is redirected to, nobody is told but for something
    /// of a repository: whoever redirects must not choose what else is asked in the user's name.
    pub(super) fn authorization_for(&self, url: &Url) -> Option<&HeaderValue> {
        let origin = url.origin();
        if origin == self.url.origin() {
            return self.authorization.as_ref();
        }
        endpoint::repository_in(url)?;
        self.after_redirect.iter().find(|(other, _)| *other == origin).map(|(_, authorization)| authorization)
    }
}
