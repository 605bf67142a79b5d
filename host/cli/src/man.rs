use std::io;

use clap_mangen::roff::{Roff, bold, roman};

use super::environment::{VARIABLES, Variable};
use super::failure::{Failure, Kind};
use super::output;

/// Print a manual page
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray man > dray.1\n  dray man pull | man -l -")]
pub(super) struct ManArguments {
    /// The command to describe, such as `pull` or `plugin inspect` [default: the whole program]
    command: Vec<String>,
}

/// Prints a page of the manual of `program`, in roff.
pub(super) fn run(arguments: &ManArguments, mut program: clap::Command) -> Result<(), Failure> {
    // Building fills in names of commands and inherited options.
    program.build();
    let mut command = &program;
    for name in &arguments.command {
        command = command.find_subcommand(name).ok_or_else(|| {
            Failure::new(Kind::Usage, format!("there is no command `{}`", arguments.command.join(" ")))
        })?;
    }
    let title = match command.get_bin_name() {
        Some(words) => words.replace(' ', "-"),
        None => command.get_name().to_owned(),
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone())
        .title(title.to_uppercase())
        .source(concat!("dray ", env!("CARGO_PKG_VERSION")))
        .render(&mut page);
    let rendered = rendered.and_then(|()| status_and_environment(&mut page));
    rendered.map_err(|error| Failure::internal("cannot render the manual page", &error))?;
    output::write(&page)
}

/// The sections that are the same for every command.
fn status_and_environment(page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    entry(&mut roff, "0", "success");
    for kind in Kind::ALL {
        entry(&mut roff, &kind.exit_code().to_string(), &format!("({}) {}", kind.name(), kind.meaning()));
    }
    roff.control("SH", ["ENVIRONMENT"]);
    for Variable { names, meaning, default } in VARIABLES {
        entry(&mut roff, &names.join(", "), &format!("{meaning}. Without it: {default}"));
    }
    roff.to_writer(page)
}

/// One row of a list, without the Markdown marks of the text.
fn entry(roff: &mut Roff, term: &str, text: &str) {
    roff.control("TP", []).text([bold(term)]).text([roman(text.replace('`', ""))]);
}
