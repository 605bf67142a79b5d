//! What the store has of an image: its record, its documents, and what is missing.
//!
//! Knows the store and the platform plugin only through [`crate::ports`]. Nothing here changes anything, so
//! every future can be dropped at any time.

mod choose;
mod completeness;
mod error;
mod find;
mod read;
mod size;
#[cfg(test)]
mod tests;

pub use choose::{Choice, ChooseError, check, choose, is_offer};
pub use completeness::{BlobRole, Completeness, ManifestState, MissingBlob, WantedPlatforms, completeness};
pub use error::ImageError;
pub use find::{Found, MatchedBy, find};
pub use read::{ChosenManifest, ImageDocuments, read_document, read_image_config, read_index, read_manifest};
pub use size::unpacked_image_size;
