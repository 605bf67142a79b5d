//! The library for those who want an image and do not bring ports of their own: see [`Client`].

mod builder;
mod error;
mod inspect;
mod planners;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dray_containerd::Containerd;
use dray_core::oci::Descriptor;
use dray_plugin_host::{PluginHost, PluginSource};
use dray_ports::{Planners, PlatformMatcher, Progress, Registry, Store};
use dray_pull::pull::{
    Explanation, PullError, PullMode, PullReport, PullRequest, Unpack, World, ensure_image, existing_image,
    explain_image, fetch_image, pull_image, resolve_digest,
};
use dray_registry::RegistryClient;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

pub use self::builder::ClientBuilder;
pub use self::error::ClientError;
pub use self::inspect::{InspectedImage, UsableSnapshotters};
use self::planners::ChosenPlanners;
use crate::config::Settings;

/// Pulls images into containerd, with a registry client, plugins and settings of its own.
///
/// [`Client::builder`] makes one. It is meant to live as long as the program: it keeps its connection to containerd, its
/// plugins, and what the registry client remembers. Clones share all of that, and may differ in who watches and who
/// cancels:
///
/// ```no_run
/// # async fn example() -> Result<(), dray::ClientError> {
/// # let (client, cancel) = (dray::Client::builder().build()?, tokio_util::sync::CancellationToken::new());
/// let report = client.clone().with_cancellation(cancel).pull("debian:12").await?;
/// # Ok(())
/// # }
/// ```
///
/// Making it connects to nothing. The first call that needs containerd connects to it, and loads the platform plugin
/// meanwhile; the plugin for a snapshotter is loaded when the snapshotter is known.
///
/// # Cancellation
///
/// Cancelling the token of [`Client::with_cancellation`] ends a call with [`PullError::Cancelled`], cleaned up as
/// [`pull_image`](crate::pull_image) says. A future that is dropped stops at once, and its lease expires within a day.
#[derive(Clone)]
pub struct Client {
    parts: Arc<Parts>,
    registry: Arc<dyn Registry>,
    progress: Arc<dyn Progress>,
    cancel: CancellationToken,
}

/// What clones share.
struct Parts {
    settings: Settings,
    plugins: Arc<PluginHost>,
    matcher: PluginSource,
    planners: Arc<dyn Planners>,
    connected: OnceCell<Store>,
    loaded: OnceCell<Arc<dyn PlatformMatcher>>,
}

impl Client {
    /// Begins a client with the defaults of the program.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client with settings that are resolved, which runs plugins in `plugins`.
    ///
    /// Reads the files of the plugins that serve in any case, and uses no network.
    ///
    /// # Errors
    ///
    /// Fails if one of those files cannot be read or has no component, and if a proxy cannot be used.
    pub fn new(settings: Settings, plugins: PluginHost) -> Result<Self, ClientError> {
        let plugins = Arc::new(plugins);
        let given = settings.plugins.given_planner().filter(|_| settings.unpack);
        let planners = ChosenPlanners {
            plugins: Arc::clone(&plugins),
            rules: settings.plugins.clone(),
            given: given.map(|spec| spec.origin.read()).transpose()?,
        };
        let matcher = settings.plugins.platform().origin.read()?;
        let registry = RegistryClient::new(settings.registry.settings())?;
        let parts = Parts {
            settings,
            plugins,
            matcher,
            planners: Arc::new(planners),
            connected: OnceCell::new(),
            loaded: OnceCell::new(),
        };
        Ok(Self {
            parts: Arc::new(parts),
            registry: Arc::new(registry),
            progress: Arc::new(()),
            cancel: CancellationToken::new(),
        })
    }

    /// The same with another registry port in place of the client's own.
    #[must_use]
    pub fn with_registry(mut self, registry: Arc<dyn Registry>) -> Self {
        self.registry = registry;
        self
    }

