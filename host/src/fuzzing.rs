//! The root of another crate: the parsers of foreign bytes, without the rest of the program, for the fuzz targets
//! in `tests/fuzz`. It is no module of the library.
//!
//! The import rule keeps these sources free of the sandbox and of the daemon's interface, which would take minutes
//! to build and have nothing to be fuzzed here. `cfg(fuzzing)` opens the doors to what is private in them.

#![allow(dead_code, reason = "only a part of what the library has is used here")]

pub mod image;
pub mod limits;
pub mod oci;
pub mod ports;
pub mod pull;
pub mod registry;
mod text;
pub mod verify;

/// What is read of components.
pub mod plugin {
    mod failure;
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
            let _ = imports::check("fuzzed", &shape, kind);
        }
        let _ = imports::kind_of("fuzzed", &shape);
        let _ = shape.imports.iter().map(imports::standing).count();
        true
    }

    /// Whether the bytes are accepted as cheap enough.
    pub fn is_light(bytes: &[u8]) -> bool {
        weight::weigh(bytes).is_ok()
    }

    /// Whether the weight of a component is told at all: of one that is valid it must be, or the reason is a limit.
    pub fn is_taken_apart(bytes: &[u8]) -> bool {
        !matches!(weight::weigh(bytes), Err(weight::Unfit::Invalid(_)))
    }
}

/// What the command line does to text from outside.
pub mod cli {
    mod escape;

    /// The text as it is shown to a user.
    pub fn shown(text: &str) -> String {
        escape::line(text)
    }
}
