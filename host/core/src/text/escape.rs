//! Makes text from outside safe for a terminal.
//!
//! Text of a registry, a plugin or a daemon can reach a message. It must not move the cursor, change colours, or
//! reverse the reading direction to deceive the reader.

use std::fmt::Write as _;

use super::deceives;

/// Maximum number of characters of such text that are shown. A long error body or plugin message would push the error
/// itself off the screen.
const SHOWN_CHARACTERS: usize = 2000;

/// One line of text. Deceptive characters become `\u{…}`, and a line that is too long ends with `…`.
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == SHOWN_CHARACTERS {
            shown.push('…');
            break;
        }
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            other if deceives(other) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(other));
            }
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deceptive_characters_become_visible() {
        for (text, shown) in [
            ("plain `text` – äöü 漢字", "plain `text` – äöü 漢字"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("two\nlines\r\ttab", "two\\nlines\\r\\ttab"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
            ("bell\u{7}", "bell\\u{7}"),
            ("a\u{200b}b\u{e0061}", "a\\u{200b}b\\u{e0061}"),
        ] {
            assert_eq!(line(text), shown);
        }
    }

    #[test]
    fn long_text_is_cut() {
        let long = "x".repeat(SHOWN_CHARACTERS + 1);
        assert_eq!(line(&long).chars().count(), SHOWN_CHARACTERS + 1);
        assert!(line(&long).ends_with("x…"));
        let exact = "x".repeat(SHOWN_CHARACTERS);
        assert_eq!(line(&exact), exact);
    }
}
