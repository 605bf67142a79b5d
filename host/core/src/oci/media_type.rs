use std::fmt;

use serde::{Deserialize, Serialize};

/// The media type of a blob, as written in a descriptor.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(Box<str>);

/// What a media type means to a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// An OCI image index or a Docker manifest list.
    Index,
    /// An OCI or Docker image manifest.
    Manifest,
    /// A Docker schema 1 manifest, an obsolete format.
    Schema1,
    /// An image config, or one of containerd's checkpoint configs.
    ImageConfig,
    /// A changeset of the root file system, with any compression.
    Layer,
    /// Anything else.
    Other,
}

const DOCKER_LAYERS: [&str; 5] = [
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

impl MediaType {
    /// `application/vnd.oci.image.index.v1+json`.
    pub const OCI_INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    /// `application/vnd.oci.image.manifest.v1+json`.
    pub const OCI_MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    /// `application/vnd.oci.image.config.v1+json`.
    pub const OCI_CONFIG: &'static str = "application/vnd.oci.image.config.v1+json";
    /// `application/vnd.docker.distribution.manifest.list.v2+json`.
    pub const DOCKER_LIST: &'static str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// `application/vnd.docker.distribution.manifest.v2+json`.
    pub const DOCKER_MANIFEST: &'static str = "application/vnd.docker.distribution.manifest.v2+json";
    /// `application/vnd.docker.container.image.v1+json`.
    pub const DOCKER_CONFIG: &'static str = "application/vnd.docker.container.image.v1+json";

    /// `application/vnd.docker.distribution.manifest.v1+json`.
    pub const SCHEMA1: &'static str = "application/vnd.docker.distribution.manifest.v1+json";

    /// Takes a media type as written, in upper or lower case (RFC 6838, section 4.2). Drops parameters (after a
    /// semicolon) and surrounding blanks.
    pub fn new(text: &str) -> Self {
        Self(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The meaning of the media type for a pull, by containerd's rules.
    pub fn kind(&self) -> MediaKind {
        match &*self.0 {
            Self::OCI_INDEX | Self::DOCKER_LIST => MediaKind::Index,
            Self::OCI_MANIFEST | Self::DOCKER_MANIFEST => MediaKind::Manifest,
            Self::SCHEMA1 | "application/vnd.docker.distribution.manifest.v1+prettyjws" => MediaKind::Schema1,
            Self::OCI_CONFIG
            | Self::DOCKER_CONFIG
            | "application/vnd.containerd.container.checkpoint.config.v1+proto"
            | "application/vnd.containerd.container.checkpoint.options.v1+proto"
            | "application/vnd.containerd.container.checkpoint.runtime.name+proto"
            | "application/vnd.containerd.container.checkpoint.runtime.options+proto" => {
                MediaKind::ImageConfig
            }
            other if other.starts_with("application/vnd.oci.image.layer.") => MediaKind::Layer,
            other => {
                let base = other.split('+').next().unwrap_or_default();
                if DOCKER_LAYERS.contains(&base) { MediaKind::Layer } else { MediaKind::Other }
            }
        }
    }

    /// Whether the layer must be decrypted before it is unpacked.
    pub fn is_encrypted(&self) -> bool {
        self.kind() == MediaKind::Layer && self.0.ends_with("+encrypted")
    }

    /// Whether this is the config of an image that can be unpacked.
    pub fn is_image_config(&self) -> bool {
        matches!(&*self.0, Self::OCI_CONFIG | Self::DOCKER_CONFIG)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_have_the_kinds_of_containerd() {
        for (text, kind) in [
            ("application/vnd.oci.image.index.v1+json", MediaKind::Index),
            ("application/vnd.oci.image.manifest.v1+json; charset=utf-8", MediaKind::Manifest),
            ("Application/Vnd.OCI.Image.Manifest.V1+JSON", MediaKind::Manifest),
            ("application/vnd.oci.image.layer.v1.tar+zstd", MediaKind::Layer),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", MediaKind::Layer),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", MediaKind::Layer),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip+encrypted", MediaKind::Layer),
            ("application/vnd.docker.container.image.v1+json", MediaKind::ImageConfig),
            ("application/vnd.docker.distribution.manifest.v1+prettyjws", MediaKind::Schema1),
            ("application/vnd.in-toto+json", MediaKind::Other),
            ("", MediaKind::Other),
        ] {
            assert_eq!(MediaType::new(text).kind(), kind, "{text}");
        }
    }
}
