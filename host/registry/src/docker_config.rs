mod variable;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::MapAccess;
use tokio::io::AsyncReadExt as _;

use super::json::{self, Json};
use super::secret::{Credentials, Secret};
use dray_core::limits;
use dray_ports::{CredentialOrigin, FetchFailure, FetchFault, FetchReason};

pub(super) use self::variable::{VARIABLE, of_variable};

/// The part of Docker's configuration file that is about credentials.
#[derive(Default)]
pub(super) struct DockerConfig {
    pub(super) auths: Auths,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

/// Where the credentials of a key are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper<'a> {
    /// In the entries of the file.
    File,
    /// In the credential helper of this name.
    Helper(&'a str),
}

/// Entries with credentials, by key.
#[derive(Default)]
pub(super) struct Auths {
    entries: BTreeMap<String, Entry>,
    origin: Origin,
}

#[derive(Clone, Default)]
enum Origin {
    #[default]
    Variable,
    File(PathBuf),
}

#[derive(Default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identity_token: Option<String>,
    registry_token: Option<String>,
}

impl json::Object for Entry {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, _: &str, value: &mut A) -> Result<(), A::Error> {
        match name {
            "auth" => json::take(&mut self.auth, value),
            "username" => json::take(&mut self.username, value),
            "password" => json::take(&mut self.password, value),
            "identitytoken" => json::take(&mut self.identity_token, value),
            "registrytoken" => json::take(&mut self.registry_token, value),
            _ => json::skip(value),
        }
    }
}

/// The members of the file that are used.
#[derive(Default)]
struct Document {
    auths: BTreeMap<String, Json<Entry>>,
    creds_store: String,
    cred_helpers: BTreeMap<String, Option<String>>,
}

impl json::Object for Document {
    fn member<'de, A: MapAccess<'de>>(&mut self, name: &str, _: &str, value: &mut A) -> Result<(), A::Error> {
        match name {
            "auths" => json::add(&mut self.auths, value),
            "credsstore" => json::take(&mut self.creds_store, value),
            "credhelpers" => json::add(&mut self.cred_helpers, value),
            _ => json::skip(value),
        }
    }
}

impl DockerConfig {
    /// Reads the file. A missing file counts as an empty one.
    pub(super) async fn read(path: &Path) -> Result<Self, FetchFailure> {
        let origin = Origin::File(path.to_owned());
        let reading = |error: std::io::Error| origin.unusable(&"cannot read", "", Some(error.into()));
        let file = match tokio::fs::File::open(path).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(reading(error)),
        };
        let mut bytes = Vec::new();
        let mut bounded = file.take(limits::DOCKER_CONFIG_BYTES + 1);
        bounded.read_to_end(&mut bytes).await.map_err(reading)?;
        if bytes.len() as u64 > limits::DOCKER_CONFIG_BYTES {
            return Err(origin.unusable(&"", &too_long(), None));
        }
        Self::parse(&bytes, origin)
    }

    /// Parses a file. Docker leaves an empty file behind when its disk is full, and reads it as one without entries.
    fn parse(bytes: &[u8], origin: Origin) -> Result<Self, FetchFailure> {
        let Document { auths, creds_store, cred_helpers } =
            json::object(bytes).map_err(|error| origin.not_json(&error))?;
        let entries = auths.into_iter().map(|(key, Json(entry))| (key, entry)).collect();
        let helper = |(key, name): (String, Option<String>)| (key, name.unwrap_or_default());
        Ok(Self {
            auths: Auths { entries, origin },
            creds_store: Some(creds_store).filter(|name| !name.is_empty()),
            cred_helpers: cred_helpers.into_iter().map(helper).collect(),
        })
    }

    /// Where to look up each key of a host, in order.
    ///
    /// A helper for the host comes before the helper for all hosts. If the host's helper has an empty name, no helper
    /// is asked.
    pub(super) fn keepers<'a>(&'a self, keys: &'a [String]) -> Vec<(&'a str, Keeper<'a>)> {
        let own = |key: &str| {
            let in_any_case = || self.cred_helpers.iter().find(|(other, _)| other.eq_ignore_ascii_case(key));
            let found = self.cred_helpers.get_key_value(key).or_else(in_any_case);
            found.map(|(key, name)| (key.as_str(), name.as_str()))
        };
        let of_all = match &self.creds_store {
            Some(name) if !keys.iter().any(|key| matches!(own(key), Some((_, "")))) => Keeper::Helper(name),
            _ => Keeper::File,
        };
        let mut keepers = Vec::new();
        let mut others = Vec::new();
        for key in keys {
            match own(key) {
                Some((written, name)) if !name.is_empty() => {
                    // A helper distinguishes upper and lower case: it may know the host as written here, or as asked
                    // for.
                    keepers.push((written, Keeper::Helper(name)));
                    if written != key {
                        keepers.push((key, Keeper::Helper(name)));
                    }
                }
                _ => others.push((key.as_str(), of_all)),
            }
        }
        keepers.append(&mut others);
        keepers
    }
}

impl Auths {
    /// The credentials of a key, and the key as written. Takes the entry of that name, or else an entry whose name is
    /// a URL of the host, such as `https://host/v2/`.
    pub(super) fn get(&self, key: &str) -> Result<Option<(String, Credentials)>, FetchFailure> {
        self.first(key, Entry::credentials)
    }

