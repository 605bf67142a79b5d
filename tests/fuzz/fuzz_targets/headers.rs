//! `Retry-After` and `Content-Range` of a registry.

#![no_main]

use dray_fuzz::registry::fuzzing::{range_start, retry_after};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|field: &[u8]| {
    if let Some(pause) = retry_after(field) {
        assert_eq!(retry_after(pause.as_secs().to_string().as_bytes()), Some(pause), "seconds say the same");
    }
    if let Some(start) = range_start(field) {
        assert_eq!(range_start(format!("bytes {start}-{start}/*").as_bytes()), Some(start));
    }
});
