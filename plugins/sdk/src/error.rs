pub use crate::bindings::described::dray::types::errors::{Detail, Error};

/// One constructor for each class. The code is a short word in kebab-case that the plugin documents, at most
/// 64 bytes. The message is one sentence for people, in lower case, without a full stop, at most 1024 bytes.
impl Error {
    /// The configuration is not accepted.
    pub fn invalid_config(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidConfig(detail(code, message))
    }

    /// The input is of a kind that this plugin does not handle.
    pub fn unsupported(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unsupported(detail(code, message))
    }

    /// The plugin decided against it.
    pub fn denied(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Denied(detail(code, message))
    }

    /// Something that the plugin needs is not there.
    pub fn not_found(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::NotFound(detail(code, message))
    }

    /// Trying again may help, after so many milliseconds where that is known.
    pub fn transient(
        code: impl Into<String>,
        message: impl Into<String>,
        retry_after_ms: Option<u64>,
    ) -> Self {
        Self::Transient(Detail { retry_after_ms, ..detail(code, message) })
    }

    /// Anything else.
    pub fn other(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Other(detail(code, message))
    }

    /// What every class carries.
    pub fn detail(&self) -> &Detail {
        match self {
            Self::InvalidConfig(detail)
            | Self::Unsupported(detail)
            | Self::Denied(detail)
            | Self::NotFound(detail)
            | Self::Transient(detail)
            | Self::Other(detail) => detail,
        }
    }
}

fn detail(code: impl Into<String>, message: impl Into<String>) -> Detail {
    Detail { code: code.into(), message: message.into(), retry_after_ms: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_keeps_code_and_message() {
        for error in [
            Error::invalid_config("a-code", "a message"),
            Error::unsupported("a-code", "a message"),
            Error::denied("a-code", "a message"),
            Error::not_found("a-code", "a message"),
            Error::transient("a-code", "a message", None),
            Error::other("a-code", "a message"),
        ] {
            assert_eq!(error.detail().code, "a-code");
            assert_eq!(error.detail().message, "a message");
        }
        assert_eq!(Error::transient("busy", "later", Some(50)).detail().retry_after_ms, Some(50));
    }
}
