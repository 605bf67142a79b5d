//! The forms of names and versions.

use crate::limits::NAME_BYTES;

/// Whether a text is made of lower-case letters and digits, with single hyphens between them.
pub(crate) fn is_word(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= NAME_BYTES && text.split('-').all(|part| !part.is_empty() && part.bytes().all(is_letter))
}

/// Whether a text is `MAJOR.MINOR.PATCH`, perhaps with `-pre.release` and then perhaps with `+build`.
pub(crate) fn is_semantic_version(text: &str) -> bool {
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (core, pre) = rest.split_once('-').map_or((rest, None), |(core, pre)| (core, Some(pre)));
    text.len() <= NAME_BYTES
        && core.split('.').count() == 3
        && core.split('.').all(is_number)
        && [pre, build].into_iter().flatten().all(|part| part.split('.').all(is_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_other_texts() {
        for good in ["a", "overlayfs", "amd64-v3", &"a".repeat(64)] {
            assert!(is_word(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "ä", &"a".repeat(65)] {
            assert!(!is_word(bad), "{bad}");
        }
    }

    #[test]
    fn versions_are_told_from_other_texts() {
        for good in ["0.1.0", "1.20.300", "1.0.0-rc.1", "1.0.0+build.7", "1.0.0-a+b"] {
            assert!(is_semantic_version(good), "{good}");
        }
        for bad in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0+", "1.0.x", "1.0.0 "] {
            assert!(!is_semantic_version(bad), "{bad}");
        }
        assert!(!is_semantic_version(&format!("1.0.0-{}", "a".repeat(59))), "it has 65 bytes");
    }
}
