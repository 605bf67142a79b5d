mod show;

use clap::Subcommand;

use self::show::ShowArguments;
use super::arguments::Format;
use super::context::Context;
use super::failure::Failure;

/// Show the configuration
///
/// dray reads `$XDG_CONFIG_HOME/dray/dray.toml` and `/etc/dray/dray.toml` if they exist, or only the file that
/// `--config` or DRAY_CONFIG names
#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    Show(ShowArguments),
}

impl ConfigCommand {
    /// The output format of the command.
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
