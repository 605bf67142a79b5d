//! Values of the OCI specifications: digests, descriptors, references, manifests, platforms.
//!
//! Each type has one parsing constructor whose error says which rule the text breaks. Nothing here does I/O, waits,
//! or uses another module of this crate.

mod descriptor;
mod digest;
mod document;
mod media_type;
mod platform;
mod reference;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, ChainId, DiffId, Digest, DigestError};
pub use document::in_unicode;
pub use document::{
    AnyManifest, DescriptorError, DocumentError, DocumentKind, ImageConfig, Index, Manifest, UnusableEntry,
};
pub use media_type::{MediaKind, MediaType};
pub use platform::{Platform, PlatformError};
pub use reference::{Named, Reference, ReferenceError, parse_repo_tag};

/// The documents of an image in the types of the `oci-spec` crate. They hold what the specification allows; real
/// images deviate from it.
pub use oci_spec::image as spec;
