//! The plugins that come with the program. They take the same way as any other.

use super::PluginKind;

/// A plugin that comes with the program.
pub(super) struct Embedded {
    pub(super) name: &'static str,
    pub(super) kind: PluginKind,
    pub(super) bytes: &'static [u8],
}

pub(super) const EMBEDDED: [Embedded; 2] = [
    Embedded {
        name: "overlayfs",
        kind: PluginKind::Snapshotter,
        bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist/overlayfs.wasm")),
    },
    Embedded {
        name: "platform",
        kind: PluginKind::Platform,
        bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist/platform.wasm")),
    },
];

/// The embedded plugin of a name.
pub(super) fn find(name: &str) -> Option<&'static Embedded> {
    EMBEDDED.iter().find(|embedded| embedded.name == name)
}
