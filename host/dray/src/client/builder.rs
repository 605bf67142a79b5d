use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Client, ClientError};
use crate::config::{ConfigFiles, ConfiguredPlugin, Environment, Flags, PlatformFlags, Settings};
use crate::machine::Machine;
use dray_plugin_host::PluginHost;
use dray_ports::{Progress, Registry};
use dray_registry::{CredentialSettings, ProxySettings};
use tokio_util::sync::CancellationToken;

/// Makes a [`Client`]. Every call is optional.
///
/// Without any, the client pulls for the platform of this machine, into namespace `default` of the containerd that
/// listens at `/run/containerd/containerd.sock`, into the namespace's default snapshotter, with the plugins that come
/// with dray, and asks registries anonymously.
///
/// A value comes from a call here, else from [`environment`](Self::environment), else from the configuration files of
/// [`config`](Self::config), else it is the default. Two calls for one value: the last one counts.
#[derive(Default)]
#[must_use]
pub struct ClientBuilder {
    flags: Flags,
    environment: Environment,
    files: Files,
    compiled_plugins: Option<PathBuf>,
    plugin_host: Option<PluginHost>,
    registry: Option<Arc<dyn Registry>>,
    progress: Option<Arc<dyn Progress>>,
    cancel: Option<CancellationToken>,
}

/// Which configuration files count.
#[derive(Default)]
enum Files {
    #[default]
    None,
    /// Those that the program reads, or the named one in place of them.
    Program(Option<PathBuf>),
    Read(ConfigFiles),
}

impl ClientBuilder {
    /// The socket of containerd, with or without `unix://`.
    pub fn address(mut self, socket: impl Into<String>) -> Self {
        self.flags.daemon.address = Some(socket.into());
        self
    }

