//! Colours, by meaning.

use super::arguments::ColorChoice;
use dray::config::Environment;

/// The meaning of a piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Nothing special.
    Plain,
    /// The word before an error.
    Error,
    /// The word before a warning.
    Warning,
    /// The word before a hint.
    Hint,
    /// An activity in progress.
    Active,
    /// A success.
    Good,
    /// Less important text.
    Faint,
}

/// Whether a stream gets colours. The text is complete without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Palette {
    colored: bool,
}

impl Palette {
    /// No colours, for tests.
    #[cfg(test)]
    pub(super) const NONE: Self = Self { colored: false };

    /// The user's choice. With `auto`, capable terminals get colours unless `NO_COLOR` is set.
    pub(super) fn choose(choice: ColorChoice, is_terminal: bool, environment: &Environment) -> Self {
        let colored = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                is_terminal && environment.no_color.is_none() && !is_dumb_terminal(environment)
            }
        };
        Self { colored }
    }

    /// Whether there are colours.
    pub(super) fn is_colored(self) -> bool {
        self.colored
    }

    /// The text in its colour.
    pub(super) fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => "",
            Style::Error => "1;31",
            Style::Warning => "1;33",
            Style::Hint | Style::Active => "36",
            Style::Good => "32",
            Style::Faint => "2",
        };
        if code.is_empty() || !self.colored {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Whether the terminal declares itself as `dumb`.
pub(super) fn is_dumb_terminal(environment: &Environment) -> bool {
    environment.terminal.as_ref().is_some_and(|kind| kind == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_choice_terminal_and_variables() {
        let colored = |choice, is_terminal, environment: &Environment| {
            Palette::choose(choice, is_terminal, environment).is_colored()
        };
        let plain = Environment::default();
        let no_color = Environment { no_color: Some("1".into()), ..Environment::default() };
        let dumb = Environment { terminal: Some("dumb".into()), ..Environment::default() };
        assert!(colored(ColorChoice::Auto, true, &plain));
        assert!(!colored(ColorChoice::Auto, false, &plain));
        assert!(!colored(ColorChoice::Auto, true, &no_color));
        assert!(!colored(ColorChoice::Auto, true, &dumb));
        assert!(colored(ColorChoice::Always, false, &no_color));
        assert!(!colored(ColorChoice::Never, true, &plain));
    }

    #[test]
    fn without_colours_text_is_unchanged() {
        assert_eq!(Palette::NONE.paint(Style::Error, "x"), "x");
        assert_eq!(Palette { colored: true }.paint(Style::Good, "x"), "\u{1b}[32mx\u{1b}[0m");
    }
}