    /// The same for a registry token, which a credential helper does not keep.
    pub(super) fn registry_token(&self, key: &str) -> Result<Option<(String, Credentials)>, FetchFailure> {
        self.first(key, |entry| Ok(entry.registry_token()))
    }

    fn first(
        &self,
        wanted: &str,
        read: impl Fn(&Entry) -> Result<Option<Credentials>, NotUserAndPassword>,
    ) -> Result<Option<(String, Credentials)>, FetchFailure> {
        let exact = self.entries.get_key_value(wanted);
        // In reverse order, so that `https://host` comes before `http://host`.
        let backwards = || self.entries.iter().rev();
        let in_any_case = backwards().filter(|(key, _)| key.eq_ignore_ascii_case(wanted));
        let by_host = backwards().filter(|(key, _)| host_part(key).eq_ignore_ascii_case(wanted));
        for (key, entry) in exact.into_iter().chain(in_any_case).chain(by_host) {
            let credentials = read(entry).map_err(|NotUserAndPassword| {
                let problem = "has an `auth` that is not the base64 form of `user:password`";
                self.origin.unusable(&format!("entry `{key}` of"), problem, None)
            })?;
            if let Some(credentials) = credentials {
                return Ok(Some((key.clone(), credentials)));
            }
        }
        Ok(None)
    }
}

/// A key without its scheme and path.
fn host_part(key: &str) -> &str {
    let rest = match key.split_once("://") {
        Some((scheme, rest)) if ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            rest
        }
        _ => key,
    };
    rest.split('/').next().unwrap_or_default()
}

/// For the fuzz targets, which have no file: parses bytes and takes the entry of a host.
#[cfg(fuzzing)]
pub(super) fn look_up(bytes: &[u8], host: &str) {
    let keys = [host.to_owned(), format!("https://{host}")];
    if let Ok(config) = DockerConfig::parse(bytes, Origin::default()) {
        for (key, _) in config.keepers(&keys) {
            let _ = config.auths.get(key);
        }
    }
    let _ = of_variable(&String::from_utf8_lossy(bytes)).get(host);
}

struct NotUserAndPassword;

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, NotUserAndPassword> {
        if let Some(token) = self.registry_token() {
            return Ok(Some(token));
        }
        if let Some(token) = given(self.identity_token.as_ref()) {
            return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
        }
        let (user, password) = if let Some(auth) = given(self.auth.as_ref()) {
            decode(&auth)?
        } else {
            let text = |value: &Option<String>| value.clone().unwrap_or_default().into_bytes();
            (text(&self.username), text(&self.password))
        };
        Ok(Credentials::of_user(user, Secret::new(password)))
    }

    fn registry_token(&self) -> Option<Credentials> {
        Some(Credentials::RegistryToken(Secret::new(given(self.registry_token.as_ref())?)))
    }
}

fn given(value: Option<&String>) -> Option<String> {
    value.filter(|value| !value.is_empty()).cloned()
}

/// Decodes like Go, which ignores spare bits of the last digit.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// User and password of an `auth`, which may contain line breaks.
fn decode(auth: &str) -> Result<(Vec<u8>, Vec<u8>), NotUserAndPassword> {
    let digits: Vec<u8> = auth.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let decoded = BASE64.decode(digits).map_err(|_| NotUserAndPassword)?;
    let colon = decoded.iter().position(|&byte| byte == b':').ok_or(NotUserAndPassword)?;
    let password: &[u8] = &decoded[colon + 1..];
    // Docker pads decoded values with zeros, and some programs have stored the zeros.
    let is_padding = |&byte: &u8| byte == 0;
    let start = password.iter().take_while(|byte| is_padding(byte)).count();
    let end = password.len() - password[start..].iter().rev().take_while(|byte| is_padding(byte)).count();
    Ok((decoded[..colon].to_owned(), password[start..end].to_owned()))
}

fn too_long() -> String {
    format!("has more than {} bytes", limits::DOCKER_CONFIG_BYTES)
}

impl Origin {
    fn not_json(&self, error: &serde_json::Error) -> FetchFailure {
        // serde's message may quote a value, and values may be secrets.
        let what = if error.is_data() { "unexpected member or type of value" } else { "syntax error" };
        let place = format!("{what} at line {} column {}", error.line(), error.column());
        self.unusable(&"", "is not valid JSON of its kind", Some(place.into()))
    }

    /// The error message: words before and after the name of the source.
    fn unusable(
        &self,
        before: &dyn fmt::Display,
        after: &str,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> FetchFailure {
        let message = format!("{before} {self} {after}").trim().to_owned();
        let origin = match self {
            Self::Variable => CredentialOrigin::Variable,
            Self::File(path) => CredentialOrigin::File(path.clone()),
        };
        let reason = FetchReason::UnreadableCredentials { origin };
        let fault = FetchFault::Configuration;
        FetchFailure { source, ..FetchFailure::new(fault, message).with_reason(reason) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => write!(f, "environment variable `{VARIABLE}`"),
            Self::File(path) => write!(f, "the docker configuration file `{}`", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
