//! Makes text from outside fit to be shown.

use url::{Position, Url};

use dray_core::text::deceives;

/// An address without user, password and query. A signed query is as good as a password.
pub(super) fn url(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails only for addresses that cannot have a user or a password.
    let _ = shown.set_username("").and_then(|()| shown.set_password(None));
    shown[..Position::AfterPath].to_owned()
}

/// Makes text from outside fit for a terminal: one line of limited length, with a space in place of every character
/// that could deceive.
pub(super) fn text(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut shown: String =
        text.trim().chars().take(LONGEST).map(|c| if deceives(c) { ' ' } else { c }).collect();
    if text.trim().chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        let address = Url::parse("https://user:pass@host:8443/v2/x?X-Amz-Signature=abc#part").unwrap();
        assert_eq!(url(&address), "https://host:8443/v2/x");
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(text(&"x".repeat(1000)).chars().count(), 301);
    }

    proptest! {
        #[test]
        fn control_characters_are_removed(said in any::<String>()) {
            prop_assert!(!text(&said).contains(deceives));
        }
    }
}
