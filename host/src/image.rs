//! Images as documents: which of an index's entries are meant, and what a store has of them.
//!
//! Knows the outside world only through [`crate::ports`].

mod choose;
mod platforms;

pub(crate) use self::choose::{Choices, choose, rank};
pub use self::platforms::Platforms;
