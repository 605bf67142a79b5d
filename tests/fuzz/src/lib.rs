//! The parsers of foreign bytes, without the rest of the program.
//!
//! These are the sources of the library, compiled once more: the import rule of the program keeps them free of
//! the sandbox and of the daemon's interface, which would take minutes to build and have nothing to be fuzzed
//! here. `cfg(fuzzing)` opens the doors to what is private in them.

#![allow(dead_code, missing_docs, reason = "only a part of what the library has is used here")]

#[path = "../../../host/src"]
mod host {
    pub mod image;
    pub mod limits;
    pub mod oci;
    pub mod ports;
    pub mod pull;
    pub mod registry;
    pub mod verify;

    pub mod cli {
        mod escape;

        /// The text as it is shown to a user.
        pub fn shown(text: &str) -> String {
            escape::line(text)
        }
    }
}

pub use host::{cli, image, limits, oci, ports, pull, registry, verify};
