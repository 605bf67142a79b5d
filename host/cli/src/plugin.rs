mod inspect;
mod list;

use clap::Subcommand;

use self::inspect::InspectArguments;
use self::list::ListArguments;
use super::arguments::Format;
use super::context::Context;
use super::failure::Failure;

/// Show plugins
#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    Ls(ListArguments),
    Inspect(InspectArguments),
}

impl PluginCommand {
    /// The output format of the command.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Ls(arguments) => arguments.format,
            Self::Inspect(arguments) => arguments.format,
        }
    }
}

/// Runs the command.
pub(super) fn run(command: &PluginCommand, context: &Context) -> Result<(), Failure> {
    match command {
        PluginCommand::Ls(arguments) => list::run(arguments),
        PluginCommand::Inspect(arguments) => inspect::run(arguments, context),
    }
}
