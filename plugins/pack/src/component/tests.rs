use std::fs;

use super::*;
use crate::{Kind, PLUGINS, dist, tree};

const LARGEST: usize = 150 * 1024;

/// A module that imports one function and exports nothing.
const ASKS_FOR_A_CLOCK: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x04\x01\x60\0\0\
    \x02\x18\x01\x0fwasi:clocks/now\x04read\0\0";

#[test]
fn the_components_import_what_needs_no_grant_and_export_their_kind() {
    let tree = tree().unwrap();
    for (name, kind) in PLUGINS {
        let component = fs::read(dist(&tree).join(format!("{name}.wasm"))).unwrap();
        assert!(component.len() <= LARGEST, "{name} has {} bytes", component.len());
        for import in imports(&component).unwrap() {
            assert!(IMPORTS.contains(&import.as_str()), "{name} imports {import}");
        }
        let of_its_kind = match kind {
            Kind::Snapshotter => "dray:snapshotter/planner@0.1.0",
            Kind::Platform => "dray:platform/matcher@0.1.0",
        };
        let mut exports = exports(&component).unwrap();
        exports.sort();
        let mut expected = vec!["dray:types/describe@0.1.0".to_owned(), of_its_kind.to_owned()];
        expected.sort();
        assert_eq!(exports, expected, "{name}");
    }
}

#[test]
fn the_components_hold_no_path_of_the_machine_that_built_them() {
    let tree = tree().unwrap();
    for (name, _) in PLUGINS {
        let component = fs::read(dist(&tree).join(format!("{name}.wasm"))).unwrap();
        for path in ["/root/", "/home/", "/usr/", "/Users/", &*tree.to_string_lossy()] {
            let found = component.windows(path.len()).any(|window| window == path.as_bytes());
            assert!(!found, "`{path}` is in {name}");
        }
    }
}

#[test]
fn what_is_not_a_plugin_is_refused() {
    assert!(encode(b"not a module", None).is_err());
    let error = encode(ASKS_FOR_A_CLOCK, None).unwrap_err();
    assert!(format!("{error:#}").contains("wasi:clocks"), "{error:#}");
}
