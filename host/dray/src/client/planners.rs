use std::sync::Arc;

use async_trait::async_trait;

use crate::config::PluginRules;
use dray_plugin_host::{PluginHost, PluginSource};
use dray_ports::{Planner, Planners, PluginFailure, SnapshotterName};

/// Loads the plugin for a snapshotter, once its name is known.
pub(super) struct ChosenPlanners {
    pub(super) plugins: Arc<PluginHost>,
    pub(super) rules: PluginRules,
    /// The component that the caller gave, which is read before anything is asked.
    pub(super) given: Option<PluginSource>,
}

#[async_trait]
impl Planners for ChosenPlanners {
    async fn planner_for(&self, snapshotter: &SnapshotterName) -> Result<Arc<dyn Planner>, PluginFailure> {
        let spec = self.rules.planner_for(snapshotter);
        let source = match &self.given {
            Some(source) => source.clone(),
            None => spec.origin.read()?,
        };
        tracing::info!(%snapshotter, plugin = spec.name, origin = %spec.origin, "the plugin for the snapshotter is chosen");
        self.plugins.planner_with_grants(&source, &spec.config, &spec.grants).await
    }

    fn has_own(&self, snapshotter: &SnapshotterName) -> bool {
        self.rules.has_own_planner(snapshotter)
    }
}
