//! Builds failures of plugins.

use std::error::Error;
use std::fmt;

use dray_ports::{PluginFailure, PluginFault};
use dray_rules::RuleError;

/// A [`PluginFailure`] under construction.
pub(super) struct Failure(PluginFailure);

impl Failure {
    /// A failure of one plugin. The message contains its name.
    pub(super) fn new(fault: PluginFault, plugin: &str, message: String) -> Self {
        Self(PluginFailure::new(fault, plugin, message))
    }

    /// Adds a hint.
    pub(super) fn hint<H: Into<String>>(mut self, hint: Option<H>) -> Self {
        self.0.hint = hint.map(Into::into);
        self
    }

    /// Adds the cause.
    pub(super) fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.source = Some(cause.into());
        self
    }

    /// The finished failure with its cause.
    pub(super) fn caused_by(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> PluginFailure {
        self.because(cause).0
    }
}

impl From<Failure> for PluginFailure {
    fn from(failure: Failure) -> Self {
        failure.0
    }
}

/// The plugin cannot be read.
pub(super) fn unreadable(plugin: &str, message: String) -> Failure {
    Failure::new(PluginFault::Unreadable, plugin, message)
}

/// The plugin is incompatible with this host.
pub(super) fn incompatible(plugin: &str, message: String) -> Failure {
    Failure::new(PluginFault::Incompatible, plugin, message)
}

/// The plugin has interfaces with the names and versions of this host's, but other types.
pub(super) fn other_types(plugin: &str, error: Box<dyn Error + Send + Sync>) -> PluginFailure {
    incompatible(plugin, format!("plugin `{plugin}` was made for another version of the plugin interface"))
        .hint(Some("use a version of the plugin that was made for this version of dray"))
        .caused_by(error)
}

/// The plugin returned something that breaks the contract.
pub(super) fn invalid_output(plugin: &str, function: &str, rule: RuleError) -> PluginFailure {
    let message = format!("`{function}` of plugin `{plugin}` returned something that breaks its contract");
    Failure::new(PluginFault::InvalidOutput, plugin, message)
        .hint(Some("report this to the author of the plugin"))
        .caused_by(rule)
}

/// A cause that consists of a text.
#[derive(Debug)]
pub(super) struct Cause(pub(super) String);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}

/// A chain of texts as causes, the most direct one first.
#[derive(Debug)]
pub(super) struct Causes {
    text: String,
    next: Option<Box<Self>>,
}

impl Causes {
    /// `None` if there is no text.
    pub(super) fn new(texts: Vec<String>) -> Option<Self> {
        let chain = |next: Option<Self>, text| Some(Self { text, next: next.map(Box::new) });
        texts.into_iter().rev().fold(None, chain)
    }
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Causes {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.next.as_deref().map(|next| next as &dyn Error)
    }
}
