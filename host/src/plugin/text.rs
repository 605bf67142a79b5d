//! Texts of plugins on their way to people.

/// A text as it may go to a terminal or a log: at most `limit` bytes, without control characters and without
/// those that change the direction of writing. Each is replaced, so that a reader sees that something was
/// there.
pub(super) fn clean(text: &str, limit: usize) -> String {
    let cut = &text[..text.floor_char_boundary(limit)];
    let mut clean = String::with_capacity(cut.len());
    for letter in cut.chars() {
        // The replacement has three bytes, a control character may have one.
        let letter = if is_harmless(letter) { letter } else { char::REPLACEMENT_CHARACTER };
        if clean.len() + letter.len_utf8() > limit {
            break;
        }
        clean.push(letter);
    }
    clean
}

fn is_harmless(letter: char) -> bool {
    let directs = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !letter.is_control() && !directs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_moves_it() {
        assert_eq!(clean("plain — ünï", 100), "plain — ünï");
        assert_eq!(clean("a\x1b[31mb\nc\u{9b}d\u{202e}e", 100), "a\u{fffd}[31mb\u{fffd}c\u{fffd}d\u{fffd}e");
    }

    #[test]
    fn never_longer_than_the_limit() {
        assert_eq!(clean("aäb", 2), "a");
        assert_eq!(clean("\0\0\0\0", 7), "\u{fffd}\u{fffd}");
        assert_eq!(clean("abc", 0), "");
    }
}