    /// The same with `progress` watching its pulls.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// The same with a token that cancels its calls.
    #[must_use]
    pub fn with_cancellation(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// What was resolved when the client was made.
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// The registry port that it asks.
    pub fn registry(&self) -> Arc<dyn Registry> {
        Arc::clone(&self.registry)
    }

    /// The store. The first call connects to containerd.
    ///
    /// # Errors
    ///
    /// Fails with [`ClientError::Connect`] if containerd cannot be reached. The next call tries again.
    pub async fn store(&self) -> Result<Store, ClientError> {
        let daemon = &self.parts.settings.daemon;
        let connect = async {
            let connected = Containerd::connect(&daemon.address.value, &daemon.namespace.value).await;
            connected.map(Store::from).map_err(|source| ClientError::Connect { source })
        };
        Ok(self.parts.connected.get_or_try_init(|| connect).await?.clone())
    }

    /// The platform plugin. The first call loads it.
    ///
    /// # Errors
    ///
    /// Fails with [`ClientError::Plugin`] if the plugin cannot be loaded.
    pub async fn matcher(&self) -> Result<Arc<dyn PlatformMatcher>, ClientError> {
        let Parts { plugins, matcher, settings, loaded, .. } = &*self.parts;
        let spec = settings.plugins.platform();
        let load = || plugins.matcher_with_grants(matcher, &spec.config, &spec.grants);
        Ok(Arc::clone(loaded.get_or_try_init(load).await?))
    }

    /// Store, registry, platform plugin and progress, for the functions that take a [`World`]. The first call connects to
    /// containerd, and loads the platform plugin meanwhile.
    ///
    /// # Errors
    ///
    /// Fails as [`Client::store`] and [`Client::matcher`] do, and with [`PullError::Cancelled`].
    pub async fn world(&self) -> Result<World, ClientError> {
        // On the heap, because connecting and compiling need much stack.
        let both = Box::pin(async { tokio::try_join!(self.store(), self.matcher()) });
        let both = self.cancel.run_until_cancelled(both).await;
        let (store, matcher) = both.ok_or(ClientError::Pull(PullError::Cancelled))??;
        let (registry, progress) = (self.registry(), Arc::clone(&self.progress));
        Ok(World { store, registry, matcher, progress })
    }

    /// The request that the settings make of a name, for the functions that take a [`PullRequest`].
    pub fn request(&self, name: &str) -> PullRequest {
        let Parts { settings, planners, .. } = &*self.parts;
        let unpack = || Unpack {
            snapshotter: settings.daemon.snapshotter.value.clone(),
            keep_blobs: settings.keep_blobs,
            verify: settings.verify_snapshot,
            ..Unpack::new(Arc::clone(planners))
        };
        PullRequest {
            name: name.to_owned(),
            platforms: settings.platforms.clone(),
            unpack: settings.unpack.then(unpack),
            parallel_downloads: settings.parallel_downloads,
        }
    }

    /// Asks the plugin of each snapshotter what it would make of an image, and pulls nothing.
    ///
    /// # Errors
    ///
    /// The same as for [`explain_image`](crate::explain_image), and as [`Client::world`] does.
    pub async fn explain(&self, name: &str) -> Result<Explanation, ClientError> {
        let (world, request) = (self.world().await?, self.request(name));
        // The future is large, and would be part of every future that awaits it.
        let explained = Box::pin(explain_image(&world, &request, &self.cancel));
        Ok(explained.await?)
    }

    /// Asks the registry what a name stands for now. Needs no containerd.
    ///
    /// # Errors
    ///
    /// The same as for [`resolve_digest`](crate::resolve_digest), and [`PullError::Cancelled`].
    pub async fn resolve(&self, name: &str) -> Result<Descriptor, ClientError> {
        let resolved = self.cancel.run_until_cancelled(resolve_digest(self.registry.as_ref(), name)).await;
        Ok(resolved.unwrap_or(Err(PullError::Cancelled))?)
    }

    /// Asks the registry, downloads what is missing, unpacks, and binds the name.
    ///
    /// # Errors
    ///
    /// Fails as [`Client::world`] and [`pull_image`](crate::pull_image) do.
    pub async fn pull(&self, name: &str) -> Result<PullReport, ClientError> {
        let (world, prepared) = self.prepared().await?;
        let pulled = pull_image(&world, &self.request(name), &self.cancel).await;
        reported(pulled, prepared)
    }

    /// Makes sure that the image is there, complete, for the wanted platforms, and unpacked if that is wanted. Asks the
    /// registry only if it is not. Also takes the digest of an image in the store, or its beginning.
    ///
    /// # Errors
    ///
    /// Fails as [`Client::world`] and [`ensure_image`](crate::ensure_image) do.
    pub async fn ensure(&self, name: &str) -> Result<PullReport, ClientError> {
        let (world, prepared) = self.prepared().await?;
        let ensured = ensure_image(&world, &self.request(name), PullMode::Missing, &self.cancel).await;
        reported(ensured, prepared)
    }

    /// Finds the image in the store, complete and for the wanted platforms, and unpacks it if it is not and that is wanted.
    /// Nothing goes over the network.
    ///
    /// # Errors
    ///
    /// Fails as [`Client::world`] and [`existing_image`](crate::existing_image) do.
    pub async fn existing(&self, name: &str) -> Result<PullReport, ClientError> {
        let (world, prepared) = self.prepared().await?;
        let found = existing_image(&world, &self.request(name), &self.cancel).await;
        reported(found, prepared)
    }

    /// Fetches what an image lacks that is in the store: all blobs for the wanted platforms, also of layers that are
    /// unpacked. Unpacks nothing.
    ///
    /// # Errors
    ///
    /// Fails as [`Client::world`] and [`fetch_image`](crate::fetch_image) do.
    pub async fn fetch(&self, name: &str) -> Result<PullReport, ClientError> {
        let (world, prepared) = self.prepared().await?;
        let fetched = fetch_image(&world, &self.request(name), &self.cancel).await;
        reported(fetched, prepared)
    }

    /// The world, and the time that it took to get it.
    async fn prepared(&self) -> Result<(World, Duration), ClientError> {
        let began = Instant::now();
        Ok((self.world().await?, began.elapsed()))
    }
}

fn reported(pulled: Result<PullReport, PullError>, prepared: Duration) -> Result<PullReport, ClientError> {
    let mut report = pulled?;
    report.add_preparation(prepared);
    Ok(report)
}
