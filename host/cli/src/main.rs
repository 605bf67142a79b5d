//! The `dray` command: clap, terminal, exit codes, and the wiring of adapters to ports.
//!
//! Each command is a file with its arguments and a `run`. [`dray::config`] turns the arguments into settings; errors
//! become a `failure`. No type of clap leaves this module.

mod amounts;
mod arguments;
mod color;
mod command;
mod completions;
mod components;
mod config;
mod context;
mod environment;
mod failure;
mod image;
mod interrupt;
mod json;
mod logging;
mod man;
mod output;
mod platform;
mod platform_options;
mod plugin;
mod plugin_options;
mod progress;
mod pull;
mod reference;
mod registry;
mod registry_options;
mod report;
mod resolve;
mod runtime;
mod screen;
mod transfer;
mod version;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use clap::CommandFactory as _;
use rustix::process::Signal;

use self::arguments::{ColorChoice, Format};
use self::color::Palette;
use self::command::{Arguments, Command, Presentation};
use self::context::Context;
use self::failure::{Failure, usage};
use self::screen::Screen;
use dray::Machine;
use dray::config::{ConfigFiles, Environment};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    outlive_file_size_limit();
    if let Some(ended) = components::compile_if_asked(&arguments) {
        return ended;
    }
    let environment = environment::read();
    match Arguments::parse_from(&arguments) {
        Ok(Arguments { globals, command }) => {
            let screen = Arc::new(stderr_screen(globals.color, &environment));
            logging::start(globals.verbosity(), &screen);
            let format = command.format();
            let files = if command.is_configured() {
                ConfigFiles::load(globals.config.as_deref(), &environment)
            } else {
                Ok(ConfigFiles::default())
            };
            let files = match files {
                Ok(files) => files,
                Err(error) => return conclude(Err(error.into()), format, &screen),
            };
            let (daemon, registry) = (globals.daemon(), globals.registry());
            let context =
                Context { environment, screen, daemon, registry, files, machine: Machine::detect() };
            let ended = match command {
                Command::Pull(arguments) => pull::run(arguments, &context),
                Command::Resolve(arguments) => resolve::run(&arguments, &context),
                Command::Image(command) => image::run(command, &context),
                Command::Plugin(command) => plugin::run(&command, &context),
                Command::Platform(command) => platform::run(&command, &context),
                Command::Reference(arguments) => reference::run(&arguments),
                Command::Registry(command) => registry::run(&command, &context),
                Command::Config(command) => config::run(&command, &context),
                Command::Version => version::run(globals.verbosity() > 0),
                Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
                Command::Man(arguments) => man::run(&arguments, Arguments::command()),
            };
            conclude(ended, format, &context.screen)
        }
        Err(error) => {
            let Presentation { color, format } = Presentation::guess(&arguments);
            if usage::is_answer(&error) {
                let palette = Palette::choose(color, io::stdout().is_terminal(), &environment);
                let written = output::write(usage::to_text(&error, palette).as_bytes());
                return conclude(written, format, &stderr_screen(color, &environment));
            }
            let screen = stderr_screen(color, &environment);
            if format == Format::Json {
                return conclude(Err(error.into()), format, &screen);
            }
            screen.print(&usage::to_text(&error, screen.palette()));
            ExitCode::from(Failure::from(error).exit_code())
        }
    }
}

/// Makes writing beyond `ulimit -f` an error, so that SIGXFSZ does not end the program.
fn outlive_file_size_limit() {
    // If this fails, the signal keeps its default action.
    let _ = signal_hook::flag::register(Signal::XFSZ.as_raw(), Arc::default());
}

fn stderr_screen(color: ColorChoice, environment: &Environment) -> Screen {
    Screen::stderr(Palette::choose(color, io::stderr().is_terminal(), environment))
}

fn conclude(ended: Result<(), Failure>, format: Format, screen: &Screen) -> ExitCode {
    let Err(failure) = ended else { return ExitCode::SUCCESS };
    match format {
        Format::Text => screen.print(&failure.to_text(screen.palette())),
        Format::Json => screen.print(&failure.to_json()),
    }
    ExitCode::from(failure.exit_code())
}
