//! The door for the fuzz target of plans, which are bytes of a plugin.

use super::{PlanError, plan};
use crate::ports::{ImageToPlan, Plan};

/// Checks a plan against its image, as a pull does.
pub fn validate(plan: &Plan, image: &ImageToPlan) -> Result<(), PlanError> {
    plan::validate(plan, image)
}
