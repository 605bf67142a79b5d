//! The forms of images, each with files that tell whether a container sees its layers.

use std::fmt;

use dray_tests::image::samples::{self, content, entries, estargz, of, plain, zstd_chunked};
use dray_tests::image::{Content, Image, nydus, overlaybd, sha256};
use dray_tests::tools::Missing;

use crate::{Scene, assert_file};

/// A form of image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Estargz,
    ZstdChunked,
    /// eStargz and ordinary layers by turns.
    Mixed,
    /// An image that does not tell of its SOCI index.
    SociV1,
    SociV2,
    Overlaybd,
    Turbo,
    Nydus,
    PlainOnOverlaybd,
    OverlaybdOnPlain,
    PlainOnNydus,
}

impl Form {
    pub(crate) const ALL: [Self; 12] = [
        Self::Plain,
        Self::Estargz,
        Self::ZstdChunked,
        Self::Mixed,
        Self::SociV1,
        Self::SociV2,
        Self::Overlaybd,
        Self::Turbo,
        Self::Nydus,
        Self::PlainOnOverlaybd,
        Self::OverlaybdOnPlain,
        Self::PlainOnNydus,
    ];

    /// Adds an image to the registry. Each name gives other layers, except to those of overlaybd: a node can have one of each
    /// form.
    pub(crate) fn add(self, scene: &Scene, name: &str) -> Result<Sample, Missing> {
        let layers = |make: fn(&str, usize) -> _| of((0..2).map(|number| make(name, number)));
        let nydus = || nydus::layers(&[entries(name, 0), entries(name, 1)]);
        let overlaybd = |seeds: [u8; 2]| seeds.map(overlaybd::native);
        let image = match self {
            Self::Plain => layers(plain),
            Self::Estargz => layers(estargz),
            Self::ZstdChunked => layers(zstd_chunked),
            Self::Mixed => of([estargz(name, 0), plain(name, 1), estargz(name, 2), plain(name, 3)]),
            Self::SociV1 => {
                let (image, index, tag) = samples::soci_v1(name, 2);
                scene.registry.add(&index, name, &tag);
                image
            }
            Self::SociV2 => {
                let (image, bundle) = samples::soci_v2(name, 2, 2);
                return Ok(self.added(scene, name, image, &bundle));
            }
            Self::Overlaybd => of(overlaybd([1, 2])),
            Self::Turbo => {
                let target = sha256(plain(name, 0).blob());
                of([3, 4].map(|seed| overlaybd::turbo(seed, &target)))
            }
            Self::Nydus => of(nydus()?),
            Self::PlainOnOverlaybd => of(overlaybd([5, 6]).into_iter().chain([plain(name, 0)])),
            Self::OverlaybdOnPlain => of([plain(name, 0), overlaybd::native(7)]),
            Self::PlainOnNydus => of(nydus()?.into_iter().chain([plain(name, 2)])),
        };
        let copy = image.clone();
        Ok(self.added(scene, name, image, &copy))
    }

    fn added(self, scene: &Scene, name: &str, image: Image, content: &dyn Content) -> Sample {
        scene.add(name, content);
        // The bootstrap of nydus has no files of its own.
        let top = image.layers.len() - if self == Self::Nydus { 2 } else { 1 };
        Sample { name: name.to_owned(), image, top, is_device: matches!(self, Self::Overlaybd | Self::Turbo) }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Estargz => "eStargz",
            Self::ZstdChunked => "zstd:chunked",
            Self::Mixed => "eStargz and plain layers",
            Self::SociV1 => "SOCI index v1",
            Self::SociV2 => "SOCI index v2",
            Self::Overlaybd => "overlaybd",
            Self::Turbo => "TurboOCI",
            Self::Nydus => "nydus",
            Self::PlainOnOverlaybd => "plain on overlaybd",
            Self::OverlaybdOnPlain => "overlaybd on plain",
            Self::PlainOnNydus => "plain on nydus",
        })
    }
}

/// An image of a form.
pub(crate) struct Sample {
    name: String,
    pub(crate) image: Image,
    /// The top layer with files, counted from 0.
    top: usize,
    /// Whether it is a block device, which only a kernel with TCMU can attach.
    pub(crate) is_device: bool,
}

impl Sample {
    /// Checks the files of the bottom and the top layer.
    pub(crate) fn assert_readable(&self, scene: &Scene, snapshotter: &str) {
        let name = &self.name;
        let tree = scene.tree(snapshotter, name, &self.image);
        for number in [0, self.top] {
            assert_file(&tree, &format!("data/{name}{number}"), &content(name, number));
        }
    }
}
