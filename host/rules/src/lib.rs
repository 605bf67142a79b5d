//! The rules for what a plugin returns, in one place for both sides of the interface.
//!
//! The host checks every answer with these functions before it acts on it, and `dray_plugin::testing` checks the same
//! answer in a native test. So a test of a plugin refuses exactly what the host refuses.
//!
//! The functions take borrowed values of the types below. Both sides have generated types of their own for the same
//! records, and map them at the boundary.
//!
//! | answer | rules |
//! |---|---|
//! | `get-info` | [`check_info`] |
//! | `check-config` | [`check_config`], [`check_config_is_taken`]: before the plugin is asked |
//! | `rank` | [`check_ranking`] |
//! | `plan` | [`check_plan`] without the image, then [`check_plan_for_image`] |
//!
//! `vectors/` beside the sources has answers that keep the rules and answers that break one.

mod config;
mod digests;
mod error;
mod extensions;
mod info;
pub mod limits;
mod plan;
mod ranking;
mod words;

#[cfg(test)]
mod tests;

pub use config::{ConfigError, check_config, check_config_is_taken};
pub use error::{Part, RuleError};
pub use info::{Info, check_info};
pub use plan::{Descriptor, Image, Layer, LayerPlan, Plan, Question, check_plan, check_plan_for_image};
pub use ranking::check_ranking;

/// Pairs of key and value, as the interface passes them.
pub type Pairs = [(String, String)];
