//! Support for dray's end-to-end suites.
//!
//! Everything here runs privately: own directories, own sockets, loopback ports, and ends with the value
//! that started it.

pub mod command;
pub mod cost;
pub mod daemon;
pub mod docker_registry;
pub mod guests;
pub mod heard;
pub mod image;
mod loopback;
pub mod moment;
pub mod process;
pub mod proxy;
pub mod relay;
pub mod scratch;
pub mod scripted_registry;
pub mod state;
pub mod terminal;
pub mod tools;
pub mod tree;
