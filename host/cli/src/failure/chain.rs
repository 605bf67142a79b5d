//! An error and its causes as texts.

use std::error::Error;

use dray::ports::FetchFailure;

/// An error and its causes in one line.
pub(crate) fn message_of(error: &(dyn Error + 'static)) -> String {
    let message = error.to_string();
    let causes = causes(&message, error.source(), error);
    std::iter::once(message).chain(causes).collect::<Vec<_>>().join(": ")
}

/// The texts of the causes from `first` on, and of the failures of other servers. A text that is part of an earlier
/// one is skipped, because some libraries repeat themselves.
pub(super) fn causes(
    message: &str,
    first: Option<&(dyn Error + 'static)>,
    error: &(dyn Error + 'static),
) -> Vec<String> {
    let chain = std::iter::successors(first, |&cause| cause.source());
    let mut causes: Vec<String> = Vec::new();
    for text in chain.map(ToString::to_string).chain(other_servers(error)) {
        if !message.contains(&text) && !causes.iter().any(|earlier| earlier.contains(&text)) {
            causes.push(text);
        }
    }
    causes
}

/// The failures of the other servers that were asked.
fn other_servers(error: &(dyn Error + 'static)) -> impl Iterator<Item = String> {
    let chain = std::iter::successors(Some(error), |&cause| cause.source());
    let failures = chain.filter_map(|cause| cause.downcast_ref::<FetchFailure>());
    failures.flat_map(|failure| &failure.others).map(|other| format!("also asked: {}", message_of(other)))
}
