use std::fmt::Write as _;

use serde::Serialize;

use super::shown::Failure;
use crate::color::{Palette, Style};
use crate::json;
use dray::text::escape;

#[derive(Serialize)]
struct Document<'a> {
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    kind: &'static str,
    message: &'a str,
    causes: &'a [String],
    hints: &'a [String],
}

impl Failure {
    /// The text for users: the message, the numbered causes, the hints.
    pub(crate) fn to_text(&self, palette: Palette) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "{}: {}", palette.paint(Style::Error, "error"), escape::line(&self.message));
        for (number, cause) in self.causes.iter().enumerate() {
            let _ = writeln!(text, "  {}: {}", number + 1, escape::line(cause));
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{}: {}", palette.paint(Style::Hint, "hint"), escape::line(hint));
        }
        text
    }

    /// The same for programs, in one line.
    pub(crate) fn to_json(&self) -> String {
        let error = ErrorObject {
            kind: self.kind.name(),
            message: &self.message,
            causes: &self.causes,
            hints: &self.hints,
        };
        // A struct of strings, which always has a JSON form.
        json::line(&Document { error }).unwrap_or_default()
    }
}
