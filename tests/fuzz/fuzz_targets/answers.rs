//! What a registry or its token server answers beside images: tokens, errors, warnings.

#![no_main]

use dray_fuzz::registry::fuzzing::{token, words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    token(body);
    let [reason, warning] = words(body);
    // An error is shown as it is, a warning after it has been made harmless.
    assert!(!reason.is_some_and(|reason| reason.contains(char::is_control)));
    assert!(!warning.is_some_and(|warning| warning.trim().is_empty()));
});
