use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use tokio::time::timeout;

use super::compiled::CompiledStore;
use super::compiler::Compiler;
use super::failure::incompatible;
use super::loaded::{Loaded, PluginDescription};
use super::matcher::Matcher;
use super::planner::SnapshotterPlanner;
use super::shape::Shape;
use super::{Grants, Inspection, PluginKind, PluginSource, imports, inspect};
use dray_core::limits::SILENT_LOADING;
use dray_ports::{Planner, PlatformMatcher, PluginFailure};

/// Makes plugins of components.
///
/// Creating the host has no effect: engine and store of compiled code are opened for the first plugin.
pub struct PluginHost {
    place: Option<PathBuf>,
    store: Arc<OnceLock<Option<CompiledStore>>>,
    compiler: Compiler,
    slow_loading: Option<SlowLoading>,
}

/// Called with the label of a plugin that takes long to load.
type SlowLoading = Arc<dyn Fn(&str) + Send + Sync>;

impl PluginHost {
    /// A host that keeps compiled code in a directory, or that compiles each time.
    ///
    /// The directory is created on first use. If it cannot be used, the host logs that and compiles plugins each
    /// time.
    pub fn new(compiled_store: Option<&Path>) -> Self {
        let place = compiled_store.map(Path::to_owned);
        Self { place, store: Arc::default(), compiler: Compiler::default(), slow_loading: None }
    }

    /// The same, but reads and compiles each component in another process. Embedded components are read in this
    /// process.
    ///
    /// Otherwise components are read and compiled in this process, and only the limits on their contents limit the
    /// cost: seconds and some hundred MiB for components of toolchains, more for malicious ones. In another process
    /// the limits are [`READ_MEMORY_BYTES`](dray_core::limits::READ_MEMORY_BYTES) and
    /// [`READ_TIME`](dray_core::limits::READ_TIME), and
    /// [`COMPILE_MEMORY_BYTES`](dray_core::limits::COMPILE_MEMORY_BYTES) and
    /// [`COMPILE_TIMEOUT`](dray_core::limits::COMPILE_TIMEOUT). If no process can be started, a component from
    /// outside is refused.
    ///
    /// The process is this program, started with `argument` alone. It must then do nothing but call
    /// [`serve_compiler`](super::serve_compiler).
    #[must_use]
    pub fn compile_apart(mut self, argument: &'static str) -> Self {
        self.compiler = Compiler::Apart(argument);
        self
    }

    /// The same, calling `notice` with the label of each plugin that takes longer than
    /// [`SILENT_LOADING`](dray_core::limits::SILENT_LOADING) to load, so that a user can be told what takes so long.
    #[must_use]
    pub fn on_slow_loading(mut self, notice: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.slow_loading = Some(Arc::new(notice));
        self
    }

    /// Inspects a component without compiling or running it, and without an engine. This usually takes milliseconds,
    /// but may take seconds, so do not call it on a thread that runs other futures.
    ///
    /// # Errors
    ///
    /// Fails with [`Unreadable`](dray_ports::PluginFault::Unreadable) if the component is damaged, with
    /// [`Incompatible`](dray_ports::PluginFault::Incompatible) if it would cost too much to read or to compile, and, where it is
    /// read in a process of its own, with [`OutOfMemory`](dray_ports::PluginFault::OutOfMemory) and
    /// [`Timeout`](dray_ports::PluginFault::Timeout) if it does cost too much.
    pub fn inspect(&self, source: &PluginSource) -> Result<Inspection, PluginFailure> {
        Ok(inspect::inspection(source, &self.compiler.read(source)?))
    }

    /// Runs a plugin of any kind, without grants, to learn what it says about itself.
    ///
    /// # Errors
    ///
    /// Fails if the component does not fit this host, needs a grant, or does not describe itself as it must.
    pub async fn describe(&self, source: &PluginSource) -> Result<PluginDescription, PluginFailure> {
        let label = source.label();
        let described = async {
            let shape = self.look(source).await?;
            let kind = imports::kind_of(label, &shape)?;
            let loaded = self.load(source, kind, &Grants::none()).await?;
            loaded.info(|_, _| Ok(())).await
        };
        self.noticed(label, described).await
    }

    /// Loads a platform plugin without grants. `config` is one JSON text, `{}` if nothing is configured.
    ///
    /// # Errors
    ///
    /// The same as for [`PluginHost::matcher_with_grants`].
    pub async fn matcher(
        &self,
        source: &PluginSource,
        config: &str,
    ) -> Result<Arc<dyn PlatformMatcher>, PluginFailure> {
        self.matcher_with_grants(source, config, &Grants::none()).await
    }

