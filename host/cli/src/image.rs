mod check;
mod explain;
mod fetch;
mod inspect;
mod list;
mod size;
mod stored;
mod written;

use clap::Subcommand;

use self::check::CheckArguments;
use self::explain::ExplainArguments;
use self::fetch::FetchArguments;
use self::inspect::InspectArguments;
use self::list::ListArguments;
use self::size::SizeArguments;
use super::arguments::Format;
use super::context::Context;
use super::failure::Failure;
use super::runtime;

/// Show, check and complete the images in containerd
///
/// An image is named by the name it was pulled under, by its digest or a part of it from the start, or by both
#[derive(Debug, Subcommand)]
pub(super) enum ImageCommand {
    Ls(ListArguments),
    Inspect(InspectArguments),
    Size(SizeArguments),
    Check(CheckArguments),
    Fetch(FetchArguments),
    Explain(ExplainArguments),
}

impl ImageCommand {
    /// The output format of the command.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Ls(arguments) => arguments.format,
            Self::Inspect(arguments) => arguments.format,
            Self::Size(arguments) => arguments.format,
            Self::Check(arguments) => arguments.format,
            Self::Fetch(arguments) => arguments.transfer.format,
            Self::Explain(arguments) => arguments.format,
        }
    }
}

/// Runs the command.
pub(super) fn run(command: ImageCommand, context: &Context) -> Result<(), Failure> {
    match command {
        ImageCommand::Ls(arguments) => read(list::run(&arguments, context)),
        ImageCommand::Inspect(arguments) => read(inspect::run(arguments, context)),
        ImageCommand::Size(arguments) => read(size::run(arguments, context)),
        ImageCommand::Check(arguments) => read(check::run(arguments, context)),
        ImageCommand::Fetch(arguments) => fetch::run(arguments, context),
        ImageCommand::Explain(arguments) => read(explain::run(arguments, context)),
    }
}

/// Runs a command that changes nothing, so that a signal may end it at any point.
fn read(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime::on_this_thread()?.block_on(command)
}
