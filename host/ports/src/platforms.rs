use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use dray_core::oci::{Digest, Platform};

/// The identity of a plugin, for reports and errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginIdentity {
    /// The name from the plugin's description.
    pub name: String,
    /// The version from the plugin's description.
    pub version: String,
    /// Digest of the component.
    pub digest: Digest,
    /// Where the component comes from: `embedded:NAME` or `file:PATH`.
    pub origin: String,
}

impl fmt::Display for PluginIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// The cost of a plugin.
#[derive(Clone, Copy, Debug, Default)]
pub struct PluginCallTimings {
    /// Compiling; zero if there was compiled code.
    pub compile: Duration,
    /// Loading: digest, compiled code, linking.
    pub load: Duration,
    /// Instantiation.
    pub instantiate: Duration,
    /// Calls into the guest.
    pub call: Duration,
}

/// The kinds of failure of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PluginFault {
    /// It exceeded the limit of computation or time.
    Timeout,
    /// It exceeded the limit of memory, tables, instances or handles.
    OutOfMemory,
    /// It ended itself, or broke a rule of the sandbox.
    Trap,
    /// It returned something that breaks the contract.
    InvalidOutput,
    /// It is incompatible with this host: other interface, other version, unknown imports.
    Incompatible,
    /// It imports an interface that needs a grant, and the operator has not given it.
    NotGranted,
    /// It does not accept its configuration.
    InvalidConfig,
    /// It returned an error of its own.
    Refused,
    /// It cannot be read or is not a component.
    Unreadable,
}

/// Failure of a plugin.
#[derive(Debug)]
pub struct PluginFailure {
    /// What kind.
    pub fault: PluginFault,
    /// The plugin, by name or by file.
    pub plugin: String,
    /// One sentence, with the plugin's name.
    pub message: String,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// The cause.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl PluginFailure {
    /// A failure of a kind, of the plugin with this name or file, with one sentence that names it.
    pub fn new(fault: PluginFault, plugin: impl Into<String>, message: impl Into<String>) -> Self {
        Self { fault, plugin: plugin.into(), message: message.into(), hint: None, source: None }
    }

    /// Adds a hint for the user.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for PluginFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for PluginFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Chooses among the platforms that an image offers.
#[async_trait]
pub trait PlatformMatcher: Send + Sync {
    /// Which plugin decides.
    fn identity(&self) -> PluginIdentity;

    /// Indices into `offered`, best first, each at most once and in range: the adapter has checked it.
    async fn rank(&self, wanted: &[Platform], offered: &[Platform]) -> Result<Vec<usize>, PluginFailure>;

    /// The cost of the plugin so far.
    fn timings(&self) -> PluginCallTimings;
}
