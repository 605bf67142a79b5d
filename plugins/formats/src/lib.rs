//! Tells the formats of an image's layers apart.
//!
//! All of it follows from what the host verified: descriptors, annotations, media types. Nothing is asked and
//! nothing is fetched. What only a registry knows, such as an index of SOCI in its first version, which points at
//! the image from outside, cannot be told.

mod layer;
mod refusal;
#[cfg(not(target_arch = "wasm32"))]
pub mod samples;
#[cfg(test)]
mod tests;

use dray_plugin::snapshotter::Image;

pub use layer::{Family, Format, annotations};
pub use refusal::refusal;

/// The annotation of a manifest that names an index of SOCI in its second version.
pub const SOCI_INDEX: &str = "com.amazon.soci.index-digest";

/// The formats of the layers of an image, bottom-up, as many as it has layers.
pub fn of_layers(image: &Image) -> Vec<Format<'_>> {
    image.layers.iter().map(|layer| Format::of(&layer.descriptor)).collect()
}

/// Digest of the image's index of SOCI in its second version, which the manifest names. An index in the first
/// version leaves no sign on the image.
pub fn soci_index(image: &Image) -> Option<&str> {
    let mut annotations = image.manifest_annotations.iter();
    let (_, digest) = annotations.find(|(key, _)| key == SOCI_INDEX)?;
    is_digest(digest).then_some(digest)
}

/// Whether a text is a digest: the name of an algorithm, a colon, and as many lower-case hexadecimal digits as it
/// has.
pub fn is_digest(text: &str) -> bool {
    let digits = match text.split_once(':') {
        Some(("sha256", digits)) if digits.len() == 64 => digits,
        Some(("sha384", digits)) if digits.len() == 96 => digits,
        Some(("sha512", digits)) if digits.len() == 128 => digits,
        _ => return false,
    };
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
