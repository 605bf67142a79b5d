mod credentials;
mod explain;
mod ping;

use clap::Subcommand;

use self::credentials::CredentialsArguments;
use self::explain::ExplainArguments;
use self::ping::PingArguments;
use super::Context;
use super::arguments::Format;
use super::failure::{Failure, Kind, REGISTRY_NAME_HINT};
use dray::registry::is_registry_name;

/// Look at how registries are reached
#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    Explain(ExplainArguments),
    Credentials(CredentialsArguments),
    Ping(PingArguments),
}

impl RegistryCommand {
    /// The form in which the command prints.
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

/// A name that can be none is a fault of the command line.
fn check_name(host: &str) -> Result<(), Failure> {
    if is_registry_name(host) {
        return Ok(());
    }
    let failure = Failure::new(Kind::Usage, format!("`{host}` cannot be the name of a registry"));
    Err(failure.hint(REGISTRY_NAME_HINT))
}
