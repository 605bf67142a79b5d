//! Runs plugins: engine, compiled-code store, limits, bindings, one adapter per plugin kind.
//!
//! The way of a component: [`PluginSource`] reads its bytes and `compiled` looks for its machine code. If there is none,
//! `compiler` has it read and compiled, in a process of its own (`apart`) if the program allows that: `weight` refuses
//! what costs too much, `shape` says what it imports and exports, and `imports` refuses what this host cannot serve.
//! `sandbox` runs one call of it within limits, and `matcher` and `planner` turn calls into the ports of a pull.
//!
//! A component is never trusted: not while it is parsed, not while it runs, not in what it returns. Nothing
//! of one call is left in the next, since every call has a store and an instance of its own.

mod apart;
mod bindings;
mod compiled;
mod compiler;
mod convert;
mod embedded;
mod engine;
mod failure;
mod grants;
mod guest_log;
mod host;
mod imports;
mod inspect;
mod kind;
mod linkers;
mod loaded;
mod matcher;
mod output;
mod planner;
mod proposals;
mod sandbox;
mod shape;
mod source;
mod spec;
mod text;
mod wasi;
mod weight;

pub use apart::serve_compiler;
pub use grants::{Grants, UnknownGrant};
pub use host::PluginHost;
pub use inspect::{GrantedImport, ImportedInterface, Inspection, Metadata, Producer};
pub use kind::PluginKind;
pub use loaded::PluginDescription;
pub use proposals::enabled_proposals;
pub use source::PluginSource;
pub use spec::{PluginOrigin, PluginSpec};

/// The packages of the plugin interface that this host speaks, with versions.
pub fn wit_packages() -> &'static [&'static str] {
    &["dray:types@0.1.0", "dray:host@0.1.0", "dray:snapshotter@0.1.0", "dray:platform@0.1.0"]
}

/// Version of wasmtime. The crate does not tell its version, so it comes from the lock file of this build.
pub fn wasmtime_version() -> &'static str {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    let entry = LOCK.split_once("name = \"wasmtime\"\nversion = \"");
    entry.and_then(|(_, rest)| rest.split_once('"')).map_or("unknown", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    #[test]
    fn wasmtime_is_above_the_floor() {
        // 48.0.4 has the fixes of October 2026; every later release of line 48 and every later line has them.
        let version = super::wasmtime_version();
        let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
        assert!(parts >= vec![48, 0, 4], "wasmtime {version} has known holes");
    }
}
