//! Prints JSON. No other place does that.
//!
//! A terminal shows JSON like any text, so text from outside must not deceive there either. JSON can write such a
//! character as `\u…` without changing its meaning.

use std::fmt::Write as _;

use serde::Serialize;

use dray::text::deceives;

/// A value in several lines.
pub(super) fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(value).map(|json| harmless(&json))
}

/// A value in one line.
pub(super) fn line(value: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(value).map(|json| harmless(&json))
}

/// The same JSON with deceptive characters escaped.
fn harmless(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            // White space between tokens. In strings it is escaped already.
            '\n' => shown.push('\n'),
            '\t' | '\r' => shown.push(' '),
            other if deceives(other) => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn deceptive_characters_are_escaped_without_changing_the_value() {
        let text = "a\u{7f}b\u{85}c\u{9b}d\u{202e}e\u{2066}f\u{200b}g\u{feff}h\u{e0061}i\u{1b}j\n\t\"\\ä漢🦀";
        let value = BTreeMap::from([(text, [text])]);
        for json in [pretty(&value).unwrap(), line(&value).unwrap()] {
            assert!(!json.chars().any(|letter| letter != '\n' && deceives(letter)), "{json:?}");
            assert!(
                json.contains(r"a\u007fb\u0085c\u009bd\u202ee\u2066f\u200bg\ufeffh\udb40\udc61i"),
                "{json}"
            );
            assert!(json.contains("ä漢🦀"), "{json}");
            let read: BTreeMap<String, [String; 1]> = serde_json::from_str(&json).unwrap();
            assert_eq!(read, BTreeMap::from([(text.to_owned(), [text.to_owned()])]));
        }
        assert_eq!(line(&value).unwrap().lines().count(), 1);
    }

    #[test]
    fn white_space_between_tokens_is_kept() {
        assert_eq!(harmless("{\r\n\t\"a\": 1}"), "{ \n \"a\": 1}");
    }
}
