//! A checked, compiled and linked component.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::BoxFuture;
use wasmtime::Store;
use wasmtime::component::{Component, Instance, InstancePre};

use super::bindings::described::DescribedIndices;
use super::compiled::CompiledStore;
use super::compiler::Compiler;
use super::convert::Subject;
use super::engine::Runtime;
use super::failure::{Failure, incompatible, invalid_output, other_types};
use super::grants::Grants;
use super::sandbox::{self, Guest, typed};
use super::shape::Shape;
use super::text::clean;
use super::{PluginKind, PluginSource, convert, imports, output};
use dray_ports::{PluginCallTimings, PluginFailure, PluginFault, PluginIdentity};
use dray_rules::limits::TEXT_BYTES;
use dray_rules::{ConfigError, check_config, check_config_is_taken};

/// The description that a plugin gives of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginDescription {
    /// Its name.
    pub name: String,
    /// Its version, a semantic version.
    pub version: String,
    /// A one-line summary.
    pub summary: String,
    /// Names of its optional features.
    pub features: Vec<String>,
    /// JSON Schema of its configuration, a JSON text. `None` if it takes none.
    pub config_schema: Option<String>,
}

/// A component that is ready for calls, each in a fresh instance.
pub(super) struct Loaded {
    pub(super) label: Arc<str>,
    pub(super) pre: InstancePre<Guest>,
    source: PluginSource,
    runtime: &'static Runtime,
    timings: Mutex<PluginCallTimings>,
}

impl Loaded {
    /// Loads a component for one kind of plugin, with these grants. Compiles it if the store has no code for it, which takes up
    /// to seconds: not for a thread that runs other futures.
    ///
    /// # Errors
    ///
    /// Fails if the component is damaged, does not fit this host or does not compile.
    pub(super) fn load(
        source: PluginSource,
        kind: PluginKind,
        grants: &Grants,
        store: Option<&CompiledStore>,
        compiler: &Compiler,
    ) -> Result<Self, PluginFailure> {
        let label: Arc<str> = source.label().into();
        let (runtime, making) = Runtime::get().map_err(|error| {
            incompatible(&label, format!("plugin `{label}` cannot be run on this machine"))
                .caused_by(error.into_boxed_dyn_error())
        })?;
        // If two plugins are loaded in parallel, only one of them counts the time for the engine.
        let started = Instant::now();
        let mut timings = PluginCallTimings::default();
        let found = store.and_then(|store| store.find(&runtime.engine, &source, kind, grants));
        let component = if let Some(component) = found {
            component
        } else {
            let compiling = Instant::now();
            let check = |shape: &Shape| imports::check(&label, shape, kind, grants);
            let code = compiler.compile(&runtime.engine, &source, check)?;
            timings.compile = compiling.elapsed();
            if let Some(store) = store {
                store.keep(&runtime.engine, &source, kind, grants, code.bytes());
            }
            code.load(runtime, &label)?
        };
        let pre = link(runtime, &component, &label, grants)?;
        timings.load = making + started.elapsed().saturating_sub(timings.compile);
        Ok(Self { label, pre, source, runtime, timings: Mutex::new(timings) })
    }

    /// Gets the description of the plugin, and checks its configuration.
    ///
    /// # Errors
    ///
    /// Fails if a call fails, if the description breaks a rule, or if the configuration is refused. `exports` looks
    /// up the additional exports of the plugin's kind, and fails if their types differ from this host's.
    pub(super) async fn describe(
        &self,
        config: &str,
        exports: impl FnOnce(&mut Store<Guest>, &Instance) -> wasmtime::Result<()> + Send + 'static,
    ) -> Result<PluginIdentity, PluginFailure> {
        check_config(config).map_err(|error| self.invalid_config(error))?;
        let info = self.info(exports).await?;
        let schema = info.config_schema.as_deref().unwrap_or_default();
        check_config_is_taken(config, schema).map_err(|error| self.invalid_config(error))?;
        let indices = self.indices(DescribedIndices::new(&self.pre))?;
        let text = config.to_owned();
        self.call("check-config", |store, instance| {
            Box::pin(async move {
                let plugin = typed(indices.load(&mut *store, &instance))?;
                plugin.dray_types_describe().call_check_config(store, &text).await
            })
        })
        .await?
        .map_err(|error| convert::refusal(&self.label, Subject::Configuration, &error))?;
        Ok(PluginIdentity {
            name: info.name,
            version: info.version,
            digest: self.source.digest().clone(),
            origin: self.source.origin().to_string(),
        })
    }

