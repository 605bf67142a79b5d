//! The types of a component. The host takes them apart itself, so that it never follows them by calling itself, and must
//! find the same as the validator.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wasmparser::{BinaryReader, ComponentTypeSectionReader};

fuzz_target!(|types: &[u8]| {
    let component = component(types);
    let is_taken_apart = dray_fuzz::plugin::is_taken_apart(&component);
    dray_fuzz::plugin::looks(&component);
    // Where it is not too deep, the reader of the validator can be asked as well.
    if dray_fuzz::plugin::is_light(&component) || (!is_taken_apart && types.len() < 1000) {
        let section = ComponentTypeSectionReader::new(BinaryReader::new(types, 0));
        let is_read = section.is_ok_and(|types| types.into_iter().all(|ty| ty.is_ok()));
        assert!(is_taken_apart || !is_read, "the validator reads what the host does not");
    }
});

/// A component with one section.
fn component(types: &[u8]) -> Vec<u8> {
    let mut component = b"\0asm\x0d\0\x01\0\x07".to_vec();
    let mut length = types.len();
    while length >= 0x80 {
        component.push((length & 0x7f).to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    component.push(length.to_le_bytes()[0]);
    component.extend(types);
    component
}
