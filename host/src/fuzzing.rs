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

/// What the command line does to text from outside.
pub mod cli {
    mod escape;

    /// The text as it is shown to a user.
    pub fn shown(text: &str) -> String {
        escape::line(text)
    }
}
