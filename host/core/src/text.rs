//! Text of strangers.
//!
//! What a registry, a plugin or a daemon wrote can end up on a terminal. Each module that lets it through shows
//! what could deceive there in its own way; which characters these are, is said here alone.

pub mod escape;

/// Whether a character can make text read as something that it is not: by moving the cursor, by changing colours
/// or the direction of reading, or by not being seen.
pub fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Marks, embeddings, overrides and isolates of the bidirectional algorithm.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}'
            // Characters without width, which hide in names, and tags, which nothing shows. Those that join and
            // part letters are left: several scripts cannot be written without them.
            | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_turns_or_hides() {
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
