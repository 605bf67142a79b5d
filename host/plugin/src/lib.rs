//! Runs plugins: engine, compiled-code store, limits, bindings, one adapter per plugin kind.
//!
//! The path of a component: [`PluginSource`] reads its bytes, and `compiled` looks up its machine code. If there is
//! none, `compiler` reads and compiles it, in another process (`apart`) if the program allows that: `weight` refuses
//! expensive components, `shape` reads imports and exports, and `imports` refuses those that this host lacks.
//! `sandbox` runs one call within limits, and `matcher` and `planner` implement the ports of a pull with such calls.
//!
//! A component is never trusted: not while it is parsed, not while it runs, not in its return values. Calls share no
//! state, because each has its own store and instance.

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

/// The packages of the plugin interface in this host, with versions.
pub fn wit_packages() -> &'static [&'static str] {
    &["dray:types@0.1.0", "dray:host@0.1.0", "dray:snapshotter@0.1.0", "dray:platform@0.1.0"]
}

/// The version of wasmtime. The crate does not export it, so it comes from the lock file of this build.
pub fn wasmtime_version() -> &'static str {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    let entry = LOCK.split_once("name = \"wasmtime\"\nversion = \"");
    entry.and_then(|(_, rest)| rest.split_once('"')).map_or("unknown", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    #[test]
    fn wasmtime_is_above_the_floor() {
        // 48.0.4 has the fixes of October 2026, as have later releases.
        let version = super::wasmtime_version();
        let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap()).collect();
        assert!(parts >= vec![48, 0, 4], "wasmtime {version} has known holes");
    }
}
