//! Text from outside on its way to a terminal.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let shown = dray_fuzz::text::escape::line(text);
    assert!(!shown.chars().any(char::is_control));
    assert!(
        !shown.contains(['\u{202a}', '\u{202b}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}'])
    );
    assert!(shown.chars().count() <= 20_001);
});
