mod show;

use clap::Subcommand;

use self::show::ShowArguments;
use super::arguments::Format;
use super::context::Context;
use super::failure::Failure;

/// Look at the configuration
///
/// dray reads `$XDG_CONFIG_HOME/dray/dray.toml` and `/etc/dray/dray.toml`, each if it is there, or the one file that
/// `--config` or DRAY_CONFIG names
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    Show(ShowArguments),
}

impl ConfigCommand {
    /// The form in which the command prints.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Show(arguments) => arguments.format,
        }
    }
}

/// Runs the command.
pub(super) fn run(command: &ConfigCommand, context: &Context) -> Result<(), Failure> {
    match command {
        ConfigCommand::Show(arguments) => show::run(arguments, context),
    }
}
