use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::compiled::CompiledStore;
use super::compiler::Compiler;
use super::loaded::{Loaded, PluginDescription};
use super::matcher::Matcher;
use super::planner::SnapshotterPlanner;
use super::{PluginKind, PluginSource, imports};
use crate::ports::{Planner, PlatformMatcher, PluginFailure, PluginFault};

/// Makes plugins of components.
///
/// Making the host does nothing: the engine, and the store of compiled code, are opened for the first plugin.
pub struct PluginHost {
    place: Option<PathBuf>,
    store: Arc<OnceLock<Option<CompiledStore>>>,
    compiler: Compiler,
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
        let place = compiled_store.map(Path::to_owned);
        Ok(Self { place, store: Arc::default(), compiler: Compiler::default() })
    }

    /// The same, with a process of its own for each component that is compiled.
    ///
    /// Without it components are compiled in this process, and what it costs is bounded only by what a component
    /// may consist of: seconds and some hundred MiB for what toolchains make, minutes and some GiB for what somebody
    /// made for the purpose. In a process of its own the bounds are
    /// [`COMPILE_MEMORY_BYTES`](crate::limits::COMPILE_MEMORY_BYTES) and
    /// [`COMPILE_TIMEOUT`](crate::limits::COMPILE_TIMEOUT).
    ///
    /// The process is this program, started with `argument` alone. It must then do nothing but call
    /// [`serve_compiler`](super::serve_compiler).
    #[must_use]
    pub fn compile_apart(mut self, argument: &'static str) -> Self {
        self.compiler = Compiler::Apart(argument);
        self
    }

    /// Runs a plugin of whatever kind to learn what it says about itself.
    ///
    /// # Errors
    ///
    /// Fails if the component does not fit this host, or does not describe itself as it must.
    pub async fn describe(&self, source: &PluginSource) -> Result<PluginDescription, PluginFailure> {
        let kind = imports::kind_of(source)?;
        let loaded = self.load(source, kind).await?;
        loaded.info(|_, _| Ok(())).await
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
        let (source, compiler) = (source.clone(), self.compiler.clone());
        let loading = tokio::task::spawn_blocking(move || {
            let store = store.get_or_init(|| place.as_deref().and_then(CompiledStore::open));
            Loaded::load(source, kind, store.as_ref(), &compiler)
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
