mod credentials;
mod explain;
mod name;
mod ping;

use clap::Subcommand;

use self::credentials::CredentialsArguments;
use self::explain::ExplainArguments;
use self::ping::PingArguments;
use super::arguments::Format;
use super::context::Context;
use super::failure::Failure;

/// Show and test the access to registries
#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    Explain(ExplainArguments),
    Credentials(CredentialsArguments),
    Ping(PingArguments),
}

impl RegistryCommand {
    /// The output format of the command.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Explain(arguments) => arguments.format,
            Self::Credentials(arguments) => arguments.format,
            Self::Ping(arguments) => arguments.format,
        }
    }
}

/// Runs the command.
pub(super) fn run(command: &RegistryCommand, context: &Context) -> Result<(), Failure> {
    match command {
        RegistryCommand::Explain(arguments) => explain::run(arguments, context),
        RegistryCommand::Credentials(arguments) => credentials::run(arguments, context),
        RegistryCommand::Ping(arguments) => ping::run(arguments, context),
    }
}
