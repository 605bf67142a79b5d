//! The plugins that come with the program. They take the same way as any other.

/// Name and bytes of each.
pub(super) const EMBEDDED: [(&str, &[u8]); 2] = [
    ("overlayfs", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist/overlayfs.wasm"))),
    ("platform", include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/dist/platform.wasm"))),
];
