use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::secret::{Credentials, Secret};
use crate::limits;
use crate::ports::{FetchFailure, FetchFault};

/// The variable that holds entries beside those of the file.
pub(super) const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// Docker's configuration file, as far as it is about credentials.
#[derive(Default)]
pub(super) struct DockerConfig {
    pub(super) auths: Auths,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

/// Who keeps the credentials of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper<'a> {
    /// The entries of the file itself.
    File,
    /// The credential helper of this name.
    Helper(&'a str),
}

/// Entries with credentials in them, by key.
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

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
    #[serde(default)]
    registrytoken: Option<String>,
}

impl DockerConfig {
    /// Reads the file. One that does not exist is the same as an empty one.
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
            let problem = format!("has more than {} bytes", limits::DOCKER_CONFIG_BYTES);
            return Err(origin.unusable(&"", &problem, None));
        }
        Self::parse(&bytes, origin)
    }

    fn parse(bytes: &[u8], origin: Origin) -> Result<Self, FetchFailure> {
        #[derive(Default, Deserialize)]
        struct Document {
            #[serde(default)]
            auths: Option<BTreeMap<String, Option<Entry>>>,
            #[serde(default, rename = "credsStore")]
            creds_store: Option<String>,
            #[serde(default, rename = "credHelpers")]
            cred_helpers: Option<BTreeMap<String, String>>,
        }
        // Docker leaves an empty file behind when its disk is full, and reads it as one without entries.
        let Document { auths, creds_store, cred_helpers } = match bytes.trim_ascii() {
            [] => Document::default(),
            json => serde_json::from_slice(json).map_err(|error| origin.not_json(&error))?,
        };
        let entries = auths.unwrap_or_default().into_iter();
        Ok(Self {
            auths: Auths {
                entries: entries.map(|(key, entry)| (key, entry.unwrap_or_default())).collect(),
                origin,
            },
            creds_store: creds_store.filter(|name| !name.is_empty()),
            cred_helpers: cred_helpers.unwrap_or_default(),
        })
    }

    /// Whom to ask for which of the keys of a host, in this order.
    ///
    /// A helper of the host's own comes before the one for all. Where the host has an empty name in place of one,
    /// no helper is asked.
    pub(super) fn keepers<'a>(&'a self, keys: &'a [String]) -> Vec<(&'a str, Keeper<'a>)> {
        let own = |key: &String| self.cred_helpers.get(key).map(String::as_str);
        let of_all = match &self.creds_store {
            Some(name) if !keys.iter().any(|key| own(key) == Some("")) => Keeper::Helper(name),
            _ => Keeper::File,
        };
        let mut keepers = Vec::new();
        let mut others = Vec::new();
        for key in keys {
            match own(key) {
                Some(name) if !name.is_empty() => keepers.push((key.as_str(), Keeper::Helper(name))),
                _ => others.push((key.as_str(), of_all)),
            }
        }
        keepers.append(&mut others);
        keepers
    }
}

impl Auths {
    /// Reads the value of [`VARIABLE`]. Docker allows nothing in it but `auths` with an `auth` in each entry.
    pub(super) fn of_variable(text: &str) -> Result<Self, FetchFailure> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Document {
            #[serde(default)]
            auths: BTreeMap<String, Only>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Only {
            auth: String,
        }
        let origin = Origin::Variable;
        if text.len() as u64 > limits::DOCKER_CONFIG_BYTES {
            let problem = format!("has more than {} bytes", limits::DOCKER_CONFIG_BYTES);
            return Err(origin.unusable(&"", &problem, None));
        }
        let Document { auths } = serde_json::from_str(text).map_err(|error| origin.not_json(&error))?;
        let entries = auths.into_iter();
        let entries =
            entries.map(|(key, Only { auth })| (key, Entry { auth: Some(auth), ..Entry::default() }));
        Ok(Self { entries: entries.collect(), origin })
    }

    /// The credentials of a key with the key as it is written: of the entry of that name, else of one whose
    /// name is a whole address of the host, such as `https://host/v2/`.
    pub(super) fn get(&self, key: &str) -> Result<Option<(String, Credentials)>, FetchFailure> {
        self.first(key, Entry::credentials)
    }

    /// The same, for what a credential helper does not keep.
    pub(super) fn registry_token(&self, key: &str) -> Result<Option<(String, Credentials)>, FetchFailure> {
        self.first(key, |entry| Ok(entry.registry_token()))
    }

    fn first(
        &self,
        wanted: &str,
        read: impl Fn(&Entry) -> Result<Option<Credentials>, NotUserAndPassword>,
    ) -> Result<Option<(String, Credentials)>, FetchFailure> {
        let exact = self.entries.get_key_value(wanted);
        // Backwards, so that `https://host` comes before `http://host`.
        let by_host = self.entries.iter().rev().filter(|(key, _)| host_part(key) == wanted);
        for (key, entry) in exact.into_iter().chain(by_host) {
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
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    key.split('/').next().unwrap_or_default()
}

/// For the fuzz targets, which have no file: reads one and takes the entry of a host from it.
#[cfg(fuzzing)]
pub(super) fn look_up(bytes: &[u8], host: &str) {
    let keys = [host.to_owned(), format!("https://{host}")];
    if let Ok(config) = DockerConfig::parse(bytes, Origin::default()) {
        for (key, _) in config.keepers(&keys) {
            let _ = config.auths.get(key);
        }
    }
    let _ = Auths::of_variable(&String::from_utf8_lossy(bytes)).map(|auths| auths.get(host).is_ok());
}

struct NotUserAndPassword;

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, NotUserAndPassword> {
        if let Some(token) = self.registry_token() {
            return Ok(Some(token));
        }
        if let Some(token) = given(self.identitytoken.as_ref()) {
            return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
        }
        let (user, password) = if let Some(auth) = given(self.auth.as_ref()) {
            decode(&auth)?
        } else {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            (text(&self.username), text(&self.password))
        };
        Ok(Credentials::of_user(user, Secret::new(password)))
    }

    fn registry_token(&self) -> Option<Credentials> {
        Some(Credentials::RegistryToken(Secret::new(given(self.registrytoken.as_ref())?)))
    }
}

fn given(value: Option<&String>) -> Option<String> {
    value.filter(|value| !value.is_empty()).cloned()
}

fn decode(auth: &str) -> Result<(String, String), NotUserAndPassword> {
    let bytes = STANDARD.decode(auth.trim()).map_err(|_| NotUserAndPassword)?;
    let text = String::from_utf8(bytes).map_err(|_| NotUserAndPassword)?;
    let (user, password) = text.split_once(':').ok_or(NotUserAndPassword)?;
    Ok((user.to_owned(), password.trim_matches('\0').to_owned()))
}

impl Origin {
    fn not_json(&self, error: &serde_json::Error) -> FetchFailure {
        // The error's own words may quote a value, and values may be secrets.
        let what = if error.is_data() { "unexpected member or type of value" } else { "syntax error" };
        let place = format!("{what} at line {} column {}", error.line(), error.column());
        self.unusable(&"", "is not valid JSON of its kind", Some(place.into()))
    }

    /// The failure that is told with words before and after the name of the source.
    fn unusable(
        &self,
        before: &dyn fmt::Display,
        after: &str,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> FetchFailure {
        let message = format!("{before} {self} {after}").trim().to_owned();
        let hint = match self {
            Self::Variable => format!("correct `{VARIABLE}`, or unset it"),
            Self::File(path) => format!("correct `{}`, or log in again", path.display()),
        };
        let fault = FetchFault::Configuration;
        FetchFailure { source, ..FetchFailure::new(fault, message).with_hint(hint) }
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
