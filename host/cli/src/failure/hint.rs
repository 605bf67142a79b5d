//! Hints that several kinds of errors give.

use dray::oci::{Platform, ReferenceError};

/// The hint for missing blobs.
pub(crate) const FETCH_HINT: &str = "`dray image fetch` fetches the missing blobs";

/// The hint for damaged blobs.
pub(crate) const FETCH_ANEW_HINT: &str = "`dray image fetch` fetches it again";

pub(super) const PUSH_AGAIN_HINT: &str = "push the image again with a current tool";

pub(super) const MADE_WRONGLY_HINT: &str = "the image is faulty: its publisher must build and push it again";

pub(super) const WRONG_SIZE_HINT: &str =
    "the image states a wrong size for it: its publisher must build and push it again";

pub(super) fn of_reference(error: &ReferenceError) -> String {
    let scheme = match error {
        ReferenceError::Format { text } => text.find("://").map(|end| &text[..end + "://".len()]),
        _ => None,
    };
    match scheme {
        Some("http://") => "leave out `http://`; for a registry without TLS, pass `--plain-http`".to_owned(),
        Some(scheme) => format!("leave out `{scheme}`: a reference begins with the name of the registry"),
        None => "a reference looks like `debian`, `debian:12` or `registry.example.com/team/app@sha256:…`"
            .to_owned(),
    }
}

pub(super) fn of_platforms(offered: &[Platform]) -> String {
    let offers = offered.iter().filter(|platform| !platform.is_unknown()).map(Platform::format_all);
    match listed(offers) {
        Some(offers) => format!("choose another with `--platform`; the image offers {offers}"),
        None => "the image does not say which platforms it is for".to_owned(),
    }
}

/// `a`, `b` and `c` in one text. `None` if there are none.
pub(super) fn listed<T: ToString>(items: impl IntoIterator<Item = T>) -> Option<String> {
    let mut items: Vec<String> = items.into_iter().map(|item| format!("`{}`", item.to_string())).collect();
    items.dedup();
    (!items.is_empty()).then(|| items.join(", "))
}
