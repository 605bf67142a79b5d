//! What reading the images of a store has to say.

use super::{Failure, Kind, hints_of_store, kind_of_plugin, listed};
use crate::image::ImageError;

/// How to get what an image lacks.
pub(in crate::cli) const FETCH_HINT: &str = "`dray image fetch` brings what is missing";

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        let hints = hints_of_image(&error);
        Self::of(kind_of_image(&error), &error, hints)
    }
}

pub(super) fn kind_of_image(error: &ImageError) -> Kind {
    match error {
        ImageError::NoRecord { .. } | ImageError::MissingBlob { .. } => Kind::NotFound,
        ImageError::Ambiguous { .. } => Kind::Usage,
        ImageError::Mismatch { .. } | ImageError::Document { .. } | ImageError::LayerCount { .. } => {
            Kind::Corrupt
        }
        ImageError::TooLarge { .. }
        | ImageError::TooMany { .. }
        | ImageError::NotAnImage { .. }
        | ImageError::NoPlatform { .. } => Kind::Unsupported,
        ImageError::Plugin { source } => kind_of_plugin(source),
        ImageError::Store { .. } => Kind::Containerd,
    }
}

pub(super) fn hints_of_image(error: &ImageError) -> Vec<String> {
    let hint = match error {
        ImageError::NoRecord { .. } => "`dray image ls` lists what is there".to_owned(),
        ImageError::Ambiguous { images, .. } => {
            let images = images.iter().map(|(digest, name)| format!("{digest} ({name})"));
            format!("write more of the digest; it may be {}", listed(images).unwrap_or_default())
        }
        ImageError::MissingBlob { .. } => format!("{FETCH_HINT}, `dray image check` lists it"),
        ImageError::Mismatch { .. } => {
            "the disk of containerd is damaged: remove the image and pull it again".to_owned()
        }
        ImageError::NoPlatform { offered, .. } => match listed(offered) {
            Some(offers) => format!("choose another with `--platform`; the image offers {offers}"),
            None => "the image does not say which platforms it is for".to_owned(),
        },
        ImageError::Plugin { source } => return source.hint.clone().into_iter().collect(),
        ImageError::Store { source, .. } => return hints_of_store(source),
        ImageError::Document { .. }
        | ImageError::LayerCount { .. }
        | ImageError::TooLarge { .. }
        | ImageError::TooMany { .. }
        | ImageError::NotAnImage { .. } => return Vec::new(),
    };
    vec![hint]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Algorithm, Platform};
    use crate::verify::digest_of;

    #[test]
    fn errors_of_images_say_what_to_do() {
        let digest = || digest_of(Algorithm::Sha256, b"x");
        let ambiguous = ImageError::Ambiguous {
            name: "1".to_owned(),
            images: vec![(digest(), "a:1".to_owned()), (digest(), "b:1".to_owned())],
        };
        let failure = Failure::from(ambiguous);
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.hints[0].contains("(a:1)`, `sha256:"), "{failure:?}");
        let missing = ImageError::MissingBlob { what: "image index", digest: digest() };
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
