use std::fmt;

use dray_plugin::snapshotter::Descriptor;

use crate::is_digest;

/// The annotations that say what a layer is. They are labels as well: a snapshotter reads those that a plan
/// passes on.
pub mod annotations {
    /// Digest of the table of contents of an eStargz or zstd:chunked layer.
    pub const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";
    /// Digest of an overlaybd layer's blob.
    pub const OVERLAYBD_DIGEST: &str = "containerd.io/snapshot/overlaybd/blob-digest";
    /// Size of an overlaybd layer's blob in bytes.
    pub const OVERLAYBD_SIZE: &str = "containerd.io/snapshot/overlaybd/blob-size";
    /// `yes` on a layer that holds only a trace of what is read first.
    pub const OVERLAYBD_ACCELERATION: &str = "containerd.io/snapshot/overlaybd/acceleration-layer";
    /// Digest of the layer that a TurboOCI layer is an index of.
    pub const TURBO_DIGEST: &str = "containerd.io/snapshot/overlaybd/turbo-oci/target-digest";
    /// Its media type.
    pub const TURBO_MEDIA_TYPE: &str = "containerd.io/snapshot/overlaybd/turbo-oci/target-media-type";
    /// [`TURBO_DIGEST`], as earlier converters spell it.
    pub const FAST_DIGEST: &str = "containerd.io/snapshot/overlaybd/fastoci/target-digest";
    /// [`TURBO_MEDIA_TYPE`], as earlier converters spell it.
    pub const FAST_MEDIA_TYPE: &str = "containerd.io/snapshot/overlaybd/fastoci/target-media-type";
    /// `true` on a nydus layer that is a blob of chunks.
    pub const NYDUS_BLOB: &str = "containerd.io/snapshot/nydus-blob";
    /// `true` on the nydus layer that holds the index of all others.
    pub const NYDUS_BOOTSTRAP: &str = "containerd.io/snapshot/nydus-bootstrap";
    /// Digest of the ordinary archive that a nydus image reads in the place of a blob of chunks.
    pub const NYDUS_REFERENCE: &str = "containerd.io/snapshot/nydus-ref";
}

const NYDUS_MEDIA_TYPE: &str = "application/vnd.oci.image.layer.nydus.blob.v1";
/// With a suffix for how the image is compressed.
const EROFS_MEDIA_TYPE: &str = "application/vnd.erofs.layer.v1";
/// The table of contents of a zstd:chunked layer, as Podman and its relatives write and read it.
const PODMAN_TOC_DIGEST: &str = "io.containers.zstd-chunked.manifest-checksum";

/// The media types of archives, up to how they are compressed.
const ARCHIVES: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

/// What a layer is, as far as its descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format<'a> {
    /// An archive of the layer's files, compressed or not.
    Plain,
    /// The same, encrypted.
    Encrypted,
    /// An archive that gzip compressed in pieces, with a table of contents behind the files.
    Estargz {
        /// Digest of the table.
        toc: &'a str,
    },
    /// An archive that zstd compressed in pieces, with a table of contents behind the files.
    ZstdChunked {
        /// Digest of the table.
        toc: &'a str,
    },
    /// The same, but its table is named by annotations that no snapshotter of containerd reads.
    ZstdChunkedOfPodman,
    /// An archive of one file, which is a layer of a block device.
    Overlaybd,
    /// An archive that holds a trace of what is read first from the overlaybd layers below.
    OverlaybdAcceleration,
    /// An archive that holds an index of another image's layer.
    Turbo {
        /// Digest of that layer.
        target: &'a str,
        /// Its media type; empty if it is not stated.
        target_media_type: &'a str,
        /// Whether the annotations are those of earlier converters.
        is_early: bool,
    },
    /// A blob of chunks.
    NydusData,
    /// An ordinary archive that a nydus image reads in the place of a blob of chunks.
    NydusReference {
        /// Digest of the archive.
        archive: &'a str,
    },
    /// An archive that holds the index of the nydus layers below.
    NydusBootstrap,
    /// A file system image.
    Erofs,
    /// Of a media type that is not known to be an archive.
    Unknown,
}

