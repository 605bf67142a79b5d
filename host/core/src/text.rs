//! Text from outside.
//!
//! Text of a registry, a plugin or a daemon can reach a terminal. Each module escapes deceptive characters in its own
//! way. This module alone defines which characters these are.

pub mod escape;

/// Whether a character can make text read as something else: by moving the cursor, by changing colours or the reading
/// direction, or by being invisible.
pub fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Marks, embeddings, overrides and isolates of the bidirectional algorithm.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Characters without width, which hide in names, and invisible tags. Joiners and non-joiners are allowed:
            // several scripts need them.
            | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_move_turn_or_hide_deceive() {
        for character in [
            '\0',
            '\u{1b}',
            '\n',
            '\u{7f}',
            '\u{9b}',
            '\u{61c}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{e0001}',
            '\u{e007f}',
        ] {
            assert!(deceives(character), "{character:?}");
        }
        for character in ['a', ' ', 'ä', '漢', '–', '🦀', '\u{200c}', '\u{200d}', '\u{fffd}'] {
            assert!(!deceives(character), "{character:?}");
        }
    }
}
