//! Kinds and hints for errors of reading images.

use super::hint::{self, FETCH_ANEW_HINT, FETCH_HINT, MADE_WRONGLY_HINT, listed};
use super::kind::Kind;
use super::shown::Failure;
use super::{document, fetch, plugin, store};
use dray::image::ImageError;

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let (kind, hints) = verdict(&error);
        Self::of(kind, &error, hints)
    }
}

/// The kind of an error, and its hints.
pub(super) fn verdict(error: &ImageError) -> (Kind, Vec<String>) {
    match error {
        ImageError::NoRecord { .. } => {
            (Kind::NotFound, vec!["`dray image ls` lists the images of the namespace".to_owned()])
        }
        ImageError::Ambiguous { images, .. } => {
            let images = images.iter().map(|(digest, name)| format!("{digest} {name}"));
            let hint = listed(images).map(|images| format!("give more digits of one of them: {images}"));
            (Kind::Usage, hint.into_iter().collect())
        }
        ImageError::MissingBlob { .. } => (Kind::NotFound, vec![FETCH_HINT.to_owned()]),
        ImageError::Damaged { .. } => (Kind::Corrupt, vec![FETCH_ANEW_HINT.to_owned()]),
        ImageError::Fetch { source, .. } => fetch::verdict(source),
        ImageError::Document { source, .. } => document::verdict(source),
        ImageError::LayerCount { .. } => (Kind::Corrupt, vec![MADE_WRONGLY_HINT.to_owned()]),
        ImageError::NoPlatform { offered, .. } => (Kind::Unsupported, vec![hint::of_platforms(offered)]),
        ImageError::Plugin { source } => (plugin::kind(source), source.hint.clone().into_iter().collect()),
        ImageError::Store { source, .. } => store::verdict(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray::oci::{Algorithm, DocumentKind, Platform};
    use dray::verify::digest_of;

    #[test]
    fn errors_of_images_have_hints() {
        let digest = || digest_of(Algorithm::Sha256, b"x");
        let ambiguous = ImageError::Ambiguous {
            name: "1".to_owned(),
            images: vec![(digest(), "a:1".to_owned()), (digest(), "b:1".to_owned())],
        };
        let failure = Failure::from(ambiguous);
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.hints[0].contains("a:1`, `sha256:"), "{failure:?}");
        let missing = ImageError::MissingBlob { kind: DocumentKind::Index, digest: digest() };
        assert_eq!(Failure::from(missing).exit_code(), 4);
        assert_eq!(Failure::from(ImageError::NoRecord { name: "x".to_owned() }).exit_code(), 4);
        let platform = ImageError::NoPlatform {
            wanted: "linux/s390x".to_owned(),
            offered: vec![Platform::new("linux", "amd64", "")],
        };
        let failure = Failure::from(platform);
        assert_eq!(failure.exit_code(), 10);
        assert!(failure.hints[0].ends_with("offers `linux/amd64`"), "{failure:?}");
    }
}
