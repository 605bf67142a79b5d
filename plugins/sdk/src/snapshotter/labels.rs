//! Labels that the daemons of remote snapshotters read, with the values that containerd's own client gives them.
//!
//! A daemon trusts them: it serves the layer that they name. So take their values from the image's fields, which
//! the host verified, and never from an annotation of the same name, which the image's author wrote.

use super::{Image, Layer};
use crate::oci::Annotations;

/// The reference of the image.
pub const IMAGE_REF: &str = "containerd.io/snapshot/cri.image-ref";
/// Digest of the image's manifest.
pub const MANIFEST_DIGEST: &str = "containerd.io/snapshot/cri.manifest-digest";
/// Digest of the layer's blob.
pub const LAYER_DIGEST: &str = "containerd.io/snapshot/cri.layer-digest";
/// Digests of the layer's blob and of those above it, as many as fit.
pub const IMAGE_LAYERS: &str = "containerd.io/snapshot/cri.image-layers";
/// The label that several snapshotters leave on the snapshot of a layer that they serve lazily.
pub const REMOTE: &str = "containerd.io/snapshot/remote";

/// Largest label, key and value together. containerd refuses the whole question for a larger one.
const LABEL_BYTES: usize = 4096;

impl Image {
    /// The four labels by which a daemon finds a layer. `from_here` are the layers that the daemon may prepare at
    /// the same time: this one, and those above it that are of use to the daemon.
    pub fn remote_labels<'a>(
        &self,
        layer: &Layer,
        from_here: impl IntoIterator<Item = &'a Layer>,
    ) -> Annotations {
        let digests = from_here.into_iter().map(|layer| layer.descriptor.digest.as_str());
        let texts = [
            (IMAGE_REF, self.canonical.clone()),
            (MANIFEST_DIGEST, self.manifest.digest.clone()),
            (LAYER_DIGEST, layer.descriptor.digest.clone()),
            (IMAGE_LAYERS, list(IMAGE_LAYERS, digests).0),
        ];
        texts.map(|(key, value)| (key.to_owned(), value)).into()
    }
}

/// Joins items with commas, as many from the first on as fit into a label of this key, and counts them.
pub fn list(key: &str, items: impl IntoIterator<Item = impl AsRef<str>>) -> (String, usize) {
    let mut value = String::new();
    let mut count = 0;
    for item in items {
        let item = item.as_ref();
        let comma = usize::from(count > 0);
        if key.len() + value.len() + comma + item.len() > LABEL_BYTES {
            break;
        }
        if count > 0 {
            value.push(',');
        }
        value.push_str(item);
        count += 1;
    }
    (value, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ImageBuilder;

    fn image(layers: usize) -> Image {
        (1..layers).fold(ImageBuilder::new("some").layer(), |image, _| image.layer()).build()
    }

    #[test]
    fn a_list_ends_with_the_last_item_that_fits() {
        assert_eq!(list("k", ["a", "", "b"]), ("a,,b".to_owned(), 3));
        assert_eq!(list("k", [""; 0]), (String::new(), 0));
        let fits = "x".repeat(LABEL_BYTES - 3);
        assert_eq!(list("k", [fits.as_str(), "y"]), (format!("{fits},y"), 2));
        assert_eq!(list("k", [fits.as_str(), "yz"]), (fits.clone(), 1));
        assert_eq!(list("", [fits.as_str(), "yz"]).1, 2);
        assert_eq!(list("", [fits.as_str(), "yzz"]).1, 1);
    }

    #[test]
    fn the_labels_of_a_layer_name_it_and_those_above() {
        let image = image(3);
        let digest = |at: usize| image.layers[at].descriptor.digest.as_str();
        let labels = image.remote_labels(&image.layers[1], &image.layers[1..]);
        let expected = [
            (IMAGE_REF, "example.org/image:tag"),
            (MANIFEST_DIGEST, &image.manifest.digest),
            (LAYER_DIGEST, digest(1)),
            (IMAGE_LAYERS, &format!("{},{}", digest(1), digest(2))),
        ];
        assert_eq!(labels, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_list_has_as_many_layers_as_that_of_containerd() {
        let image = image(512);
        let labels = image.remote_labels(&image.layers[0], &image.layers);
        let (key, value) = labels.last().unwrap();
        assert_eq!((key.len() + value.len(), value.split(',').count()), (4070, 56));
    }
}
