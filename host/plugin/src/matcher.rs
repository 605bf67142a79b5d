use async_trait::async_trait;

use super::bindings::platform::PlatformIndices;
use super::convert::{self, Subject};
use super::failure::invalid_output;
use super::loaded::Loaded;
use super::sandbox::typed;
use dray_core::oci::Platform;
use dray_ports::{PlatformMatcher, PluginCallTimings, PluginFailure, PluginIdentity};
use dray_rules::check_ranking;

/// A platform plugin behind its port.
pub(super) struct Matcher {
    loaded: Loaded,
    identity: PluginIdentity,
    config: String,
    indices: PlatformIndices,
}

impl Matcher {
    /// Gets the description of a loaded plugin, and checks its configuration.
    pub(super) async fn new(loaded: Loaded, config: &str) -> Result<Self, PluginFailure> {
        let indices = loaded.indices(PlatformIndices::new(&loaded.pre))?;
        let exports = indices.clone();
        let identity =
            loaded.describe(config, move |store, instance| exports.load(store, instance).map(drop)).await?;
        Ok(Self { loaded, identity, config: config.to_owned(), indices })
    }
}

#[async_trait]
impl PlatformMatcher for Matcher {
    fn identity(&self) -> PluginIdentity {
        self.identity.clone()
    }

    async fn rank(&self, wanted: &[Platform], offered: &[Platform]) -> Result<Vec<usize>, PluginFailure> {
        let indices = self.indices.clone();
        let config = self.config.clone();
        let wanted: Vec<_> = wanted.iter().map(convert::platform).collect();
        let shown: Vec<_> = offered.iter().map(convert::platform).collect();
        let ranked = self
            .loaded
            .call("rank", |store, instance| {
                Box::pin(async move {
                    let plugin = typed(indices.load(&mut *store, &instance))?;
                    plugin.dray_platform_matcher().call_rank(store, &config, &wanted, &shown).await
                })
            })
            .await?
            .map_err(|error| convert::refusal(&self.loaded.label, Subject::Platforms, &error))?;
        check_ranking(&ranked, offered.len()).map_err(|rule| invalid_output(&self.loaded.label, "rank", rule))
    }

    fn timings(&self) -> PluginCallTimings {
        self.loaded.timings()
    }
}
