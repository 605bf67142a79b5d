//! A `hosts.toml`, with the name of the registry whose file it is.

#![no_main]

use std::path::Path;

use dray_fuzz::registry::{is_registry_name, parse_hosts_file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (name, file) = input;
    let _ = is_registry_name(name);
    match parse_hosts_file(file, Path::new("/etc/containerd/certs.d/registry")) {
        // The same file is the same servers.
        Ok(hosts) => {
            assert_eq!(parse_hosts_file(file, Path::new("/etc/containerd/certs.d/registry")), Ok(hosts))
        }
        // An author can find the place.
        Err(error) => {
            let lines = file.split(|byte| *byte == b'\n').count();
            assert!((1..=lines).contains(&error.line) && error.column >= 1, "{error}");
            assert!(!error.problem.is_empty());
        }
    }
});
