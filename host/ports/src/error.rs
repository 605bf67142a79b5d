use std::error::Error;
use std::fmt;

/// Class of a store's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The caller made a mistake.
    InvalidArgument,
    /// The resource does not exist.
    NotFound,
    /// The resource exists already.
    AlreadyExists,
    /// The state of the store does not allow it.
    FailedPrecondition,
    /// Nothing answers at the store's address, or the connection broke.
    Unreachable,
    /// Something behind the store cannot be reached, such as a snapshotter that is another process. The store itself
    /// answers.
    Unavailable,
    /// The store accepts calls, but did not answer this one in time.
    Silent,
    /// The store does not support the operation.
    Unimplemented,
    /// Access is denied.
    Denied,
    /// A size or an offset is outside of what exists.
    OutOfRange,
    /// The store has lost a part of the resource.
    Damaged,
    /// The store ended the call, for example because a service behind it took too long.
    Ended,
    /// Anything else.
    Unknown,
}

/// Failure of a store.
///
/// The text names the operation. The source has the store's answer.
#[derive(Debug)]
pub struct StoreError {
    class: Class,
    operation: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of a class, with the operation: a phrase that fits after "cannot", such as ``read blob `sha256:…` ``.
    pub fn new(class: Class, operation: impl Into<String>) -> Self {
        Self { class, operation: operation.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether the call itself failed, so that the error says nothing about the resource.
    pub fn is_of_the_call(&self) -> bool {
        matches!(self.class, Class::Unreachable | Class::Silent | Class::Ended | Class::Denied)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.operation)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
