//! dray pulls container images into containerd.
//!
//! What differs from one snapshotter, one platform rule or one site's policy to the next is a sandboxed
//! WebAssembly component; this crate is the host that runs it. The guest plans, the host acts.
//!
//! Reading order: [`oci`] has the values, [`ports`] the seams, [`pull`] the algorithm, [`image`] what can be read
//! of an image that is there. The other modules are
//! adapters: [`containerd`], [`registry`], [`plugin`]. [`cli`] wires them together.
//!
//! The library does not print, does not exit, and reads no environment variable outside of [`cli`].

pub mod cli;
pub mod config;
pub mod containerd;
pub mod image;
pub mod limits;
pub mod oci;
pub mod plugin;
pub mod ports;
pub mod pull;
pub mod registry;
pub mod verify;
