use async_trait::async_trait;

use super::bindings::snapshotter::SnapshotterIndices;
use super::convert::Subject;
use super::failure::invalid_output;
use super::loaded::Loaded;
use super::sandbox::typed;
use super::{convert, output};
use dray_ports::{ImageToPlan, Plan, Planner, PluginCallTimings, PluginFailure, PluginIdentity};

/// A snapshotter plugin behind its port.
pub(super) struct SnapshotterPlanner {
    loaded: Loaded,
    identity: PluginIdentity,
    config: String,
    indices: SnapshotterIndices,
}

impl SnapshotterPlanner {
    /// Gets the description of a loaded plugin, and checks its configuration.
    pub(super) async fn new(loaded: Loaded, config: &str) -> Result<Self, PluginFailure> {
        let indices = loaded.indices(SnapshotterIndices::new(&loaded.pre))?;
        let exports = indices.clone();
        let identity =
            loaded.describe(config, move |store, instance| exports.load(store, instance).map(drop)).await?;
        Ok(Self { loaded, identity, config: config.to_owned(), indices })
    }
}

#[async_trait]
impl Planner for SnapshotterPlanner {
    fn identity(&self) -> PluginIdentity {
        self.identity.clone()
    }

    fn config(&self) -> &str {
        &self.config
    }

    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PluginFailure> {
        let indices = self.indices.clone();
        let config = self.config.clone();
        let image = convert::image(image);
        let plan = self
            .loaded
            .call("plan", |store, instance| {
                Box::pin(async move {
                    let plugin = typed(indices.load(&mut *store, &instance))?;
                    plugin.dray_snapshotter_planner().call_plan(store, &config, &image).await
                })
            })
            .await?
            .map_err(|error| convert::refusal(&self.loaded.label, Subject::Image, &error))?;
        output::check_plan(&plan).map_err(|rule| invalid_output(&self.loaded.label, "plan", rule))?;
        Ok(convert::plan(plan))
    }

    fn timings(&self) -> PluginCallTimings {
        self.loaded.timings()
    }
}
