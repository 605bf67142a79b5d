//! `WWW-Authenticate` of a registry.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|fields: &[u8]| dray_fuzz::registry::fuzzing::challenges(fields));
