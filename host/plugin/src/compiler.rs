//! Reads and compiles components within limits.
//!
//! The cost of a component is estimated before anything is built (`weight`), but an estimate can be wrong. Neither
//! validator nor compiler can be stopped from outside, and a lack of memory or stack ends the whole process. So a
//! program can run both in another process (`apart`), and then only that process touches a component from outside.

use std::panic::{self, AssertUnwindSafe};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::PluginSource;
use super::apart::Process;
use super::engine::Runtime;
use super::failure::{Cause, incompatible, unreadable};
use super::imports::component_failure;
use super::shape::{self, Shape};
use dray_ports::PluginFailure;
use dray_rules::limits::TEXT_BYTES;

/// The process in which components are read and compiled.
#[derive(Clone, Debug, Default)]
pub(super) enum Compiler {
    /// This process. Only the estimate limits the cost.
    #[default]
    Here,
    /// Another process that runs [`serve_compiler`](super::serve_compiler), started with this argument. Embedded
    /// components are trusted and are still read in this process.
    Apart(&'static str),
}

impl Compiler {
    /// Reads the imports and exports of a component.
    pub(super) fn read(&self, source: &PluginSource) -> Result<Shape, PluginFailure> {
        match self {
            Self::Apart(argument) if !source.is_embedded() => {
                let process = Process::start(argument).map_err(|error| no_process(source.label(), error))?;
                Ok(process.read(source)?.shape)
            }
            _ => here(source),
        }
    }

    /// Reads a component, passes it to `check`, and compiles it.
    pub(super) fn compile(
        &self,
        engine: &Engine,
        source: &PluginSource,
        check: impl FnOnce(&Shape) -> Result<(), PluginFailure>,
    ) -> Result<MachineCode, PluginFailure> {
        let label = source.label();
        if let Self::Apart(argument) = self {
            match Process::start(argument) {
                Ok(process) => {
                    let read = process.read(source)?;
                    check(&read.shape)?;
                    tracing::info!(plugin = label, "compiling");
                    return read.compile(label).map(MachineCode);
                }
                Err(error) if !source.is_embedded() => return Err(no_process(label, error)),
                Err(error) => tracing::debug!(%error, "no process can be started to compile in"),
            }
        }
        check(&here(source)?)?;
        tracing::info!(plugin = label, "compiling");
        let compiling = AssertUnwindSafe(|| engine.precompile_component(source.bytes()));
        match panic::catch_unwind(compiling) {
            Ok(code) => code.map(MachineCode).map_err(|error| does_not_compile(label, error)),
            Err(panic) => Err(compiler_fails(label, panic_text(&*panic))),
        }
    }
}

/// The compiled code of a component.
pub(super) struct MachineCode(Vec<u8>);

impl MachineCode {
    /// The bytes, for storing them.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Loads the code. The engine makes a copy, and this one is dropped.
    pub(super) fn load(self, runtime: &Runtime, label: &str) -> Result<Component, PluginFailure> {
        #[expect(unsafe_code, reason = "loading machine code trusts whoever made it")]
        // SAFETY: `deserialize` wants bytes that this engine's compiler made, unchanged. They are from this
        // process, or from a pipe whose other end only a process had that runs this very program, see `apart`.
        let component = unsafe { Component::deserialize(&runtime.engine, &self.0) };
        component.map_err(|error| does_not_compile(label, error))
    }
}

fn here(source: &PluginSource) -> Result<Shape, PluginFailure> {
    shape::read(source.bytes()).map_err(|error| component_failure(source.label(), error))
}

/// The compiler refuses the component.
fn does_not_compile(label: &str, error: wasmtime::Error) -> PluginFailure {
    unreadable(label, format!("plugin `{label}` does not compile")).caused_by(error.into_boxed_dyn_error())
}

/// The compiler failed on a component that may be valid.
pub(super) fn compiler_fails(label: &str, said: String) -> PluginFailure {
    incompatible(label, format!("the compiler fails on plugin `{label}`"))
        .hint(Some(
            "this is an error of the compiler in dray: report it with the plugin. Until it is mended, another version \
             of the plugin's toolchain, or a smaller plugin, may do",
        ))
        .caused_by(Cause(said))
}

fn no_process(label: &str, error: std::io::Error) -> PluginFailure {
    incompatible(label, format!("plugin `{label}` cannot be read safely on this machine"))
        .hint(Some(
            "dray reads plugins in a process of its own, for which it starts itself once more: mount `/proc`, or give \
             dray by its path, and let it start processes",
        ))
        .caused_by(error)
}

/// The message of a panic, without its location in the sources, which belongs to the machine that built the program.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    super::text::clean(text.unwrap_or("it does not say why"), TEXT_BYTES)
}
