use std::error::Error;

use super::chain::causes;
use super::kind::Kind;
use super::system;
use crate::interrupt::Signal;
use dray::ports::{Class, StoreError};
use dray::pull::PullError;

/// An error as the user sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
    pub(super) causes: Vec<String>,
    pub(super) hints: Vec<String>,
}

impl Failure {
    /// An error without causes.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// An operation failed that should not fail.
    pub(crate) fn internal(message: &str, cause: &(dyn Error + 'static)) -> Self {
        Self {
            kind: Kind::Internal,
            message: message.to_owned(),
            causes: causes(message, Some(cause), cause),
            hints: system::hint(cause).into_iter().collect(),
        }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: &str, cause: &(dyn Error + 'static)) -> Self {
        Self { kind: Kind::Usage, ..Self::internal(message, cause) }
    }

    /// A signal ended the command before it made a change.
    pub(crate) fn cancelled(signal: Option<Signal>) -> Self {
        let error = PullError::Cancelled;
        Self::of(Kind::Cancelled(Signal::Interrupt), &error, None).by_signal(signal)
    }

    /// The same, with the signal that was the reason, if there was one.
    #[must_use]
    pub(crate) fn by_signal(mut self, signal: Option<Signal>) -> Self {
        if let (Kind::Cancelled(_), Some(signal)) = (self.kind, signal) {
            self.kind = Kind::Cancelled(signal);
        }
        self
    }

    /// The connection to containerd failed.
    pub(crate) fn connecting(error: &StoreError) -> Self {
        let kind = match error.class() {
            Class::InvalidArgument => Kind::Usage,
            _ => Kind::Containerd,
        };
        let hints: &[&str] = match error.class() {
            Class::Denied => &["use the socket as root, or as a member of the group that owns it"],
            Class::Unreachable | Class::NotFound => &[
                "check that containerd runs, for example with `systemctl status containerd`",
                "if it uses another socket, pass it with `--address` or `CONTAINERD_ADDRESS`",
            ],
            _ => &[],
        };
        Self::of(kind, error, hints.iter().map(|&hint| hint.to_owned()))
    }

    /// The same with one more hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.hints.push(hint.to_owned());
        self
    }

    /// An error of the library with its kind and what can be done.
    pub(super) fn of(
        kind: Kind,
        error: &(dyn Error + 'static),
        hints: impl IntoIterator<Item = String>,
    ) -> Self {
        let message = error.to_string();
        let causes = causes(&message, error.source(), error);
        Self { kind, message, causes, hints: hints.into_iter().chain(system::hint(error)).collect() }
    }

    /// The exit status.
    pub(crate) fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }
}
