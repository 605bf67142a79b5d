use super::context::Context;
use super::failure::Failure;
use super::registry_options::RegistryOptions;
use dray::config::{CredentialPlaces, RegistryAccess};
use dray::registry::{
    CredentialSettings, HostsSettings, PlainHttp, ProxySettings, RegistryClient, RegistrySettings,
};

/// The client of registries that the options and the environment ask for. Touches neither network nor disk.
pub(super) fn registry_client(
    options: &RegistryOptions,
    context: &Context,
) -> Result<RegistryClient, Failure> {
    let access = options.access(context)?;
    let HostsSettings { directories, plain_http, insecure } = hosts_settings(&access);
    Ok(RegistryClient::new(RegistrySettings {
        credentials: credential_settings(access.credentials),
        plain_http,
        hosts_dirs: directories,
        insecure,
        proxy: ProxySettings {
            https: access.proxies.https,
            http: access.proxies.http,
            no_proxy: access.proxies.none_for,
        },
        ..RegistrySettings::default()
    })?)
}

/// How the servers of a registry are found.
pub(super) fn hosts_settings(access: &RegistryAccess) -> HostsSettings {
    HostsSettings {
        directories: access.hosts_dirs.clone(),
        plain_http: if access.plain_http { PlainHttp::Everywhere } else { PlainHttp::Loopback },
        insecure: access.insecure,
    }
}

/// Where credentials come from.
pub(super) fn credential_settings(places: CredentialPlaces) -> CredentialSettings {
    let CredentialPlaces { docker_config, auth_config, helper_folders } = places;
    CredentialSettings { docker_config, auth_config, helper_folders }
}
