//! Images as documents: which entries of an index are wanted, and what a store has of them.
//!
//! Documents come from a [`DocumentSource`], are verified and parsed by [`Document`], and are looked at in the same order
//! by a pull, by a check and by a read.
//!
//! Knows the outside world only through [`dray_ports`], and changes nothing in it: every future here can be
//! dropped at any time.

mod candidates;
mod choose;
mod completeness;
mod damage;
pub(crate) mod document;
mod error;
mod find;
mod layers;
mod platforms;
mod read;
mod size;
mod source;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use self::candidates::{Candidate, Candidates, Missing, NoImage};
pub use self::candidates::{ChosenManifest, ImageDocuments, Unusable};
pub(crate) use self::choose::unmatched;
pub use self::completeness::{
    BlobRole, Completeness, DamagedBlob, ManifestState, MissingBlob, Scrutiny, completeness,
};
pub use self::damage::Damage;
pub(crate) use self::damage::{damage_anywhere, damage_at_end, read_undamaged};
pub use self::document::{Document, DocumentFault, SpecError};
pub use self::error::ImageError;
pub use self::find::{FoundImage, MatchedBy, find};
pub use self::layers::{ImageLayer, LayerCount, layers};
pub use self::platforms::Platforms;
pub use self::read::{read_document, read_image_config, read_index, read_manifest};
pub use self::size::unpacked_image_size;
pub use self::source::{Brought, DocumentSource, HeldDocuments, ServedDocuments, StoredDocuments};
