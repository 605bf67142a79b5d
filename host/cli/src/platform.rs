mod parse;
mod rank;

use clap::Subcommand;

use self::parse::ParseArguments;
use self::rank::RankArguments;
use super::arguments::Format;
use super::context::Context;
use super::failure::Failure;

/// Show how dray reads and chooses platforms
#[derive(Debug, Subcommand)]
pub(super) enum PlatformCommand {
    Parse(ParseArguments),
    Rank(RankArguments),
}

impl PlatformCommand {
    /// The output format of the command.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Parse(arguments) => arguments.format,
            Self::Rank(arguments) => arguments.format,
        }
    }
}

/// Runs the command.
pub(super) fn run(command: &PlatformCommand, context: &Context) -> Result<(), Failure> {
    match command {
        PlatformCommand::Parse(arguments) => parse::run(arguments, context),
        PlatformCommand::Rank(arguments) => rank::run(arguments, context),
    }
}
