//! Docker's configuration file, which many programs write.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (host, file) = input;
    dray_fuzz::registry::fuzzing::docker_config(file, host);
});