    /// Gets the description of the plugin.
    pub(super) async fn info(
        &self,
        exports: impl FnOnce(&mut Store<Guest>, &Instance) -> wasmtime::Result<()> + Send + 'static,
    ) -> Result<PluginDescription, PluginFailure> {
        let indices = self.indices(DescribedIndices::new(&self.pre))?;
        let info = self
            .call("get-info", |store, instance| {
                Box::pin(async move {
                    typed(exports(store, &instance))?;
                    let plugin = typed(indices.load(&mut *store, &instance))?;
                    plugin.dray_types_describe().call_get_info(store).await
                })
            })
            .await?;
        output::check_info(&info).map_err(|rule| invalid_output(&self.label, "get-info", rule))?;
        let schema = (!info.config_schema.is_empty()).then_some(info.config_schema);
        Ok(PluginDescription {
            name: info.name,
            version: info.version,
            summary: clean(&info.summary, TEXT_BYTES),
            features: info.features.iter().map(|feature| clean(feature, TEXT_BYTES)).collect(),
            config_schema: schema,
        })
    }

    /// Calls a function of the plugin, and adds up the cost.
    pub(super) async fn call<R>(
        &self,
        function: &str,
        body: impl for<'a> FnOnce(&'a mut Store<Guest>, Instance) -> BoxFuture<'a, wasmtime::Result<R>>,
    ) -> Result<R, PluginFailure> {
        let (result, cost) = sandbox::call(self.runtime, &self.pre, &self.label, function, body).await?;
        let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        timings.instantiate += cost.instantiate;
        timings.call += cost.call;
        Ok(result)
    }

    /// The cost of the plugin so far.
    pub(super) fn timings(&self) -> PluginCallTimings {
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The indices of a world's exports, or a failure if their types differ from this host's.
    pub(super) fn indices<T>(&self, indices: wasmtime::Result<T>) -> Result<T, PluginFailure> {
        indices.map_err(|error| other_types(&self.label, error.into_boxed_dyn_error()))
    }

    fn invalid_config(&self, error: ConfigError) -> PluginFailure {
        let label = &self.label;
        let message = match &error {
            ConfigError::TooLong { .. } => format!("the configuration of plugin `{label}` is too long"),
            ConfigError::NotJson { .. } => format!("the configuration of plugin `{label}` is not JSON"),
            ConfigError::NotTaken => format!("plugin `{label}` takes no configuration"),
        };
        let failure = Failure::new(PluginFault::InvalidConfig, label, message);
        match error {
            ConfigError::TooLong { .. } => failure.caused_by(error),
            ConfigError::NotJson { source } => failure.caused_by(source),
            ConfigError::NotTaken => failure.into(),
        }
    }
}

fn link(
    runtime: &'static Runtime,
    component: &Component,
    label: &str,
    grants: &Grants,
) -> Result<InstancePre<Guest>, PluginFailure> {
    let component_type = component.component_type();
    let wants_wasi = component_type.imports(&runtime.engine).any(|(name, _)| name.starts_with("wasi:"));
    runtime
        .linkers
        .get(&runtime.engine, wants_wasi, grants)
        .and_then(|linker| linker.instantiate_pre(component))
        .map_err(|error| other_types(label, error.into_boxed_dyn_error()))
}
