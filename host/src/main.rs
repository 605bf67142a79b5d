//! The `dray` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    dray::cli::main(std::env::args_os())
}