    /// Loads a platform plugin that may import what `grants` allows. `config` is one JSON text, `{}` if nothing is
    /// configured.
    ///
    /// # Errors
    ///
    /// Fails if the component does not fit this host, with [`NotGranted`](dray_ports::PluginFault::NotGranted) if it
    /// imports what it has no grant for, and if it does not describe itself as it must or does not accept the
    /// configuration.
    pub async fn matcher_with_grants(
        &self,
        source: &PluginSource,
        config: &str,
        grants: &Grants,
    ) -> Result<Arc<dyn PlatformMatcher>, PluginFailure> {
        let matcher = async {
            let loaded = self.load(source, PluginKind::Platform, grants).await?;
            Ok(Arc::new(Matcher::new(loaded, config).await?) as Arc<dyn PlatformMatcher>)
        };
        self.noticed(source.label(), matcher).await
    }

    /// Loads a snapshotter plugin without grants. `config` is one JSON text, `{}` if nothing is configured.
    ///
    /// # Errors
    ///
    /// The same as for [`PluginHost::matcher_with_grants`].
    pub async fn planner(
        &self,
        source: &PluginSource,
        config: &str,
    ) -> Result<Arc<dyn Planner>, PluginFailure> {
        self.planner_with_grants(source, config, &Grants::none()).await
    }

    /// Loads a snapshotter plugin that may import what `grants` allows. `config` is one JSON text, `{}` if nothing is
    /// configured.
    ///
    /// # Errors
    ///
    /// The same as for [`PluginHost::matcher_with_grants`].
    pub async fn planner_with_grants(
        &self,
        source: &PluginSource,
        config: &str,
        grants: &Grants,
    ) -> Result<Arc<dyn Planner>, PluginFailure> {
        let planner = async {
            let loaded = self.load(source, PluginKind::Snapshotter, grants).await?;
            Ok(Arc::new(SnapshotterPlanner::new(loaded, config).await?) as Arc<dyn Planner>)
        };
        self.noticed(source.label(), planner).await
    }

    /// Waits until a plugin is loaded, and says so if that takes long.
    async fn noticed<T>(&self, label: &str, loading: impl Future<Output = T>) -> T {
        let mut loading = pin!(loading);
        if let Some(notice) = &self.slow_loading {
            match timeout(SILENT_LOADING, &mut loading).await {
                Ok(loaded) => return loaded,
                Err(_) => notice(label),
            }
        }
        loading.await
    }

    async fn look(&self, source: &PluginSource) -> Result<Shape, PluginFailure> {
        let label = source.label().to_owned();
        let (source, compiler) = (source.clone(), self.compiler.clone());
        let looking = tokio::task::spawn_blocking(move || compiler.read(&source));
        looking.await.unwrap_or_else(|error| Err(ended(&label, error)))
    }

    async fn load(
        &self,
        source: &PluginSource,
        kind: PluginKind,
        grants: &Grants,
    ) -> Result<Loaded, PluginFailure> {
        let (place, store) = (self.place.clone(), Arc::clone(&self.store));
        let label = source.label().to_owned();
        let (source, grants, compiler) = (source.clone(), grants.clone(), self.compiler.clone());
        let loading = tokio::task::spawn_blocking(move || {
            let store = store.get_or_init(|| place.as_deref().and_then(CompiledStore::open));
            Loaded::load(source, kind, &grants, store.as_ref(), &compiler)
        });
        loading.await.unwrap_or_else(|error| Err(ended(&label, error)))
    }
}

/// The task panicked, or the program is about to end.
fn ended(label: &str, error: tokio::task::JoinError) -> PluginFailure {
    incompatible(label, format!("plugin `{label}` could not be loaded")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_plugin_that_takes_long_to_load_is_named() {
        for (milliseconds, named) in [(1900, vec![]), (2100, vec!["overlayfs".to_owned()])] {
            let heard = Arc::new(Mutex::new(Vec::new()));
            let hears = Arc::clone(&heard);
            let host = PluginHost::new(None)
                .on_slow_loading(move |label| hears.lock().unwrap().push(label.to_owned()));
            host.noticed("overlayfs", sleep(Duration::from_millis(milliseconds))).await;
            assert_eq!(*heard.lock().unwrap(), named, "after {milliseconds} ms");
        }
    }
}
