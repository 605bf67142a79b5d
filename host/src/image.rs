//! Images as documents: which of an index's entries are meant, and what a store has of them.
//!
//! Knows the outside world only through [`crate::ports`], and changes nothing in it: every future here can be
//! dropped at any time.

mod choose;
mod completeness;
mod damage;
pub(crate) mod document;
mod error;
mod find;
mod platforms;
mod read;
mod size;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use self::choose::{choose, rank, suits};
pub use self::completeness::{
    BlobRole, Completeness, DamagedBlob, ManifestState, MissingBlob, Scrutiny, completeness,
};
pub use self::damage::Damage;
pub(crate) use self::damage::{damage_anywhere, damage_at_end, read_undamaged};
pub use self::document::DocumentFault;
pub use self::error::ImageError;
pub use self::find::{Found, MatchedBy, find};
pub use self::platforms::Platforms;
pub use self::read::{
    ChosenManifest, ImageDocuments, read_document, read_image_config, read_index, read_manifest,
};
pub use self::size::unpacked_image_size;
pub(crate) use self::walk::{Path, Walk};
