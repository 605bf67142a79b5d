use crate::oci::{Annotations, Descriptor};
use crate::snapshotter::{Image, Layer};
use crate::testing::platform;

const TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Builds an image to plan for, bottom layer first, with digests that are made up but distinct.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    image: Image,
}

impl ImageBuilder {
    /// An image without layers, for `linux/amd64`, pulled into the snapshotter of this registered name.
    pub fn new(snapshotter: &str) -> Self {
        let manifest = descriptor("application/vnd.oci.image.manifest.v1+json", 1, 1024);
        let config = descriptor("application/vnd.oci.image.config.v1+json", 2, 512);
        Self {
            image: Image {
                reference: "example.org/image:tag".to_owned(),
                canonical: "example.org/image:tag".to_owned(),
                snapshotter: snapshotter.to_owned(),
                index: None,
                manifest,
                manifest_annotations: Vec::new(),
                config,
                config_labels: Vec::new(),
                platform: platform("linux/amd64"),
                layers: Vec::new(),
                extensions: Vec::new(),
            },
        }
    }

    /// Chosen from an index.
    #[must_use]
    pub fn indexed(mut self) -> Self {
        self.image.index = Some(descriptor("application/vnd.oci.image.index.v1+json", 3, 2048));
        self
    }

    /// Made for another platform; see [`platform`](super::platform).
    #[must_use]
    pub fn platform(mut self, text: &str) -> Self {
        self.image.platform = platform(text);
        self
    }

    /// With an annotation of the manifest.
    #[must_use]
    pub fn manifest_annotation(mut self, key: &str, value: &str) -> Self {
        annotate(&mut self.image.manifest_annotations, key, value);
        self
    }

    /// With a label in the image config.
    #[must_use]
    pub fn config_label(mut self, key: &str, value: &str) -> Self {
        annotate(&mut self.image.config_labels, key, value);
        self
    }

    /// One more layer on top, an ordinary compressed archive unless told otherwise.
    pub fn layer(mut self) -> LayerBuilder {
        let number = self.image.layers.len() as u64;
        self.image.layers.push(Layer {
            descriptor: descriptor(TAR_GZIP, 0x1_0000 + number, 1 << 20),
            diff_id: digest(0x2_0000 + number),
            chain_id: digest(0x3_0000 + number),
            extensions: Vec::new(),
        });
        LayerBuilder { image: self }
    }

    /// The image.
    ///
    /// # Panics
    ///
    /// When it has no layer: the host does not ask about such images.
    pub fn build(self) -> Image {
        assert!(!self.image.layers.is_empty(), "an image to plan for has at least one layer");
        self.image
    }
}

/// The topmost layer of an image that is being built.
#[derive(Clone, Debug)]
pub struct LayerBuilder {
    image: ImageBuilder,
}

impl LayerBuilder {
    /// Of another media type.
    #[must_use]
    pub fn media_type(mut self, media_type: &str) -> Self {
        media_type.clone_into(&mut self.descriptor().media_type);
        self
    }

    /// Of another size.
    #[must_use]
    pub fn size(mut self, size: u64) -> Self {
        self.descriptor().size = size;
        self
    }

    /// With an annotation.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        annotate(&mut self.descriptor().annotations, key, value);
        self
    }

    /// One more layer on top of this one.
    #[must_use]
    pub fn layer(self) -> Self {
        self.image.layer()
    }

    /// The image.
    pub fn build(self) -> Image {
        self.image.build()
    }

    fn descriptor(&mut self) -> &mut Descriptor {
        let layers = &mut self.image.image.layers;
        &mut layers.last_mut().expect("a layer builder begins with a layer").descriptor
    }
}

fn annotate(annotations: &mut Annotations, key: &str, value: &str) {
    annotations.retain(|(name, _)| name != key);
    annotations.push((key.to_owned(), value.to_owned()));
    annotations.sort();
}

fn descriptor(media_type: &str, number: u64, size: u64) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest(number),
        size,
        annotations: Vec::new(),
        urls: Vec::new(),
        artifact_type: None,
    }
}

fn digest(number: u64) -> String {
    format!("sha256:{number:064x}")
}
