//! The values of images, the one reader that checks size and digest, and every bound with its reason.
//!
//! Nothing here does I/O or waits for anything but the bytes that [`verify`] reads.

pub mod limits;
pub mod oci;
pub mod text;
pub mod verify;
