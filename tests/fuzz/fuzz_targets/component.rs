//! Components, which are weighed, validated and compared with what this host has. The time limit and the memory limit of
//! the run are part of what is tested.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if dray_fuzz::plugin::looks(bytes) {
        assert!(dray_fuzz::plugin::is_light(bytes), "only what has been weighed is read");
    }
});
