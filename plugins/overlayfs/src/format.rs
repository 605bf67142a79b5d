use std::fmt;

use dray_plugin::snapshotter::Descriptor;

/// Formats of layers that are not an archive of the layer's files.
///
/// eStargz, zstd:chunked and SOCI are not among them: their layers are ordinary archives with an index beside
/// or behind the files, and unpack like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Data layers are blobs of chunks; the top layer is an archive that holds only their index.
    Nydus,
    /// The archive holds one file, a layer of a block device.
    Overlaybd,
    /// The archive holds only an index into the layers of another image.
    TurboOci,
    /// The blob is a file system image.
    Erofs,
}

const NYDUS_BLOB: &str = "application/vnd.oci.image.layer.nydus.blob.v1";
const EROFS_LAYER: &str = "application/vnd.erofs.layer.v1";

const NYDUS_ANNOTATIONS: [&str; 3] = [
    "containerd.io/snapshot/nydus-bootstrap",
    "containerd.io/snapshot/nydus-blob",
    // An ordinary layer that an index refers to. The image's top layer is that index.
    "containerd.io/snapshot/nydus-ref",
];
const TURBO_ANNOTATIONS: [&str; 2] = [
    "containerd.io/snapshot/overlaybd/turbo-oci/target-digest",
    // The spelling of earlier converters.
    "containerd.io/snapshot/overlaybd/fastoci/target-digest",
];
const OVERLAYBD_ANNOTATIONS: [&str; 2] =
    ["containerd.io/snapshot/overlaybd/blob-digest", "containerd.io/snapshot/overlaybd/blob-size"];

impl Format {
    /// What the descriptor of a layer says about its format; `None` for ordinary layers.
    pub(crate) fn of(layer: &Descriptor) -> Option<Self> {
        let marked = |keys: &[&str]| keys.iter().any(|key| layer.annotation(key).is_some());
        if layer.media_type == NYDUS_BLOB || marked(&NYDUS_ANNOTATIONS) {
            Some(Self::Nydus)
        // Turbo layers carry the annotations of overlaybd as well.
        } else if marked(&TURBO_ANNOTATIONS) {
            Some(Self::TurboOci)
        } else if marked(&OVERLAYBD_ANNOTATIONS) {
            Some(Self::Overlaybd)
        // With a suffix for how the image is compressed.
        } else if layer.media_type.starts_with(EROFS_LAYER) {
            Some(Self::Erofs)
        } else {
            None
        }
    }

    /// The code of the verdict.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Nydus => "nydus-image",
            Self::Overlaybd => "overlaybd-image",
            Self::TurboOci => "turbo-oci-image",
            Self::Erofs => "erofs-image",
        }
    }

    /// What to do instead.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Nydus => "use snapshotter `nydus` with a plugin for it",
            Self::Overlaybd | Self::TurboOci => "use snapshotter `overlaybd` with a plugin for it",
            Self::Erofs => "use snapshotter `erofs` of containerd 2.3 or later with a plugin for it",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nydus => "nydus",
            Self::Overlaybd => "overlaybd",
            Self::TurboOci => "TurboOCI",
            Self::Erofs => "EROFS",
        })
    }
}
