use dray_plugin::snapshotter::{Image, ImagePlan};

use crate::{Family, Format};

impl Family {
    /// The code of the verdict on an image of this format.
    fn code(self) -> &'static str {
        match self {
            Self::Nydus => "nydus-image",
            Self::Overlaybd => "overlaybd-image",
            Self::TurboOci => "turbo-oci-image",
            Self::Erofs => "erofs-image",
        }
    }

    /// What to do instead.
    fn remedy(self) -> &'static str {
        match self {
            Self::Nydus => "use snapshotter `nydus`",
            Self::Overlaybd | Self::TurboOci => "use snapshotter `overlaybd`",
            Self::Erofs => "use snapshotter `erofs` of containerd 2.3 or later with a plugin for it",
        }
    }
}

/// The verdict of a snapshotter that serves archives, and layers of the formats in `served` besides: `foreign` if the
/// image has a layer of another format.
pub fn refusal(image: &Image, formats: &[Format<'_>], served: &[Family]) -> Option<ImagePlan> {
    let strange = |format: &Format<'_>| format.family().filter(|family| !served.contains(family));
    let mut layers = image
        .layers
        .iter()
        .zip(formats)
        .enumerate()
        .filter_map(|(index, (layer, format))| strange(format).map(|family| (index + 1, layer, family)));
    let (number, layer, family) = layers.next()?;
    let count = 1 + layers.count();
    let reason = format!(
        "{count} of {} layers are in a format that snapshotter `{}` would not unpack to files, the first is \
         layer {number} (`{}`) in {family} format; {}, or another tag of the image",
        image.layers.len(),
        image.snapshotter,
        layer.descriptor.digest,
        family.remedy(),
    );
    Some(ImagePlan::foreign(family.code(), reason))
}
