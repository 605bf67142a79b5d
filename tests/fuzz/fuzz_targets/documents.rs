//! Index, manifest and image config of a registry. What the digest says is right is not yet sensible.

#![no_main]

use dray_fuzz::oci::{AnyManifest, ImageConfig, Index, Platform};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let host = Platform::new("linux", "amd64", "");
    if let Ok(index) = Index::parse(bytes) {
        for entry in &index.manifests {
            let _ = entry.media_type.kind();
            let _ = entry.platform.as_ref().map(|platform| platform.normalized(&host).to_string());
        }
    }
    let manifest = AnyManifest::parse(bytes);
    // The same document cannot be both.
    assert!(manifest.is_err() || Index::parse(bytes).is_err());
    if let Ok(AnyManifest::Image(manifest)) = manifest {
        let _ = manifest.layers.iter().filter(|layer| layer.media_type.is_encrypted()).count();
    }
    if let Ok(config) = ImageConfig::parse(bytes) {
        let _ = config.platform.normalized(&host);
        let stack = dray_fuzz::oci::ChainId::stack(&config.diff_ids);
        assert_eq!(stack.len(), config.diff_ids.len());
    }
});
