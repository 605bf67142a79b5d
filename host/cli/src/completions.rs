use clap_complete::Shell;

use super::failure::Failure;
use super::output;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dray completions bash > /etc/bash_completion.d/dray")]
pub(super) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// Prints the completions of a command line.
pub(super) fn run(arguments: &CompletionsArguments, mut program: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "dray", &mut script);
    output::write(&script)
}
