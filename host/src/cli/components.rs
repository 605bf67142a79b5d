//! The components that serve as plugins: those of the user's choice, else the embedded ones.

use super::failure::{Failure, Kind};
use crate::config::PluginChoice;
use crate::plugin::PluginSource;

/// Name of the embedded component that plans for every snapshotter without demands of its own.
const EMBEDDED_PLANNER: &str = "overlayfs";

/// Name of the embedded component that chooses the platform.
const EMBEDDED_MATCHER: &str = "platform";

/// The component that chooses the platform, read and not yet compiled.
pub(super) fn matcher(choice: &PluginChoice) -> Result<PluginSource, Failure> {
    source(choice, EMBEDDED_MATCHER)
}

/// The component that plans for the snapshotter, read and not yet compiled.
pub(super) fn planner(choice: &PluginChoice) -> Result<PluginSource, Failure> {
    source(choice, EMBEDDED_PLANNER)
}

/// The plugin interface wants an empty object where nothing is configured.
pub(super) fn config(choice: &PluginChoice) -> &str {
    choice.config.as_deref().unwrap_or("{}")
}

fn source(choice: &PluginChoice, embedded: &'static str) -> Result<PluginSource, Failure> {
    match &choice.file {
        Some(file) => Ok(PluginSource::read(file)?),
        None => PluginSource::embedded(embedded)
            .ok_or_else(|| Failure::new(Kind::Internal, format!("this build lacks plugin `{embedded}`"))),
    }
}
