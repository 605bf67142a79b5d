//! The key of compiled code.

use std::env::consts::{ARCH, OS};
use std::fmt::Write as _;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

use super::directory::is_hex;
use crate::{Grants, PluginKind, imports};
use dray_core::oci::Digest;

/// A hash of everything that determines the code of a component, and whether it may be used.
pub(super) struct Key([u8; 32]);

impl Key {
    /// The key for a component that was compiled by this program, for one kind of plugin with these grants.
    pub(super) fn new(engine: &Engine, component: &Digest, kind: PluginKind, grants: &Grants) -> Self {
        let mut parts = Parts(Sha256::new());
        for part in [component.as_str(), kind.as_str(), ARCH, OS] {
            part.hash(&mut parts);
        }
        grants.hash(&mut parts);
        BUILD.hash(&mut parts);
        // The version and settings of the compiler, and the features of the processor.
        engine.precompile_compatibility_hash().hash(&mut parts);
        Self(parts.0.finalize().into())
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Name of the entry.
    pub(super) fn file_name(&self) -> String {
        let mut name = String::with_capacity(self.0.len() * 2 + SUFFIX.len());
        for byte in self.0 {
            let _ = write!(name, "{byte:02x}");
        }
        name + SUFFIX
    }
}

/// A hash of the plugin interface and of the offered imports. The component of an entry was checked against both, and
/// two builds of one version may differ in them.
pub(super) fn build() -> &'static [u8; 32] {
    &BUILD
}

static BUILD: LazyLock<[u8; 32]> = LazyLock::new(|| {
    let mut parts = Parts(Sha256::new());
    for text in [env!("CARGO_PKG_VERSION")].into_iter().chain(WIT) {
        text.hash(&mut parts);
    }
    imports::offered().hash(&mut parts);
    parts.0.finalize().into()
});

const WIT: [&str; 7] = [
    include_str!("../../../../wit/types/world.wit"),
    include_str!("../../../../wit/types/oci.wit"),
    include_str!("../../../../wit/types/errors.wit"),
    include_str!("../../../../wit/types/describe.wit"),
    include_str!("../../../../wit/host/host.wit"),
    include_str!("../../../../wit/snapshotter/planner.wit"),
    include_str!("../../../../wit/platform/matcher.wit"),
];

const SUFFIX: &str = ".compiled";

/// Whether a file name is that of an entry.
pub(super) fn is_file_name(name: &str) -> bool {
    name.strip_suffix(SUFFIX).is_some_and(|key| key.len() == 64 && is_hex(key))
}

/// Passes the input of a standard `Hasher` to SHA-256.
struct Parts(Sha256);

impl Hasher for Parts {
    fn write(&mut self, bytes: &[u8]) {
        // The length separates adjacent parts.
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // Not used: the whole hash is taken at the end.
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dray_core::oci::Algorithm;
    use dray_core::verify::digest_of;

    #[test]
    fn code_that_was_checked_with_a_grant_is_not_found_without_it() {
        let engine = Engine::new(&crate::engine::config()).unwrap();
        let component = digest_of(Algorithm::Sha256, b"component");
        let name = |grants| Key::new(&engine, &component, PluginKind::Snapshotter, &grants).file_name();
        assert_eq!(name(Grants::none()), name(Grants::none()));
        assert_ne!(name(Grants::none()), name(Grants::of(["content"])));
        assert_ne!(name(Grants::of(["referrers"])), name(Grants::of(["content"])));
    }

    /// A file that is missing in the list could change the interface without changing the key.
    #[test]
    fn the_whole_interface_is_in_the_key() {
        let mut open = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))];
        let mut files = 0;
        while let Some(path) = open.pop() {
            if path.ends_with("deps") || path.ends_with("released") {
                // Copies, which a test of the interface compares, and earlier releases.
            } else if path.is_dir() {
                open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|extension| extension == "wit") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(WIT.contains(&text.as_str()), "{} is not in the key", path.display());
                files += 1;
            }
        }
        assert_eq!(files, WIT.len());
    }
}
