mod check;
mod inspect;
mod list;
mod shelf;
mod size;
mod written;

use clap::Subcommand;

use self::check::CheckArguments;
use self::inspect::InspectArguments;
use self::list::ListArguments;
use self::size::SizeArguments;
use super::Context;
use super::arguments::{Format, Globals};
use super::failure::Failure;

/// Look at the images that containerd has
///
/// An image is named as it was pulled, by its digest or the beginning of it, or by name and digest
#[derive(Debug, Subcommand)]
pub(super) enum ImageCommand {
    Ls(ListArguments),
    Inspect(InspectArguments),
    Size(SizeArguments),
    Check(CheckArguments),
}

impl ImageCommand {
    /// The form in which the command prints.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Ls(arguments) => arguments.format,
            Self::Inspect(arguments) => arguments.format,
            Self::Size(arguments) => arguments.format,
            Self::Check(arguments) => arguments.format,
        }
    }
}

/// Runs the command. It changes nothing, so a signal may end it anywhere.
pub(super) fn run(command: ImageCommand, globals: &Globals, context: &Context) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            ImageCommand::Ls(arguments) => list::run(&arguments, globals, context).await,
            ImageCommand::Inspect(arguments) => inspect::run(arguments, globals, context).await,
            ImageCommand::Size(arguments) => size::run(arguments, globals, context).await,
            ImageCommand::Check(arguments) => check::run(arguments, globals, context).await,
        }
    })
}
