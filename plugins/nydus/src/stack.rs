use dray_formats::{Family, Format};
use dray_plugin::snapshotter::{Image, ImagePlan};

/// The verdict on an image that has layers in nydus format, and is no image that a container can see as a whole.
pub(crate) fn refusal(image: &Image, formats: &[Format<'_>]) -> Option<ImagePlan> {
    let is_nydus = |format: &Format<'_>| format.family() == Some(Family::Nydus);
    if !formats.iter().any(is_nydus) {
        return None;
    }
    let bootstrap = formats.iter().position(|format| *format == Format::NydusBootstrap);
    let Some(bootstrap) = bootstrap else {
        let data = formats.iter().position(is_nydus).unwrap_or_default();
        return Some(foreign(
            image,
            data,
            "no-bootstrap",
            "is in nydus format, and the image has no layer with its index",
        ));
    };
    if let Some(other) = formats[..bootstrap].iter().position(|format| !is_nydus(format)) {
        return Some(foreign(
            image,
            other,
            "plain-in-nydus",
            "is an archive under the index of a nydus image, which does not list it",
        ));
    }
    (bootstrap + 1 < formats.len()).then(|| {
        foreign(
            image,
            bootstrap + 1,
            "plain-on-nydus",
            "stands on a nydus image, of which a container would see nothing",
        )
    })
}

fn foreign(image: &Image, at: usize, code: &str, why: &str) -> ImagePlan {
    let reason = format!(
        "layer {} of {} (`{}`) {why}; convert the whole image, or use another tag of it",
        at + 1,
        image.layers.len(),
        image.layers[at].descriptor.digest,
    );
    ImagePlan::foreign(code, reason)
}
