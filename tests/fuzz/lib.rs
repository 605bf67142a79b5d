//! The parsers of foreign bytes that the fuzz targets run, without the sandbox and the daemon's interface, which
//! would take minutes to build.

pub use dray_core::{limits, oci, text, verify};
pub use dray_ports as ports;
pub use dray_pull::{image, pull};
pub use dray_registry as registry;
pub use dray_rules as rules;

/// What is read of components. These are files of a crate that would bring wasmtime.
#[allow(dead_code, unreachable_pub, reason = "only a part of the crate is used here")]
#[path = "../../host/plugin/src"]
pub mod plugin {
    mod failure;
    mod grants;
    mod imports;
    mod kind;
    mod proposals;
    mod shape;
    mod text;
    mod weight;

    pub use kind::PluginKind;

    /// Reads a component and compares it with what this host has. Whether it can be read.
    pub fn looks(bytes: &[u8]) -> bool {
        let Ok(shape) = shape::read(bytes) else { return false };
        for kind in [PluginKind::Snapshotter, PluginKind::Platform] {
            let _ = imports::check("fuzzed", &shape, kind, &grants::Grants::none());
        }
        let _ = imports::kind_of("fuzzed", &shape);
        let _ = shape.imports.iter().map(|import| imports::OFFER.availability(import)).count();
        true
    }

    /// Whether the bytes are accepted as cheap enough.
    pub fn is_light(bytes: &[u8]) -> bool {
        weight::weigh(bytes).is_ok()
    }

    /// Whether the weight of a component is told at all: of one that is valid it must be, or the reason is a limit.
    pub fn is_taken_apart(bytes: &[u8]) -> bool {
        !matches!(weight::weigh(bytes), Err(weight::ComponentError::Invalid(_)))
    }
}
