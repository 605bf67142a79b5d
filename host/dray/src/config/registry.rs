use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::setting::text;
use super::{ConfigFiles, Environment, Setting, SettingOrigin, SettingsError, credentials};
use dray_registry::{CredentialSettings, HostsSettings, PlainHttp, ProxySettings, RegistrySettings};

/// What the caller gives about registries.
#[derive(Clone, Debug, Default)]
pub struct RegistryFlags {
    /// HTTP without encryption, with every registry for which no file names a server.
    pub plain_http: bool,
    /// Any certificate is accepted, and so is a server without TLS, where no file says otherwise.
    pub insecure: bool,
    /// Directories of hosts. Without one those of a configuration file count, else those of the system. One that is
    /// empty stands for no directory.
    pub hosts_dirs: Vec<OsString>,
    /// Where credentials come from, in place of what the environment names.
    pub credentials: Option<CredentialSettings>,
    /// Proxies, in place of those that the environment names.
    pub proxy: Option<ProxySettings>,
}

/// The settings for access to registries.
#[derive(Clone, Debug)]
pub struct RegistryAccess {
    /// Where HTTP without TLS may be spoken.
    pub plain_http: PlainHttp,
    /// Whether any certificate is accepted, and no TLS is the second choice.
    pub insecure: bool,
    /// Directories with a directory per registry, in order. They need not exist.
    pub hosts_dirs: Setting<Vec<PathBuf>>,
    /// Where credentials come from.
    pub credentials: CredentialSettings,
    /// Proxies.
    pub proxy: ProxySettings,
}

impl RegistryAccess {
    /// Brings together what the caller gives, the environment and the configuration files.
    ///
    /// # Errors
    ///
    /// Fails if a variable that counts is not UTF-8.
    pub fn resolve(
        flags: RegistryFlags,
        environment: &Environment,
        files: &ConfigFiles,
        is_root: bool,
    ) -> Result<Self, SettingsError> {
        let hosts_dirs = if !flags.hosts_dirs.is_empty() {
            let given = flags.hosts_dirs.into_iter().filter(|directory| !directory.is_empty());
            Setting { value: given.map(PathBuf::from).collect(), origin: SettingOrigin::Given }
        } else if let Some((directories, path)) = files.get(|file| file.hosts_dirs.as_ref()) {
            Setting { value: directories.clone(), origin: SettingOrigin::File(path.to_owned()) }
        } else {
            Setting::by_default(default_hosts_dirs(environment, is_root))
        };
        Ok(Self {
            plain_http: if flags.plain_http { PlainHttp::Everywhere } else { PlainHttp::Loopback },
            insecure: flags.insecure,
            hosts_dirs,
            credentials: match flags.credentials {
                Some(credentials) => credentials,
                None => credentials(environment)?,
            },
            proxy: match flags.proxy {
                Some(proxy) => proxy,
                None => proxies(environment)?,
            },
        })
    }

    /// Settings for finding the servers of a registry.
    pub fn hosts(&self) -> HostsSettings {
        HostsSettings {
            directories: self.hosts_dirs.value.clone(),
            plain_http: self.plain_http,
            insecure: self.insecure,
        }
    }

    /// What a [`RegistryClient`](dray_registry::RegistryClient) is made of.
    pub fn settings(&self) -> RegistrySettings {
        RegistrySettings {
            credentials: self.credentials.clone(),
            plain_http: self.plain_http,
            hosts_dirs: self.hosts_dirs.value.clone(),
            insecure: self.insecure,
            proxy: self.proxy.clone(),
            ..RegistrySettings::default()
        }
    }
}

fn proxies(environment: &Environment) -> Result<ProxySettings, SettingsError> {
    Ok(ProxySettings {
        https: text("HTTPS_PROXY", environment.https_proxy.as_deref())?,
        http: text("HTTP_PROXY", environment.http_proxy.as_deref())?,
        no_proxy: text("NO_PROXY", environment.no_proxy.as_deref())?,
    })
}

/// The directories of nerdctl: those of the machine for root, those of the user for others.
fn default_hosts_dirs(environment: &Environment, is_root: bool) -> Vec<PathBuf> {
    let below = |folder: &Path| {
        let certs_d = |client: &str| folder.join(client).join("certs.d");
        vec![certs_d("containerd"), certs_d("docker")]
    };
    if is_root {
        return below(Path::new("/etc"));
    }
    // The XDG specification demands that relative paths are ignored.
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
        access.hosts_dirs.value.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn default_directories_depend_on_the_user() {
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
