use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::sync::OnceCell;

use super::secret::{Credentials, Secret};
use crate::limits;
use crate::ports::{FetchFailure, FetchFault};

/// Docker's configuration file as a source of credentials. Read when they are first needed, and only once.
pub(super) struct DockerConfig {
    path: Option<PathBuf>,
    file: OnceCell<File>,
}

/// What the file has for a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Credentials in the file itself.
    pub(super) credentials: Option<Credentials>,
    /// Name of the credential helper that the file wants to be asked.
    pub(super) helper: Option<String>,
}

#[derive(Default, Deserialize)]
struct File {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default, rename = "credsStore")]
    creds_store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    cred_helpers: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
}

/// The name under which `docker login` keeps the credentials of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

impl DockerConfig {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: OnceCell::new() }
    }

    /// Where the file is, or would be.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Credentials for a host, with its port where one was given.
    pub(super) async fn find(&self, host: &str) -> Result<Found, FetchFailure> {
        let Some(path) = &self.path else { return Ok(Found::default()) };
        let file = self.file.get_or_try_init(|| read(path)).await?;
        file.find(host).map_err(|key| {
            unusable(
                path,
                &format!("entry `{key}` of the docker configuration file `{}` has an `auth` that is not the base64 form of `user:password`", path.display()),
                None,
            )
        })
    }
}

async fn read(path: &Path) -> Result<File, FetchFailure> {
    let reading = || format!("cannot read the docker configuration file `{}`", path.display());
    let file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(unusable(path, &reading(), Some(error.into()))),
    };
    let mut bytes = Vec::new();
    let mut bounded = file.take(limits::DOCKER_CONFIG_BYTES + 1);
    if let Err(error) = bounded.read_to_end(&mut bytes).await {
        return Err(unusable(path, &reading(), Some(error.into())));
    }
    if bytes.len() as u64 > limits::DOCKER_CONFIG_BYTES {
        let message = format!(
            "the docker configuration file `{}` has more than {} bytes",
            path.display(),
            limits::DOCKER_CONFIG_BYTES
        );
        return Err(unusable(path, &message, None));
    }
    File::parse(&bytes).map_err(|error| {
        let message =
            format!("the docker configuration file `{}` is not valid JSON of its kind", path.display());
        unusable(path, &message, Some(redacted(&error)))
    })
}

/// Where the file is wrong. Its own words may quote a value of the file, and values may be secrets.
fn redacted(error: &serde_json::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let what = if error.is_data() { "unexpected type of value" } else { "syntax error" };
    format!("{what} at line {} column {}", error.line(), error.column()).into()
}

fn unusable(
    path: &Path,
    message: &str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> FetchFailure {
    FetchFailure {
        fault: FetchFault::Configuration,
        message: message.to_owned(),
        hint: Some(format!("correct `{}`, or log in again", path.display())),
        retry_after: None,
        source,
    }
}

impl File {
    fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        // Docker leaves an empty file behind when its disk is full, and reads it as one without entries.
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_slice(bytes)
    }

    /// Looks in the order of nerdctl. Fails with the key of an entry that cannot be read.
    fn find(&self, host: &str) -> Result<Found, String> {
        let keys = keys(host);
        let helper = self.helper(&keys);
        let Some(auths) = &self.auths else { return Ok(Found { credentials: None, helper }) };
        let exact = keys.iter().filter_map(|key| auths.get_key_value(key));
        // Docker also accepts a key that is a whole address of the host, such as `https://host/v2/`.
        let by_host = auths.iter().filter(|(key, _)| keys.iter().any(|wanted| wanted == host_part(key)));
        for (key, entry) in exact.chain(by_host) {
            let Some(entry) = entry else { continue };
            let credentials = entry.credentials().map_err(|NotUserAndPassword| key.clone())?;
            if credentials.is_some() {
                return Ok(Found { credentials, helper });
            }
        }
        Ok(Found { credentials: None, helper })
    }

    fn helper(&self, keys: &[String]) -> Option<String> {
        let own = self.cred_helpers.as_ref().and_then(|map| keys.iter().find_map(|key| map.get(key)));
        // An empty name of a host's own helper means the file, even if there is a helper for all.
        own.or(self.creds_store.as_ref()).filter(|name| !name.is_empty()).cloned()
    }
}

/// The keys under which credentials of a host may be found, best first.
fn keys(host: &str) -> Vec<String> {
    if matches!(host, "docker.io" | "registry-1.docker.io" | "index.docker.io") {
        return vec![HUB_KEY.to_owned()];
    }
    let (name, port) = match host.rsplit_once(':') {
        // The last colon of an address in brackets is not before a port.
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, "443"),
    };
    let mut keys =
        vec![format!("{name}:{port}"), format!("https://{name}:{port}"), format!("http://{name}:{port}")];
    if port == "443" {
        keys.extend([name.to_owned(), format!("https://{name}"), format!("http://{name}")]);
    }
    keys
}

/// A key without its scheme and path.
fn host_part(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    key.split('/').next().unwrap_or_default()
}

/// For the fuzz targets, which have no file.
#[cfg(fuzzing)]
pub(super) fn look_up(bytes: &[u8], host: &str) {
    let _ = File::parse(bytes).map(|file| file.find(host));
}

struct NotUserAndPassword;

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, NotUserAndPassword> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
        }
        let (user, password) = match given(&self.auth) {
            Some(auth) => decode(&auth)?,
            None => (given(&self.username).unwrap_or_default(), given(&self.password).unwrap_or_default()),
        };
        if password.is_empty() {
            return Ok(None);
        }
        let password = Secret::new(password);
        // The name that docker's helpers give to an identity token.
        if user == "<token>" {
            return Ok(Some(Credentials::IdentityToken(password)));
        }
        Ok(Some(Credentials::Password { user, password }))
    }
}

fn decode(auth: &str) -> Result<(String, String), NotUserAndPassword> {
    let bytes = STANDARD.decode(auth.trim()).map_err(|_| NotUserAndPassword)?;
    let text = String::from_utf8(bytes).map_err(|_| NotUserAndPassword)?;
    let (user, password) = text.split_once(':').ok_or(NotUserAndPassword)?;
    Ok((user.to_owned(), password.trim_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests;
