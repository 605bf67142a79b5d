//! Errors and answers of the command-line parser.

use clap::error::ErrorKind;

use super::kind::Kind;
use super::shown::Failure;
use crate::color::Palette;

/// Whether the parser's text is an answer, as for `--help`.
pub(crate) fn is_answer(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// The parser's own text.
pub(crate) fn to_text(error: &clap::Error, palette: Palette) -> String {
    let text = error.render();
    if palette.is_colored() { text.ansi().to_string() } else { text.to_string() }
}

impl From<clap::Error> for Failure {
    /// The message without the usage, and the tips as hints.
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n");
        let message = match error.kind() {
            // The parser prints its help in place of a message.
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "there is no command",
            _ => paragraphs.next().unwrap_or_default(),
        };
        let message = message.strip_prefix("error: ").unwrap_or(message);
        let words: Vec<&str> = message.split_whitespace().collect();
        let tips = text.lines().filter_map(|line| line.trim().strip_prefix("tip: "));
        let mut failure = Self::new(Kind::Usage, words.join(" "));
        failure.hints = tips.map(str::to_owned).collect();
        failure
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::command::Arguments;

    fn error(arguments: &[&str]) -> clap::Error {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        Arguments::parse_from(&arguments).unwrap_err()
    }

    #[test]
    fn errors_of_the_parser_have_a_json_form() {
        let failure = Failure::from(error(&["dray", "pull", "--platfrom", "x", "y"]));
        assert_eq!(failure.exit_code(), 2);
        assert_eq!(
            failure.to_json(),
            r#"{"error":{"kind":"usage","message":"unexpected argument '--platfrom' found","causes":[],"hints":["a similar argument exists: '--platform'"]}}"#
        );
        assert_eq!(Failure::from(error(&["dray"])).message, "there is no command");
    }

    #[test]
    fn help_and_version_are_not_errors() {
        assert!(is_answer(&error(&["dray", "--help"])));
        assert!(is_answer(&error(&["dray", "--version"])));
        assert!(!is_answer(&error(&["dray"])));
        assert!(!to_text(&error(&["dray", "pull"]), Palette::NONE).contains('\u{1b}'));
    }
}
