//! The ports: what a pull needs from the outside world, in plain types.
//!
//! Every effect of a pull goes through one of these traits. Adapters are other crates (`containerd`, `registry`,
//! `plugin`), and nothing here names their types. The traits are object safe, so that tests can replace each. A
//! method that adds to a store takes the lease that protects the addition until the image record does.
//!
//! Unless a method says otherwise, dropping its future abandons the call: the effect may or may not have
//! happened, and repeating the call is safe.

mod content;
mod error;
mod images;
mod info;
mod leases;
mod planner;
mod platforms;
mod progress;
mod reason;
mod registry;
mod snapshots;
mod store;

pub use content::{BlobFacts, BlobInfo, Committed, ContentStore, Ingest, OpenedIngest, StoredBytes};
pub use error::{Class, StoreError};
pub use images::{ImageRecord, Images};
pub use info::{SnapshotterInfo, StoreInfo, StoreVersion};
pub use leases::{LeaseId, Leases};
pub use planner::{
    Advice, Expectation, ImageToPlan, LayerPlan, LayerToPlan, OnError, OnMounts, OnePlanner, Plan, Planner,
    Planners, Question, RegistryAccess, Suitability,
};
pub use platforms::{PlatformMatcher, PluginCallTimings, PluginFailure, PluginFault, PluginIdentity};
pub use progress::{DocumentState, Event, LayerState, Progress};
pub use reason::{CredentialOrigin, FetchReason, HelperFault};
pub use registry::{BlobStream, FetchFailure, FetchFault, Registry, Resolved};
pub use snapshots::{
    Applied, Applier, Mount, Prepared, SnapshotInfo, SnapshotKey, Snapshots, SnapshotterName, Target, Usage,
};
pub use store::Store;

/// Labels of a record in the store.
pub type Labels = std::collections::BTreeMap<String, String>;