    /// The namespace in containerd.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.flags.daemon.namespace = Some(name.into());
        self
    }

    /// The snapshotter to unpack into; `auto` lets the image decide, see
    /// [`SnapshotterChoice::Auto`](crate::SnapshotterChoice::Auto).
    pub fn snapshotter(mut self, name: impl Into<String>) -> Self {
        self.flags.daemon.snapshotter = Some(name.into());
        self
    }

    /// One more wanted platform, such as `linux/arm64`; what it leaves out comes from this machine. Several platforms
    /// are fetched and not unpacked.
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.flags.platforms.platforms.push(platform.into());
        self
    }

    /// Every platform that an image offers, in place of those of [`platform`](Self::platform); with `attestations`,
    /// entries of unknown platform as well. They are fetched and not unpacked.
    pub fn all_platforms(mut self, attestations: bool) -> Self {
        self.flags.platforms = PlatformFlags { all: true, attestations, ..self.flags.platforms };
        self
    }

    /// Whether to unpack. By default, exactly where one platform is wanted.
    pub fn unpack(mut self, unpack: bool) -> Self {
        self.flags.unpack = Some(unpack);
        self
    }

    /// Layers that are downloaded at the same time. The default is
    /// [`PARALLEL_DOWNLOADS`](crate::limits::PARALLEL_DOWNLOADS).
    pub fn parallel_downloads(mut self, downloads: NonZeroUsize) -> Self {
        self.flags.parallel_downloads = Some(downloads);
        self
    }

    /// Whether the blobs of layers are fetched that a lazy snapshotter provides, so that the image can be pushed and saved.
    pub fn keep_blobs(mut self, keep: bool) -> Self {
        self.flags.keep_blobs = keep;
        self
    }

    /// Whether the root of an image is read after it was unpacked, also where its plan does not ask for it.
    pub fn verify_snapshot(mut self, verify: bool) -> Self {
        self.flags.verify_snapshot = verify;
        self
    }

    /// Digest of the SOCI index, for images that are unpacked by the plugin `soci`.
    pub fn soci_index_digest(mut self, digest: impl Into<String>) -> Self {
        self.flags.plugins.soci_index_digest = Some(digest.into());
        self
    }

    /// The plugin that plans, whatever the snapshotter: the name of a configured or an embedded one, else a file with a
    /// component.
    pub fn snapshotter_plugin(mut self, name_or_file: impl Into<String>) -> Self {
        self.flags.plugins.snapshotter.plugin = Some(name_or_file.into());
        self
    }

    /// Configuration of the plugin that plans, one JSON text.
    pub fn snapshotter_plugin_config(mut self, json: impl Into<String>) -> Self {
        self.flags.plugins.snapshotter.config = Some(json.into());
        self
    }

    /// The plugin that chooses the platform: the name of a configured or an embedded one, else a file with a component.
    pub fn platform_plugin(mut self, name_or_file: impl Into<String>) -> Self {
        self.flags.plugins.platform.plugin = Some(name_or_file.into());
        self
    }

    /// Configuration of the plugin that chooses the platform, one JSON text.
    pub fn platform_plugin_config(mut self, json: impl Into<String>) -> Self {
        self.flags.plugins.platform.config = Some(json.into());
        self
    }

    /// One more plugin as in the table `[plugins]` of `dray.toml`, which says for which snapshotters it is. It comes
    /// before those of the files.
    pub fn plugin(mut self, plugin: ConfiguredPlugin) -> Self {
        self.flags.plugins.table.push(plugin);
        self
    }

    /// Keeps compiled plugins in this directory, so that the next client need not compile them. It must belong
    /// to this user alone.
    pub fn compiled_plugins(mut self, directory: impl Into<PathBuf>) -> Self {
        self.compiled_plugins = Some(directory.into());
        self
    }

    /// Runs plugins in this host, in place of one that reads and compiles them in this process. See
    /// [`PluginHost::compile_apart`] for components that are not trusted.
    pub fn plugin_host(mut self, plugins: PluginHost) -> Self {
        self.plugin_host = Some(plugins);
        self
    }

    /// One more directory with a `hosts.toml` or certificates for each registry, in place of those of the configuration
    /// files and of the system.
    pub fn hosts_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.flags.registry.hosts_dirs.push(directory.into().into_os_string());
        self
    }

    /// Where credentials come from, in place of what the environment names.
    pub fn credentials(mut self, credentials: CredentialSettings) -> Self {
        self.flags.registry.credentials = Some(credentials);
        self
    }

    /// Proxies, in place of those that the environment names.
    pub fn proxy(mut self, proxy: ProxySettings) -> Self {
        self.flags.registry.proxy = Some(proxy);
        self
    }

    /// Speaks HTTP without TLS with registries for which no `hosts.toml` names a server.
    pub fn plain_http(mut self, plain_http: bool) -> Self {
        self.flags.registry.plain_http = plain_http;
        self
    }

    /// Accepts any certificate of a registry, and servers without TLS, where no `hosts.toml` says otherwise.
    pub fn insecure_registry(mut self, insecure: bool) -> Self {
        self.flags.registry.insecure = insecure;
        self
    }

    /// Another registry port in place of the client of OCI registries.
    pub fn registry(mut self, registry: Arc<dyn Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Watches pulls.
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Cancels the client's calls.
    pub fn cancellation(mut self, cancel: CancellationToken) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// The variables that the program reads. The library reads none itself: with a value from the process's environment
    /// in each, it behaves as the program does.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Configuration files that are read already.
    pub fn config(mut self, files: ConfigFiles) -> Self {
        self.files = Files::Read(files);
        self
    }

    /// Reads this `dray.toml`, which must exist.
    pub fn config_file(mut self, path: impl AsRef<Path>) -> Self {
        self.files = Files::Program(Some(path.as_ref().to_owned()));
        self
    }

    /// Reads the files that the program reads, each if it is there: `dray/dray.toml` in the folder of configuration that
    /// the environment names, and `/etc/dray/dray.toml`.
    pub fn program_config(mut self) -> Self {
        self.files = Files::Program(None);
        self
    }

    /// Makes the client. Reads configuration files, and the files of plugins that serve in any case; connects to nothing.
    ///
    /// # Errors
    ///
    /// Fails if a value is none of its kind, and if a file cannot be read or has an error.
    pub fn build(self) -> Result<Client, ClientError> {
        let files = match self.files {
            Files::None => ConfigFiles::default(),
            Files::Program(named) => ConfigFiles::load(named.as_deref(), &self.environment)?,
            Files::Read(files) => files,
        };
        let mut settings = Settings::resolve(self.flags, &self.environment, &files, &Machine::detect())?;
        settings.compiled_store = self.compiled_plugins.or(settings.compiled_store);
        let plugins = self.plugin_host.unwrap_or_else(|| PluginHost::new(settings.compiled_store.as_deref()));
        let mut client = Client::new(settings, plugins)?;
        client.registry = self.registry.unwrap_or(client.registry);
        client.progress = self.progress.unwrap_or(client.progress);
        client.cancel = self.cancel.unwrap_or(client.cancel);
        Ok(client)
    }
}

/// Some values hold passwords.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("flags", &self.flags).finish_non_exhaustive()
    }
}
