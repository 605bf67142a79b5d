use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use http::header::WARNING;

use super::display;
use dray_core::limits;

/// Logs warnings of registries (distribution specification, "Warnings"), each once. They have no other effect.
#[derive(Default)]
pub(super) struct Warnings(Mutex<Shown>);

#[derive(Default)]
struct Shown {
    texts: HashSet<(String, String)>,
    bytes: usize,
}

impl Warnings {
    /// Logs the new warnings of a response, up to a limit.
    pub(super) fn show(&self, registry: &str, headers: &HeaderMap) {
        for value in headers.get_all(WARNING) {
            if let Some(text) = text_of(value.as_bytes())
                && self.is_new(registry, &text)
            {
                tracing::warn!("registry `{registry}` warns: {}", display::text(&text));
            }
        }
    }

    fn is_new(&self, registry: &str, text: &str) -> bool {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = shown.bytes + text.len();
        let is_new =
            bytes <= limits::WARNING_BYTES && shown.texts.insert((registry.to_owned(), text.to_owned()));
        if is_new {
            shown.bytes = bytes;
        }
        is_new
    }
}

/// The text of a `Warning` in the form of the specification, `299 - "text"`.
pub(super) fn text_of(value: &[u8]) -> Option<String> {
    let value = std::str::from_utf8(value).ok()?;
    let quoted = value.strip_prefix("299 - ")?.trim().strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            '"' => return None,
            other => text.push(other),
        }
    }
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn warnings_of_the_specification_are_read() {
        for (value, expected) in [
            (r#"299 - "this tag will go""#, Some("this tag will go")),
            (r#"299 -  "a \"b\" \\" "#, Some(r#"a "b" \"#)),
            (r#"299 - "a" "Sun, 06 Nov 1994 08:49:37 GMT""#, None),
            (r#"299 registry "a""#, None),
            (r#"199 - "a""#, None),
            (r#"299 - "a\""#, None),
            (r#"299 - """#, None),
            (r#"299 - ""#, None),
            ("299 - a", None),
        ] {
            assert_eq!(text_of(value.as_bytes()).as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn each_warning_is_logged_once_up_to_a_limit() {
        let warnings = Warnings::default();
        assert!(warnings.is_new("a", "x") && warnings.is_new("b", "x") && !warnings.is_new("a", "x"));
        assert!(!warnings.is_new("a", &"y".repeat(limits::WARNING_BYTES)));
        assert!(warnings.is_new("a", &"y".repeat(limits::WARNING_BYTES - 2)));
        assert!(!warnings.is_new("a", "z"));
    }

    proptest! {
        #[test]
        fn arbitrary_fields_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), text in r#"299 - "?[a\\" ]{0,9}"?"#) {
            let warnings = Warnings::default();
            for bytes in [bytes, text.into_bytes()] {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    warnings.show("a", &HeaderMap::from_iter([(WARNING, value)]));
                }
            }
        }
    }
}
