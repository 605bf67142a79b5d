//! The user's credentials for a registry, found where Docker and nerdctl look.
//!
//! The variable comes before the file. In the file, a credential helper comes before the entries: an entry for a host
//! that a helper keeps is out of date. A host has several spellings (see `keys`), and Docker asks for each spelling
//! the store that is configured for it.

mod keychain;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use self::keychain::{HelperError, Helpers};
use super::docker_config::{Auths, DockerConfig, Keeper, of_variable};
use super::secret::Credentials;
use dray_core::limits;
use dray_ports::{CredentialOrigin, FetchFailure, FetchFault, FetchReason};

/// Where credentials may come from. Nothing is read before a registry asks for credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CredentialSettings {
    /// Docker's `config.json`. A missing file counts as an empty one.
    pub docker_config: Option<PathBuf>,
    /// Value of `DOCKER_AUTH_CONFIG`: JSON with the member `auths` of that file. Only the `auth` of each entry is
    /// used. Other members are ignored with a warning, and so is a value that is not JSON.
    pub auth_config: Option<String>,
    /// Directories that are searched for programs, such as credential helpers. Relative paths are skipped.
    pub helper_folders: Vec<PathBuf>,
}

/// The variable holds passwords.
impl fmt::Debug for CredentialSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialSettings")
            .field("docker_config", &self.docker_config)
            .field("auth_config", &self.auth_config.as_ref().map(|_| "<redacted>"))
            .field("helper_folders", &self.helper_folders)
            .finish()
    }
}

/// The credentials for a host, without the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialReport {
    /// The kind of place that has them.
    pub source: CredentialSource,
    /// The file that has them, or that names the helper.
    pub file: Option<PathBuf>,
    /// The helper that returned them.
    pub helper: Option<String>,
    /// The spelling of the host under which they were found.
    pub key: String,
    /// The user, unless the secret stands alone.
    pub user: Option<String>,
    /// The kind of the secret.
    pub kind: CredentialKind,
}

/// A kind of place that holds credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The member `auths` of Docker's file.
    Auths,
    /// A credential helper.
    Helper,
    /// The variable `DOCKER_AUTH_CONFIG`.
    Environment,
}

/// The kind of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A password of a user.
    Password,
    /// A refresh token: a token server exchanges it for an access token.
    IdentityToken,
    /// A token that the registry accepts as it is.
    RegistryToken,
}

/// Looks up the credentials for a host, with its port if it has one. Runs a credential helper if the configuration
/// names one. Uses no network itself.
///
/// # Errors
///
/// Fails if a source cannot be read, or if a helper fails for another reason than an unknown host.
pub async fn find_credentials(
    settings: &CredentialSettings,
    host: &str,
) -> Result<Option<CredentialReport>, FetchFailure> {
    let store = CredentialStore::new(settings.clone());
    Ok(store.find(host).await?.map(|found| store.report(found)))
}

/// The sources of credentials. The file and the helpers are asked anew each time, because `docker login` changes
/// their answers.
pub(super) struct CredentialStore {
    settings: CredentialSettings,
    /// The parsed variable, which does not change.
    variable: OnceLock<Auths>,
    helpers: Helpers,
}

/// Credentials, and where they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FoundCredentials {
    pub(super) credentials: Credentials,
    place: Place,
    key: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Variable,
    File,
    Helper(String),
}

impl CredentialStore {
    pub(super) fn new(settings: CredentialSettings) -> Self {
        let helpers = Helpers::new(settings.helper_folders.clone(), limits::CREDENTIAL_HELPER_TIMEOUT);
        Self { settings, variable: OnceLock::new(), helpers }
    }

    /// Credentials for a host, with its port where one was given.
    pub(super) async fn find(&self, host: &str) -> Result<Option<FoundCredentials>, FetchFailure> {
        let keys = keys::of(host);
        for key in &keys {
            if let Some((key, credentials)) = self.variable().get(key)? {
                return Ok(Some(FoundCredentials { credentials, place: Place::Variable, key }));
            }
        }
        let file = match &self.settings.docker_config {
            None => DockerConfig::default(),
            Some(path) => DockerConfig::read(path).await?,
        };
        // A helper may fail for one spelling and know another. If it knows none, its failure counts: the user has
        // credentials, and an anonymous request would end in a puzzling error.
        let mut failed = None;
        let mut asked = HashSet::new();
        for (key, keeper) in file.keepers(&keys) {
            let found = match keeper {
                Keeper::File => file.auths.get(key)?,
                Keeper::Helper(helper) => {
                    let server = keys::for_helper(key);
                    if !asked.insert((helper, server)) {
                        continue;
                    }
                    match self.helpers.get(helper, server).await {
                        Ok(Some(credentials)) => {
                            let place = Place::Helper(helper.to_owned());
                            return Ok(Some(FoundCredentials { credentials, place, key: server.to_owned() }));
                        }
                        Ok(None) => file.auths.registry_token(key)?,
                        Err(error) if error.is_lasting() => return Err(self.failure(host, helper, error)),
                        Err(error) => {
                            failed.get_or_insert_with(|| self.failure(host, helper, error));
                            None
                        }
                    }
                }
            };
            if let Some((key, credentials)) = found {
                return Ok(Some(FoundCredentials { credentials, place: Place::File, key }));
            }
        }
        failed.map_or(Ok(None), Err)
    }

    /// Which credentials a host denied access to: `found`, or none.
    pub(super) fn denial(&self, host: &str, found: Option<&FoundCredentials>) -> FetchReason {
        let file = self.settings.docker_config.clone();
        let used = match found.map(|found| &found.place) {
            Some(Place::Variable) => Some(CredentialOrigin::Variable),
            Some(Place::Helper(helper)) => Some(CredentialOrigin::Helper(helper.clone())),
            Some(Place::File) => file.clone().map(CredentialOrigin::File),
            None => None,
        };
        FetchReason::AccessDenied { host: host.to_owned(), used, file }
    }

    fn variable(&self) -> &Auths {
        let text = self.settings.auth_config.as_deref();
        self.variable.get_or_init(|| text.map(of_variable).unwrap_or_default())
    }

    fn report(&self, found: FoundCredentials) -> CredentialReport {
        let file = self.settings.docker_config.clone();
        let (source, file, helper) = match found.place {
            Place::Variable => (CredentialSource::Environment, None, None),
            Place::File => (CredentialSource::Auths, file, None),
            Place::Helper(helper) => (CredentialSource::Helper, file, Some(helper)),
        };
        let (user, kind) = match found.credentials {
            Credentials::Password { user, .. } => {
                (Some(String::from_utf8_lossy(&user).into_owned()), CredentialKind::Password)
            }
            Credentials::IdentityToken(_) => (None, CredentialKind::IdentityToken),
            Credentials::RegistryToken(_) => (None, CredentialKind::RegistryToken),
        };
        CredentialReport { source, file, helper, key: found.key, user, kind }
    }

    fn failure(&self, host: &str, helper: &str, error: HelperError) -> FetchFailure {
        let file = self.settings.docker_config.clone().unwrap_or_else(|| "config.json".into());
        let reason = FetchReason::CredentialHelper { helper: helper.to_owned(), file, fault: error.fault() };
        let message =
            format!("cannot get the credentials for `{host}` from the credential helper `{helper}`");
        FetchFailure::new(FetchFault::Configuration, message).with_reason(reason).with_source(error)
    }
}