/// Formats that are not archives of a layer's files, by the snapshotter that they need. Any other snapshotter
/// would unpack something else than the layer's files, often without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Needs nydus.
    Nydus,
    /// Needs overlaybd.
    Overlaybd,
    /// Needs overlaybd, too.
    TurboOci,
    /// Needs erofs.
    Erofs,
}

impl<'a> Format<'a> {
    /// What the descriptor of a layer says.
    ///
    /// Annotations of another form than their format gives them do not count, unless an archive is taken for
    /// something else by what is left of them: the one mistake costs a container, the other costs time.
    pub fn of(layer: &'a Descriptor) -> Self {
        Self::not_an_archive(layer).unwrap_or_else(|| Self::archive(layer))
    }

    fn not_an_archive(layer: &'a Descriptor) -> Option<Self> {
        let annotation = |key| layer.annotation(key);
        let marked = |key| annotation(key).is_some();
        let turbo = |digest, media_type, is_early| {
            annotation(digest).map(|target| Self::Turbo {
                target,
                target_media_type: annotation(media_type).unwrap_or_default(),
                is_early,
            })
        };
        if marked(annotations::NYDUS_BOOTSTRAP) {
            return Some(Self::NydusBootstrap);
        }
        if layer.media_type == NYDUS_MEDIA_TYPE {
            return Some(Self::NydusData);
        }
        if let Some(archive) = annotation(annotations::NYDUS_REFERENCE) {
            return Some(Self::NydusReference { archive });
        }
        if marked(annotations::NYDUS_BLOB) {
            return Some(Self::NydusData);
        }
        // These layers have the annotations of overlaybd as well.
        if annotation(annotations::OVERLAYBD_ACCELERATION) == Some("yes") {
            return Some(Self::OverlaybdAcceleration);
        }
        if let Some(turbo) = turbo(annotations::TURBO_DIGEST, annotations::TURBO_MEDIA_TYPE, false)
            .or_else(|| turbo(annotations::FAST_DIGEST, annotations::FAST_MEDIA_TYPE, true))
        {
            return Some(turbo);
        }
        if marked(annotations::OVERLAYBD_DIGEST) || marked(annotations::OVERLAYBD_SIZE) {
            return Some(Self::Overlaybd);
        }
        layer.media_type.starts_with(EROFS_MEDIA_TYPE).then_some(Self::Erofs)
    }

    fn archive(layer: &'a Descriptor) -> Self {
        let archive = ARCHIVES.into_iter().find_map(|archive| layer.media_type.strip_prefix(archive));
        // Docker writes a dot where OCI writes a plus sign.
        let compression = archive.map(|suffix| suffix.trim_start_matches(['+', '.']));
        let toc = layer.annotation(annotations::TOC_DIGEST).filter(|toc| is_digest(toc));
        match (compression, toc) {
            (Some("gzip"), Some(toc)) => Self::Estargz { toc },
            (Some("zstd"), Some(toc)) => Self::ZstdChunked { toc },
            (Some("zstd"), None) if layer.annotation(PODMAN_TOC_DIGEST).is_some() => {
                Self::ZstdChunkedOfPodman
            }
            (Some("" | "gzip" | "zstd"), _) => Self::Plain,
            (Some(suffix), _) if suffix.ends_with("+encrypted") || suffix == "encrypted" => Self::Encrypted,
            _ => Self::Unknown,
        }
    }

    /// The snapshotter that the format needs; `None` for archives, which every snapshotter can unpack.
    pub fn family(self) -> Option<Family> {
        match self {
            Self::NydusData | Self::NydusReference { .. } | Self::NydusBootstrap => Some(Family::Nydus),
            Self::Overlaybd | Self::OverlaybdAcceleration => Some(Family::Overlaybd),
            Self::Turbo { .. } => Some(Family::TurboOci),
            Self::Erofs => Some(Family::Erofs),
            Self::Plain
            | Self::Encrypted
            | Self::Estargz { .. }
            | Self::ZstdChunked { .. }
            | Self::ZstdChunkedOfPodman
            | Self::Unknown => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nydus => "nydus",
            Self::Overlaybd => "overlaybd",
            Self::TurboOci => "TurboOCI",
            Self::Erofs => "EROFS",
        })
    }
}
