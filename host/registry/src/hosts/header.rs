use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Header fields that a `hosts.toml` adds to every request, in the order and spelling of the file. The values may be
/// secrets, so `Debug` does not show them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HostHeaders(Vec<(String, Vec<String>)>);

/// Fields that describe the transfer, not the request. containerd's HTTP library ignores them too.
const NOT_OURS_TO_SET: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "expect"];

/// Parts of the names of fields that hold secrets, in lower case.
const SECRET: [&str; 9] =
    ["auth", "cookie", "token", "secret", "password", "credential", "api-key", "apikey", "art-api"];

impl HostHeaders {
    /// Adds a field, or says why it is not valid.
    pub(super) fn add(&mut self, name: &str, values: Vec<String>) -> Result<(), String> {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("`{name}` cannot be the name of a header field"));
        }
        if values.iter().any(|value| HeaderValue::from_str(value).is_err()) {
            return Err(format!("a value of header field `{name}` has a character that none may have"));
        }
        self.0.push((name.to_owned(), values));
        Ok(())
    }

    /// Name and values of each field.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Whether the values of a field authenticate the user, so that no other host may see them.
    pub fn is_secret(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        SECRET.iter().any(|secret| name.contains(secret))
    }

    /// Whether a field has no effect.
    pub(super) fn is_ignored(name: &str) -> bool {
        NOT_OURS_TO_SET.iter().any(|ignored| name.eq_ignore_ascii_case(ignored))
    }

    /// The fields as they are sent.
    pub(crate) fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, values) in self.iter().filter(|(name, _)| !Self::is_ignored(name)) {
            let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else { continue };
            for value in values.iter().filter_map(|value| HeaderValue::from_str(value).ok()) {
                map.append(&key, value);
            }
        }
        map
    }
}

impl fmt::Debug for HostHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, _)| (name, "<redacted>"))).finish()
    }
}
