//! The algorithm: finding, choosing, pulling, reading and checking images.
//!
//! It knows the store, the registry and the plugins only as [ports](dray_ports). Nothing in it assumes a daemon.

pub mod image;
pub mod pull;
mod stream;
