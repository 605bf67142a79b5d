//! The command line as a whole.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::arguments::{ColorChoice, Format, Globals};
use super::completions::CompletionsArguments;
use super::config::ConfigCommand;
use super::image::ImageCommand;
use super::man::ManArguments;
use super::platform::PlatformCommand;
use super::plugin::PluginCommand;
use super::pull::PullArguments;
use super::reference::ReferenceArguments;
use super::registry::RegistryCommand;
use super::resolve::ResolveArguments;

/// Pull container images into containerd
///
/// WebAssembly components in a sandbox decide how an image is unpacked and which platform is chosen; dray carries out
/// their plans. `dray pull` leaves the same state in containerd as `nerdctl pull`
#[derive(Debug, Parser)]
#[command(name = "dray", version, max_term_width = 100, arg_required_else_help = true)]
#[command(subcommand_required = true, disable_help_subcommand = true, infer_long_args = false)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) globals: Globals,
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Arguments {
    pub(super) fn parse_from(arguments: &[OsString]) -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches_from(arguments)?;
        Self::from_arg_matches(&matches)
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Pull(PullArguments),
    Resolve(ResolveArguments),
    #[command(subcommand)]
    Image(ImageCommand),
    #[command(subcommand)]
    Plugin(PluginCommand),
    Reference(ReferenceArguments),
    #[command(subcommand)]
    Platform(PlatformCommand),
    #[command(subcommand)]
    Registry(RegistryCommand),
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the version; with --verbose, also the versions of interfaces and plugins
    Version,
    Completions(CompletionsArguments),
    Man(ManArguments),
}

impl Command {
    /// Whether the command reads configuration files.
    pub(super) fn is_configured(&self) -> bool {
        match self {
            Self::Pull(_)
            | Self::Resolve(_)
            | Self::Image(_)
            | Self::Plugin(_)
            | Self::Registry(_)
            | Self::Config(_) => true,
            Self::Reference(_) | Self::Platform(_) | Self::Version | Self::Completions(_) | Self::Man(_) => {
                false
            }
        }
    }

    /// The output format for errors of this command.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Pull(arguments) => arguments.transfer.format,
            Self::Resolve(arguments) => arguments.format,
            Self::Image(command) => command.format(),
            Self::Plugin(command) => command.format(),
            Self::Reference(arguments) => arguments.format,
            Self::Platform(command) => command.format(),
            Self::Registry(command) => command.format(),
            Self::Config(command) => command.format(),
            Self::Version | Self::Completions(_) | Self::Man(_) => Format::Text,
        }
    }
}

/// The options found in arguments that could not be parsed, for printing the error in the requested form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Presentation {
    pub(super) color: ColorChoice,
    pub(super) format: Format,
}

impl Presentation {
    pub(super) fn guess(arguments: &[OsString]) -> Self {
        let value_of = |flag: &str| {
            let options = arguments.iter().take_while(|argument| *argument != "--");
            let mut options = options.filter_map(|argument| argument.to_str());
            while let Some(option) = options.next() {
                match option.strip_prefix(flag) {
                    Some("") => return options.next(),
                    Some(rest) if rest.starts_with('=') => return Some(&rest[1..]),
                    _ => {}
                }
            }
            None
        };
        let color = value_of("--color").and_then(|value| ColorChoice::from_str(value, false).ok());
        let format = value_of("--format").and_then(|value| Format::from_str(value, false).ok());
        Self { color: color.unwrap_or(ColorChoice::Auto), format: format.unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(arguments: &[&str]) -> Presentation {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Presentation::guess(&arguments)
    }

    #[test]
    fn the_definition_is_valid() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn presentation_options_are_found_in_invalid_arguments() {
        let plain = Presentation { color: ColorChoice::Auto, format: Format::Text };
        assert_eq!(guess(&["dray", "pull"]), plain);
        assert_eq!(guess(&["dray", "--nonsense", "--format", "json"]).format, Format::Json);
        assert_eq!(guess(&["dray", "--color=never"]).color, ColorChoice::Never);
        assert_eq!(guess(&["dray", "--format=yaml", "--color"]), plain);
        assert_eq!(guess(&["dray", "pull", "--", "--format=json"]), plain);
    }

    #[test]
    fn global_options_work_before_and_after_the_command() {
        for arguments in [
            ["dray", "--address", "/a", "-n", "n", "-vv", "pull", "x"],
            ["dray", "pull", "x", "--address", "/a", "-n", "n", "-vv"],
            // nerdctl's name, from Docker.
            ["dray", "pull", "x", "--host", "/a", "-n", "n", "-vv"],
            ["dray", "-H", "/a", "-n", "n", "-vv", "pull", "x"],
            ["dray", "-H", "/a", "-n", "n", "--debug", "pull", "x"],
        ] {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            let parsed = Arguments::parse_from(&arguments).unwrap();
            assert_eq!(parsed.globals.daemon().address.as_deref(), Some("/a"));
            assert_eq!(parsed.globals.daemon().namespace.as_deref(), Some("n"));
            assert_eq!(parsed.globals.verbosity(), 2);
        }
    }

    /// The page has a row per command.
    #[test]
    fn every_command_is_documented() {
        let page = include_str!("../../../docs/cli.md");
        let mut open = vec![("dray".to_owned(), Arguments::command())];
        while let Some((name, command)) = open.pop() {
            let below = command
                .get_subcommands()
                .map(|below| (format!("{name} {}", below.get_name()), below.clone()));
            let below: Vec<_> = below.collect();
            let row = [format!("| `{name} "), format!("| `{name}`")];
            assert!(
                !below.is_empty() || row.iter().any(|row| page.contains(row)),
                "docs/cli.md lacks {name}"
            );
            open.extend(below);
        }
    }
}
