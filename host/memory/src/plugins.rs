use async_trait::async_trait;

use dray_core::oci::{Algorithm, Platform};
use dray_core::verify::digest_of;
use dray_ports::{
    ImageToPlan, Plan, Planner, PlatformMatcher, PluginCallTimings, PluginFailure, PluginIdentity,
};

/// A planner and matcher that do as told.
pub struct FakePlugins(pub Box<dyn Fn(&ImageToPlan) -> Plan + Send + Sync>);

fn identity() -> PluginIdentity {
    PluginIdentity {
        name: "fake".into(),
        version: "1.0.0".into(),
        digest: digest_of(Algorithm::Sha256, b"fake"),
        origin: "embedded:fake".into(),
    }
}

#[async_trait]
impl Planner for FakePlugins {
    fn identity(&self) -> PluginIdentity {
        identity()
    }

    fn config(&self) -> &'static str {
        "{}"
    }

    async fn plan(&self, image: &ImageToPlan) -> Result<Plan, PluginFailure> {
        Ok((self.0)(image))
    }

    fn timings(&self) -> PluginCallTimings {
        PluginCallTimings::default()
    }
}

#[async_trait]
impl PlatformMatcher for FakePlugins {
    fn identity(&self) -> PluginIdentity {
        identity()
    }

    async fn rank(&self, wanted: &[Platform], offered: &[Platform]) -> Result<Vec<usize>, PluginFailure> {
        let mut ranked: Vec<usize> =
            (0..offered.len()).filter(|&index| wanted.contains(&offered[index])).collect();
        ranked.sort_by_key(|&index| wanted.iter().position(|platform| *platform == offered[index]));
        Ok(ranked)
    }

    fn timings(&self) -> PluginCallTimings {
        PluginCallTimings::default()
    }
}
