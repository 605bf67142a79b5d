use std::error::Error;
use std::fmt;

/// Class of a store's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The caller's mistake.
    InvalidArgument,
    /// It is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// The state of the store does not allow it.
    FailedPrecondition,
    /// Nothing answers at the store's address, or the connection broke.
    Unreachable,
    /// Something behind the store cannot be reached, such as a snapshotter that is another process. The store itself
    /// answers.
    Unavailable,
    /// The store takes calls, and has not answered this one in the time for it.
    Silent,
    /// This store cannot do it.
    Unimplemented,
    /// The caller may not do it.
    Denied,
    /// A size or an offset is outside of what exists.
    OutOfRange,
    /// The store has lost a part of it.
    Damaged,
    /// The store ended the call, for example because something behind it took too long.
    Ended,
    /// Anything else.
    Unknown,
}

/// Failure of a store.
///
/// The text says what was being done; what the store answered is the source.
#[derive(Debug)]
pub struct StoreError {
    class: Class,
    operation: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of a class, with what was being done: a phrase that fits after "cannot", such as
    /// ``read blob `sha256:…` ``.
    pub fn new(class: Class, operation: impl Into<String>) -> Self {
        Self { class, operation: operation.into(), source: None }
    }

    /// The same with the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whether the call failed as a call, and says nothing of what was asked for.
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
