//! Digests, which stand in everything that a registry sends.

#![no_main]

use dray_fuzz::oci::Digest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(digest) = Digest::parse(text) else { return };
    assert_eq!(digest.to_string(), text);
    assert_eq!(digest.hex().len(), digest.algorithm().hex_len());
    assert!(digest.hex().starts_with(digest.short()));
});
