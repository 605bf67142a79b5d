//! The way of a pull: resolve, lease, fetch, choose, plan, unpack, record, report.
//!
//! Knows the outside world only through [`crate::ports`].

mod error;
mod report;
mod request;

pub use error::{PlanError, PullError};
pub use report::{
    LayerOutcome, LayerReport, PluginReport, PluginTimings, PullReport, SuitabilityReport, Timings, Totals,
};
pub use request::{PullRequest, Store, World};
