use std::path::{Path, PathBuf};

use super::setting::text;
use super::{Environment, SettingsError};
use dray_registry::CredentialSettings;

/// The places of credentials that the environment names. Docker's configuration file need not exist.
///
/// # Errors
///
/// Fails if a variable is not UTF-8.
pub fn credentials(environment: &Environment) -> Result<CredentialSettings, SettingsError> {
    Ok(CredentialSettings {
        docker_config: docker_config(environment),
        auth_config: text("DOCKER_AUTH_CONFIG", environment.docker_auth_config.as_deref())?,
        helper_folders: environment.search_path.clone(),
    })
}

fn docker_config(environment: &Environment) -> Option<PathBuf> {
    let folder = match (&environment.docker_config, &environment.home) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(home)) => Path::new(home).join(".docker"),
        (None, None) => return None,
    };
    Some(folder.join("config.json"))
}
