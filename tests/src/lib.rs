//! Support for dray's end-to-end suites.
//!
//! Everything here is private to a test: directories, sockets, loopback ports. It ends when the value that started it
//! is dropped.

pub mod command;
pub mod cost;
pub mod daemon;
pub mod docker_registry;
pub mod enclosure;
pub mod guests;
pub mod heard;
pub mod image;
mod loopback;
pub mod moment;
pub mod node;
pub mod process;
pub mod proxy;
pub mod puller;
pub mod relay;
pub mod scratch;
pub mod scripted_registry;
pub mod snapshot_service;
pub mod snapshotter;
pub mod state;
pub mod terminal;
pub mod tools;
pub mod tree;
