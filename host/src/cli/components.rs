//! The components that serve as plugins: those of the user's choice, else the embedded ones.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::failure::{Failure, Kind};
use crate::config::PluginChoice;
use crate::plugin::{PluginHost, PluginSource, serve_compiler};
use crate::ports::PluginFailure;

/// The argument with which the program starts itself to compile a component. It is no command of its own, and
/// nothing about it is promised.
const COMPILE: &str = "--compile-component";

/// What the program does where it was started to compile.
pub(super) fn compile_if_asked(arguments: &[OsString]) -> Option<ExitCode> {
    (arguments.len() == 2 && arguments[1] == COMPILE).then(serve_compiler)
}

/// What runs plugins, and keeps what it compiled in this place.
pub(super) fn host(compiled_store: Option<&Path>) -> Result<PluginHost, PluginFailure> {
    Ok(PluginHost::new(compiled_store)?.compile_apart(COMPILE))
}

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
