//! The values of images, the verification of size and digest, and every limit with its reason.
//!
//! Nothing here does I/O. Only [`verify`] awaits, for the bytes that it reads.

pub mod limits;
pub mod oci;
pub mod text;
pub mod verify;
