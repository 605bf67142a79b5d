//! Platforms that a user typed.

#![no_main]

use dray_fuzz::oci::Platform;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let host = Platform::new("linux", "amd64", "");
    let Ok(platform) = Platform::parse(text, &host) else { return };
    let normal = platform.normalized(&host);
    assert_eq!(normal.normalized(&host), normal, "the normal form is its own");
    let _ = platform.to_string();
});
