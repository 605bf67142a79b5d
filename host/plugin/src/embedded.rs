//! The embedded plugins. They are loaded and checked like any other.

use super::PluginKind;

/// An embedded plugin.
pub(super) struct Embedded {
    pub(super) name: &'static str,
    pub(super) kind: PluginKind,
    pub(super) bytes: &'static [u8],
}

/// The component of this name that the build has put beside the sources.
macro_rules! embedded {
    ($name:literal, $kind:expr) => {
        Embedded {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../plugins/dist/",
                $name,
                ".wasm"
            )),
        }
    };
}

/// All of them, in the order of their names.
pub(super) const EMBEDDED: [Embedded; 7] = [
    embedded!("cvmfs", PluginKind::Snapshotter),
    embedded!("nydus", PluginKind::Snapshotter),
    embedded!("overlaybd", PluginKind::Snapshotter),
    embedded!("overlayfs", PluginKind::Snapshotter),
    embedded!("platform", PluginKind::Platform),
    embedded!("soci", PluginKind::Snapshotter),
    embedded!("stargz", PluginKind::Snapshotter),
];

/// The embedded plugin of this name.
pub(super) fn find(name: &str) -> Option<&'static Embedded> {
    EMBEDDED.iter().find(|embedded| embedded.name == name)
}
