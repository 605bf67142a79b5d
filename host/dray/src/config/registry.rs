use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::settings::{Proxies, SettingsError, given};
use super::{ConfigFiles, CredentialPlaces, Environment};

/// What was typed about registries.
#[derive(Clone, Debug, Default)]
pub struct RegistryFlags {
    /// `--plain-http`.
    pub plain_http: bool,
    /// `--insecure-registry`.
    pub insecure: bool,
    /// Every `--hosts-dir`. Without one those of a configuration file are meant, else those of the system; an empty
    /// one is none.
    pub hosts_dirs: Vec<OsString>,
}

/// Everything that is needed to speak with registries.
#[derive(Clone, Debug)]
pub struct RegistryAccess {
    /// HTTP without encryption, everywhere.
    pub plain_http: bool,
    /// Any certificate is accepted, and no encryption is a second choice.
    pub insecure: bool,
    /// Directories with a directory for each registry, in order, whether or not they exist.
    pub hosts_dirs: Vec<PathBuf>,
    /// Where credentials come from.
    pub credentials: CredentialPlaces,
    /// Proxies.
    pub proxies: Proxies,
}

impl RegistryAccess {
    /// Brings together what was typed and the environment.
    ///
    /// # Errors
    ///
    /// Says which variable is at fault.
    pub fn resolve(
        flags: RegistryFlags,
        environment: &Environment,
        files: &ConfigFiles,
        is_root: bool,
    ) -> Result<Self, SettingsError> {
        let hosts_dirs = if !flags.hosts_dirs.is_empty() {
            let given = flags.hosts_dirs.into_iter().filter(|directory| !directory.is_empty());
            given.map(PathBuf::from).collect()
        } else if let Some((directories, _)) = files.get(|file| file.hosts_dirs.as_ref()) {
            directories.clone()
        } else {
            default_hosts_dirs(environment, is_root)
        };
        Ok(Self {
            plain_http: flags.plain_http,
            insecure: flags.insecure,
            hosts_dirs,
            credentials: CredentialPlaces::resolve(environment)?,
            proxies: proxies(environment)?,
        })
    }
}

pub(super) fn proxies(environment: &Environment) -> Result<Proxies, SettingsError> {
    Ok(Proxies {
        https: given(None, "HTTPS_PROXY", environment.https_proxy.as_deref())?,
        http: given(None, "HTTP_PROXY", environment.http_proxy.as_deref())?,
        none_for: given(None, "NO_PROXY", environment.no_proxy.as_deref())?,
    })
}

/// The directories of nerdctl: those of the machine for root, those of the user for anybody else.
fn default_hosts_dirs(environment: &Environment, is_root: bool) -> Vec<PathBuf> {
    let below = |folder: &Path| {
        let certs_d = |client: &str| folder.join(client).join("certs.d");
        vec![certs_d("containerd"), certs_d("docker")]
    };
    if is_root {
        return below(Path::new("/etc"));
    }
    // The XDG specification says that a relative path is to be ignored.
    let absolute = |path: &&Path| path.is_absolute();
    let config_home = environment.config_home.as_deref().map(Path::new).filter(absolute).map(Path::to_owned);
    let home = environment.home.as_deref().map(Path::new).filter(absolute);
    let config_home = config_home.or_else(|| home.map(|home| home.join(".config")));
    config_home.map(|folder| below(&folder)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts_dirs(typed: &[&str], environment: &Environment, is_root: bool) -> Vec<String> {
        let hosts_dirs = typed.iter().map(OsString::from).collect();
        let flags = RegistryFlags { hosts_dirs, ..RegistryFlags::default() };
        let access = RegistryAccess::resolve(flags, environment, &ConfigFiles::default(), is_root).unwrap();
        access.hosts_dirs.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn directories_of_registries() {
        let home = Environment { home: Some("/home/u".into()), ..Environment::default() };
        let xdg = Environment { config_home: Some("/x".into()), ..home.clone() };
        let relative = Environment { config_home: Some("x".into()), ..home.clone() };
        let system = ["/etc/containerd/certs.d", "/etc/docker/certs.d"];
        let of_home = ["/home/u/.config/containerd/certs.d", "/home/u/.config/docker/certs.d"];
        assert_eq!(hosts_dirs(&[], &xdg, true), system);
        assert_eq!(hosts_dirs(&[], &home, false), of_home);
        assert_eq!(hosts_dirs(&[], &relative, false), of_home);
        assert_eq!(hosts_dirs(&[], &xdg, false), ["/x/containerd/certs.d", "/x/docker/certs.d"]);
        assert!(hosts_dirs(&[], &Environment::default(), false).is_empty());
        assert_eq!(hosts_dirs(&["a", "b"], &home, true), ["a", "b"]);
        assert!(hosts_dirs(&[""], &home, true).is_empty());
    }
}
