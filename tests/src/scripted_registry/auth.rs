use super::Recorded;
use super::answer::Answer;

/// The authentication that a registry requires.
pub enum Auth {
    /// A token of its own token server, at `/token`.
    Bearer(BearerAuth),
    /// This `Authorization`.
    Basic {
        /// The whole value, such as `Basic dXNlcjpwYXNz`.
        authorization: String,
    },
}

/// A token server, and the registry's check of its tokens. By default every client gets tokens that live for 300 s.
///
/// Rules apply to it as well: `Rule::post("/token").status(404)`.
pub struct BearerAuth {
    realm: Option<String>,
    password: Option<(String, String)>,
    identity_token: Option<String>,
    expires_in: Option<i64>,
    field: &'static str,
    uses: usize,
    only_scopes: Option<String>,
    basic_first: bool,
    given: usize,
    /// How many more times the latest token is accepted.
    left: usize,
}

impl Default for BearerAuth {
    fn default() -> Self {
        Self {
            realm: None,
            password: None,
            identity_token: None,
            expires_in: Some(300),
            field: "token",
            uses: usize::MAX,
            only_scopes: None,
            basic_first: false,
            given: 0,
            left: 0,
        }
    }
}

impl From<BearerAuth> for Auth {
    fn from(bearer: BearerAuth) -> Self {
        Self::Bearer(bearer)
    }
}

impl BearerAuth {
    /// Gives tokens to every client.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Gives tokens only to this user.
    pub fn password(user: &str, password: &str) -> Self {
        Self { password: Some((user.to_owned(), password.to_owned())), ..Self::default() }
    }

    /// Gives tokens only for this identity token.
    pub fn identity_token(token: &str) -> Self {
        Self { identity_token: Some(token.to_owned()), ..Self::default() }
    }

    /// Names another token server.
    #[must_use]
    pub fn realm(self, realm: impl Into<String>) -> Self {
        Self { realm: Some(realm.into()), ..self }
    }

    /// States this lifetime for tokens, or none.
    #[must_use]
    pub fn expires_in(self, seconds: Option<i64>) -> Self {
        Self { expires_in: seconds, ..self }
    }

    /// Returns the token in this member.
    #[must_use]
    pub fn field(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// Accepts each token this many times. With 0, no token is accepted.
    #[must_use]
    pub fn uses(self, uses: usize) -> Self {
        Self { uses, ..self }
    }

    /// Gives tokens only for exactly these scopes, separated by blanks; the status for others is 403.
    #[must_use]
    pub fn only_for(self, scopes: &str) -> Self {
        Self { only_scopes: Some(scopes.to_owned()), ..self }
    }

    /// Also offers Basic, in a header field before the other one.
    #[must_use]
    pub fn basic_first(self) -> Self {
        Self { basic_first: true, ..self }
    }

    pub(super) fn expire(&mut self) {
        self.left = 0;
    }

    pub(super) fn token(&mut self, request: &Recorded) -> Answer {
        if !self.knows(request) {
            return Answer::json(401, &serde_json::json!({"details": "incorrect username or password"}));
        }
        if self.only_scopes.as_ref().is_some_and(|only| *only != scopes(request)) {
            return Answer::json(403, &serde_json::json!({"details": "requested access is denied"}));
        }
        self.given += 1;
        self.left = self.uses;
        let mut body = serde_json::json!({ self.field: format!("token-{}", self.given) });
        if let Some(seconds) = self.expires_in {
            body["expires_in"] = seconds.into();
        }
        Answer::json(200, &body)
    }

    fn knows(&self, request: &Recorded) -> bool {
        let body = request.body_text();
        let form = |pair: String| request.method == "POST" && body.split('&').any(|part| part == pair);
        if let Some((user, password)) = &self.password {
            let basic = http_basic(user, password);
            return request.header("authorization") == Some(&basic)
                || form(format!("username={user}")) && form(format!("password={password}"));
        }
        match &self.identity_token {
            Some(token) => form(format!("refresh_token={token}")),
            None => true,
        }
    }
}

impl Auth {
    /// Requires Basic authentication of this user.
    pub fn basic(user: &str, password: &str) -> Self {
        Self::Basic { authorization: http_basic(user, password) }
    }

    pub(super) fn admits(&mut self, request: &Recorded) -> bool {
        match self {
            Self::Basic { authorization } => request.header("authorization") == Some(authorization),
            Self::Bearer(bearer) => {
                let current = format!("Bearer token-{}", bearer.given);
                if bearer.left == 0 || request.header("authorization") != Some(&current) {
                    return false;
                }
                bearer.left -= 1;
                true
            }
        }
    }

    /// The values of `WWW-Authenticate`. `realm` is the default token server, `rest` the path below `/v2/`.
    pub(super) fn challenges(&self, realm: &str, rest: &str) -> Vec<String> {
        let basic = r#"Basic realm="scripted""#.to_owned();
        let Self::Bearer(bearer) = self else { return vec![basic] };
        let realm = bearer.realm.as_deref().unwrap_or(realm);
        let repository = rest.split("/manifests/").next().unwrap_or_default();
        let repository = repository.split("/blobs/").next().unwrap_or_default();
        let challenge = format!(
            r#"Bearer realm="{realm}",service="scripted",scope="repository:{repository}:pull",error="invalid_token""#
        );
        if bearer.basic_first { vec![basic, challenge] } else { vec![challenge] }
    }
}

/// The scopes that a request to a token server asks for, separated by blanks.
fn scopes(request: &Recorded) -> String {
    let body = request.body_text();
    let pairs = request.query.split('&').chain(body.split('&'));
    let scopes: Vec<&str> = pairs.filter_map(|pair| pair.strip_prefix("scope=")).collect();
    scopes.join(" ").replace("%3A", ":").replace("%2F", "/").replace("%2C", ",").replace('+', " ")
}

/// The `Authorization` of the Basic scheme.
pub(crate) fn http_basic(user: &str, password: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::from("Basic ");
    for group in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for index in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * index)) as usize & 63];
            encoded.push(if index <= group.len() { char::from(digit) } else { '=' });
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_rest() {
        assert_eq!(http_basic("user", "pass"), "Basic dXNlcjpwYXNz");
        assert_eq!(http_basic("user", "pas"), "Basic dXNlcjpwYXM=");
        assert_eq!(http_basic("user", "pa"), "Basic dXNlcjpwYQ==");
    }
}
