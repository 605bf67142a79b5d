//! Turns errors of the library into what the user sees: a kind with an exit status, a message, causes and hints. No
//! other place does that.

mod chain;
mod damage;
mod document;
mod fetch;
mod hint;
mod image;
mod kind;
mod plugin;
mod pull;
mod render;
mod settings;
mod shown;
mod store;
mod system;
#[cfg(test)]
mod tests;
pub(super) mod usage;

use std::io;

use dray::ClientError;

pub(super) use self::chain::message_of;
pub(super) use self::fetch::REGISTRY_NAME_HINT;
pub(super) use self::hint::{FETCH_ANEW_HINT, FETCH_HINT};
pub(super) use self::kind::Kind;
pub(super) use self::shown::Failure;

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Settings(error) => error.into(),
            ClientError::ConfigFile(error) => error.into(),
            ClientError::Registry(error) => error.into(),
            ClientError::Plugin(error) => error.into(),
            ClientError::Connect { source } => Self::connecting(&source),
            ClientError::Pull(error) => error.into(),
            ClientError::Image(error) => error.into(),
            error => Self::of(Kind::Internal, &error, None),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::of(Kind::Internal, &error, None)
    }
}
