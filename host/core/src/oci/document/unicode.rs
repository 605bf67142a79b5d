//! JSON with strings that are not valid Unicode, as found in the history and the labels of images.

use std::borrow::Cow;

const ESCAPE: usize = r"\u0000".len();

/// Converts JSON to valid Unicode. Bytes that are not UTF-8 and escapes of half a surrogate pair become U+FFFD, as in
/// Go's `encoding/json`, so that a document means the same here as in containerd.
pub fn in_unicode(bytes: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => without_lone_surrogates(text),
        Cow::Owned(text) => Cow::Owned(without_lone_surrogates(&text).into_owned()),
    }
}

fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut result = String::new();
    // The bytes before `kept` are in the result, the bytes before `next` have been looked at.
    let (mut kept, mut next) = (0, 0);
    while let Some(skipped) = bytes.get(next..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        let start = next + skipped;
        match unit(bytes, start) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, start + ESCAPE), Some(0xdc00..=0xdfff)) => {
                next = start + 2 * ESCAPE;
            }
            Some(0xd800..=0xdfff) => {
                result.push_str(&text[kept..start]);
                result.push_str(r"\ufffd");
                kept = start + ESCAPE;
                next = kept;
            }
            // An escaped backslash does not start another escape.
            _ => next = start + 2,
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    result.push_str(&text[kept..]);
    Cow::Owned(result)
}

/// The UTF-16 unit that the escape at `start` stands for; `None` if it is another escape.
fn unit(bytes: &[u8], start: usize) -> Option<u16> {
    let digits = bytes.get(start..start + ESCAPE)?.strip_prefix(br"\u")?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16).and_then(|digit| u16::try_from(digit).ok())?;
        Some(unit << 4 | digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_unicode_becomes_the_replacement_character() {
        for (json, expected) in [
            (br#"{"a": "plain \u00e9 \"\\"}"# as &[u8], r#"{"a": "plain \u00e9 \"\\"}"#),
            (br#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (br#""\udce9 and \uDCE9""#, r#""\ufffd and \ufffd""#),
            (br#""\ud83d""#, r#""\ufffd""#),
            (br#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (br#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (br#""\\udce9""#, r#""\\udce9""#),
            (br#""\\\udce9""#, r#""\\\ufffd""#),
            (b"\"caf\xe9\"", "\"caf\u{fffd}\""),
            (b"\"caf\xe9\\udce9\"", "\"caf\u{fffd}\\ufffd\""),
            (br"\ud", r"\ud"),
            (br"\ud83", r"\ud83"),
            (br"\", r"\"),
            (b"\\\xc3\xa9", "\\\u{e9}"),
        ] {
            assert_eq!(in_unicode(json), expected);
        }
    }
}
