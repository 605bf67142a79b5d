//! What a failure of a plugin means to a user.

use super::hint::listed;
use super::kind::Kind;
use super::shown::Failure;
use dray::plugin::PluginSource;
use dray::ports::{PluginFailure, PluginFault};

impl From<PluginFailure> for Failure {
    fn from(error: PluginFailure) -> Self {
        Self::of(kind(&error), &error, hint(&error))
    }
}

/// An unreadable plugin is usually a mistyped file.
pub(super) fn hint(failure: &PluginFailure) -> Option<String> {
    let mistyped = || {
        let embedded = listed(PluginSource::all_embedded().iter().map(|plugin| plugin.label().to_owned()));
        format!("check the path of the file; the embedded plugins are {}", embedded.unwrap_or_default())
    };
    let describing = || format!("`dray plugin inspect --describe {}` shows the schema", failure.plugin);
    failure.hint.clone().or_else(|| match failure.fault {
        PluginFault::Unreadable => Some(mistyped()),
        // Without a cause, the plugin has no schema.
        PluginFault::InvalidConfig if failure.source.is_some() => Some(describing()),
        _ => None,
    })
}

pub(super) fn kind(failure: &PluginFailure) -> Kind {
    match failure.fault {
        // Only a file that the user named can be unreadable.
        PluginFault::Unreadable => Kind::Usage,
        PluginFault::InvalidConfig | PluginFault::NotGranted => Kind::Configuration,
        PluginFault::Timeout
        | PluginFault::OutOfMemory
        | PluginFault::Trap
        | PluginFault::InvalidOutput
        | PluginFault::Incompatible
        | PluginFault::Refused => Kind::Plugin,
    }
}
