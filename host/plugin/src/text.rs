//! Texts of plugins that are shown to users.

use dray_core::text::deceives;

/// Makes a text safe for a terminal or a log: at most `limit` bytes, and each deceptive character is replaced, so
/// that a reader sees that there was one.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let cut = &text[..text.floor_char_boundary(limit)];
    let mut clean = String::with_capacity(cut.len());
    for letter in cut.chars() {
        // The replacement character has three bytes, a control character may have one.
        let letter = if deceives(letter) { char::REPLACEMENT_CHARACTER } else { letter };
        if clean.len() + letter.len_utf8() > limit {
            break;
        }
        clean.push(letter);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_are_replaced() {
        assert_eq!(clean("plain — ünï", 100), "plain — ünï");
        assert_eq!(clean("a\x1b[31mb\nc\u{9b}d\u{202e}e", 100), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\u{fffd}e");
        assert_eq!(clean("a\u{200b}b\u{feff}c\u{e0061}", 100), "a\u{fffd}b\u{fffd}c\u{fffd}");
    }

    #[test]
    fn text_is_never_longer_than_the_limit() {
        assert_eq!(clean("aäb", 2), "a");
        assert_eq!(clean("\0\0\0\0", 7), "\u{fffd}\u{fffd}");
        assert_eq!(clean("abc", 0), "");
    }
}
