//! A store, a registry and plugins in memory, for tests.
//!
//! The store keeps the contract of the ports as the real ones do (`tests/tests/store_contract.rs`), and is stricter: an
//! empty snapshot cannot be committed. It can be told to fail, and its [`State`] can be read and changed past the ports.

mod collect;
mod content;
mod plugins;
mod records;
mod registry;
mod snapshots;
mod store;

pub use self::content::ingest_name;
pub use self::plugins::FakePlugins;
pub use self::registry::{FakeRegistry, Lie};
pub use self::snapshots::diff_id_of;
pub use self::store::{Facts, FakeStore, Lease, State};
