use std::error::Error;
use std::fmt;

use tonic::metadata::errors::InvalidMetadataValue;
use tonic::{Code, Status};

use dray_core::limits;
use dray_ports::{Class, StoreError};

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Cause {
    /// containerd answered with an error.
    Refused(Status),
    /// The connection could not be made, or broke.
    Broken(Status),
    /// containerd did not answer in time.
    Silent,
    /// containerd ended a stream without the expected answer.
    NoAnswer,
    /// containerd's answer is not valid.
    Malformed(String),
    /// containerd lacks bytes of a blob.
    Damaged {
        /// Bytes in the file.
        found: u64,
        /// Bytes of the blob.
        due: u64,
    },
    /// containerd has a record of a blob, but not its file.
    Lost,
    /// The ingest cannot become the blob, because its size differs.
    WrongSize {
        /// Bytes in the ingest.
        found: u64,
        /// Bytes of the blob.
        due: u64,
    },
    /// The lease's name is not valid in a header.
    LeaseName(InvalidMetadataValue),
    /// The payload for a decoder cannot be serialised.
    Payload(serde_json::Error),
}

impl Cause {
    /// The class of the failure.
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Refused(status) => class_of_code(status.code()),
            Self::Broken(_) | Self::NoAnswer => Class::Unreachable,
            Self::Silent => Class::Silent,
            Self::Malformed(_) => Class::Unknown,
            Self::Damaged { .. } | Self::Lost => Class::Damaged,
            Self::WrongSize { .. } => Class::FailedPrecondition,
            Self::LeaseName(_) | Self::Payload(_) => Class::InvalidArgument,
        }
    }

    /// Whether containerd itself answers "unavailable". For a write of a blob, that means that another client holds
    /// the ingest. An unreachable containerd is [`Cause::Broken`].
    pub(super) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code() == Code::Unavailable)
    }

    /// The error of a port, with the operation as its message and this as its source.
    pub(super) fn during(self, operation: impl Into<String>) -> StoreError {
        StoreError::new(self.class(), operation).with_source(self)
    }
}

impl From<Status> for Cause {
    fn from(status: Status) -> Self {
        // A status from containerd has no source. A status that this side makes for a broken connection has the
        // transport's error as its source, and a code that depends on the point of the break: "unavailable",
        // "unknown" or "cancelled".
        if status.source().is_some() { Self::Broken(status) } else { Self::Refused(status) }
    }
}

fn class_of_code(code: Code) -> Class {
    match code {
        Code::InvalidArgument => Class::InvalidArgument,
        Code::NotFound => Class::NotFound,
        Code::AlreadyExists => Class::AlreadyExists,
        Code::FailedPrecondition => Class::FailedPrecondition,
        Code::Unimplemented => Class::Unimplemented,
        Code::PermissionDenied | Code::Unauthenticated => Class::Denied,
        Code::OutOfRange => Class::OutOfRange,
        Code::Cancelled | Code::DeadlineExceeded | Code::Aborted => Class::Ended,
        // A write of a blob gets it for another reason, see `Cause::is_unavailable`.
        Code::Unavailable => Class::Unavailable,
        Code::Unknown | Code::Internal | Code::DataLoss | Code::ResourceExhausted | Code::Ok => {
            Class::Unknown
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) if status.message().is_empty() => {
                write!(f, "containerd answered `{}`", status.code())
            }
            Self::Refused(status) => write!(f, "containerd answered: {}", status.message()),
            Self::Broken(_) => f.write_str("the connection to containerd broke"),
            Self::Silent => {
                write!(f, "containerd has not answered within {} s", limits::DAEMON_CALL_TIMEOUT.as_secs())
            }
            Self::NoAnswer => f.write_str("containerd ended the call without an answer"),
            Self::Malformed(what) => write!(f, "containerd's answer cannot be right: {what}"),
            Self::Damaged { found, due } => write!(f, "containerd has only {found} of its {due} bytes"),
            Self::Lost => f.write_str("containerd has a record of it, and has lost its file"),
            Self::WrongSize { found, due } => {
                write!(f, "the ingest has {found} bytes, the blob has {due}")
            }
            Self::LeaseName(_) => f.write_str("the lease's name cannot be sent"),
            Self::Payload(_) => f.write_str("the payload for a decoder cannot be written"),
        }
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Broken(status) => status.source(),
            Self::LeaseName(error) => Some(error),
            Self::Payload(error) => Some(error),
            Self::Refused(_)
            | Self::Silent
            | Self::NoAnswer
            | Self::Malformed(_)
            | Self::Damaged { .. }
            | Self::Lost
            | Self::WrongSize { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn answers_of_containerd_differ_from_broken_connections() {
        let locked = Cause::from(Status::unavailable("ref 1/layer-sha256:aa locked for 1s: unavailable"));
        assert!(locked.is_unavailable());

        let broken = Cause::from(Status::from_error(Box::new(io::Error::from(io::ErrorKind::BrokenPipe))));
        assert!(!broken.is_unavailable());
        assert_eq!(broken.class(), Class::Unreachable);
        assert_eq!(Cause::NoAnswer.class(), Class::Unreachable);
    }

    #[test]
    fn statuses_are_classified() {
        for (status, class) in [
            (Status::not_found("x"), Class::NotFound),
            (Status::already_exists("x"), Class::AlreadyExists),
            (Status::failed_precondition("x"), Class::FailedPrecondition),
            (Status::invalid_argument("x"), Class::InvalidArgument),
            (Status::out_of_range("x"), Class::OutOfRange),
            (Status::unimplemented("x"), Class::Unimplemented),
            (Status::permission_denied("x"), Class::Denied),
            (Status::deadline_exceeded("x"), Class::Ended),
            (Status::cancelled("x"), Class::Ended),
            (Status::unavailable("x"), Class::Unavailable),
            (Status::internal("x"), Class::Unknown),
        ] {
            let code = status.code();
            assert_eq!(Cause::from(status).during("do it").class(), class, "{code:?}");
        }
    }

    #[test]
    fn no_message_is_repeated() {
        let error = Cause::from(Status::not_found("content x: not found")).during("read blob `x`");
        let cause = error.source().unwrap();
        assert_eq!(error.to_string(), "cannot read blob `x`");
        assert_eq!(cause.to_string(), "containerd answered: content x: not found");
        assert!(cause.source().is_none());

        let broken = Status::from_error(Box::new(io::Error::other("pipe")));
        let error = Cause::from(broken).during("read blob `x`");
        let cause = error.source().unwrap();
        assert_eq!(cause.to_string(), "the connection to containerd broke");
        assert_eq!(cause.source().unwrap().to_string(), "pipe");
    }
}
