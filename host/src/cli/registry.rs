pub(super) mod credentials;

use clap::Subcommand;

use self::credentials::CredentialsArguments;
use super::Context;
use super::arguments::Format;
use super::failure::Failure;

/// Look at how registries are reached
#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    Credentials(CredentialsArguments),
}

impl RegistryCommand {
    /// The form in which the command prints.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Credentials(arguments) => arguments.format,
        }
    }
}

/// Runs the command.
pub(super) fn run(command: &RegistryCommand, context: &Context) -> Result<(), Failure> {
    match command {
        RegistryCommand::Credentials(arguments) => credentials::run(arguments, context),
    }
}
