use std::fmt;
use std::path::{Path, PathBuf};

use super::Environment;
use super::settings::{SettingsError, given};

/// Where credentials for registries may come from.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CredentialPlaces {
    /// Docker's configuration file, whether or not it exists.
    pub docker_config: Option<PathBuf>,
    /// The value of `DOCKER_AUTH_CONFIG`.
    pub auth_config: Option<String>,
    /// The folders in which credential helpers are looked for.
    pub helper_folders: Vec<PathBuf>,
}

/// The variable holds passwords.
impl fmt::Debug for CredentialPlaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialPlaces")
            .field("docker_config", &self.docker_config)
            .field("auth_config", &self.auth_config.as_ref().map(|_| "<redacted>"))
            .field("helper_folders", &self.helper_folders)
            .finish()
    }
}

impl CredentialPlaces {
    /// The places that the environment names.
    ///
    /// # Errors
    ///
    /// Fails if a variable is no text.
    pub fn resolve(environment: &Environment) -> Result<Self, SettingsError> {
        Ok(Self {
            docker_config: docker_config(environment),
            auth_config: given(None, "DOCKER_AUTH_CONFIG", environment.docker_auth_config.as_deref())?,
            helper_folders: environment.search_path.clone(),
        })
    }
}

fn docker_config(environment: &Environment) -> Option<PathBuf> {
    let folder = match (&environment.docker_config, &environment.home) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => Path::new(home).join(".docker"),
        (None, None) => return None,
    };
    Some(folder.join("config.json"))
}
