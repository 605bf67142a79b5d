use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::compiled::CompiledStore;
use super::loaded::Loaded;
use super::matcher::Matcher;
use super::planner::SnapshotterPlanner;
use super::{PluginKind, PluginSource};
use crate::ports::{Planner, PlatformMatcher, PluginFailure, PluginFault};

/// Makes plugins of components.
///
/// Making the host does nothing: the engine, and the store of compiled code, are opened for the first plugin.
pub struct PluginHost {
    place: Option<PathBuf>,
    store: Arc<OnceLock<Option<CompiledStore>>>,
}

impl PluginHost {
    /// A host that keeps compiled code in a directory, or one that compiles each time.
    ///
    /// The directory is made when it is first needed. If it cannot be used, that is logged, and plugins are
    /// compiled each time.
    ///
    /// # Errors
    ///
    /// None in this version.
    pub fn new(compiled_store: Option<&Path>) -> Result<Self, PluginFailure> {
        Ok(Self { place: compiled_store.map(Path::to_owned), store: Arc::default() })
    }

    /// Loads a platform plugin. `config` is one JSON text, `{}` if nothing is configured.
    ///
    /// # Errors
    ///
    /// Fails if the component does not fit this host, does not describe itself as it must, or does not accept
    /// the configuration.
    pub async fn matcher(
        &self,
        source: &PluginSource,
        config: &str,
    ) -> Result<Arc<dyn PlatformMatcher>, PluginFailure> {
        let loaded = self.load(source, PluginKind::Platform).await?;
        Ok(Arc::new(Matcher::new(loaded, config).await?))
    }

    /// Loads a snapshotter plugin. `config` is one JSON text, `{}` if nothing is configured.
    ///
    /// # Errors
    ///
    /// The same as for [`PluginHost::matcher`].
    pub async fn planner(
        &self,
        source: &PluginSource,
        config: &str,
    ) -> Result<Arc<dyn Planner>, PluginFailure> {
        let loaded = self.load(source, PluginKind::Snapshotter).await?;
        Ok(Arc::new(SnapshotterPlanner::new(loaded, config).await?))
    }

    async fn load(&self, source: &PluginSource, kind: PluginKind) -> Result<Loaded, PluginFailure> {
        let (place, store) = (self.place.clone(), Arc::clone(&self.store));
        let label = source.label().to_owned();
        let source = source.clone();
        let loading = tokio::task::spawn_blocking(move || {
            let store = store.get_or_init(|| place.as_deref().and_then(CompiledStore::open));
            Loaded::load(source, kind, store.as_ref())
        });
        loading.await.unwrap_or_else(|error| {
            // The compiler has panicked, or the program is about to end.
            Err(super::failure::Failure::new(
                PluginFault::Incompatible,
                &label,
                format!("plugin `{label}` could not be loaded"),
            )
            .caused_by(error))
        })
    }
}
