//! Values of a TOML document with their positions.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::display;

/// An error in a `hosts.toml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct HostsFileError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1.
    pub column: usize,
    /// The problem.
    pub problem: String,
}

/// A value and its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// The text of a document, for computing line numbers.
#[derive(Clone, Copy)]
pub(super) struct Document<'a>(pub(super) &'a str);

impl Document<'_> {
    /// An error at a byte offset of the document.
    pub(super) fn error(self, at: usize, problem: impl Into<String>) -> HostsFileError {
        let before = self.0.get(..at).unwrap_or(self.0);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        HostsFileError { line, column, problem: problem.into() }
    }

    fn wrong(self, key: &str, value: &Value<'_>, wanted: &str) -> HostsFileError {
        self.error(value.span().start, format!("`{key}` must be {wanted}"))
    }

    pub(super) fn string(self, key: &str, value: &Value<'_>) -> Result<String, HostsFileError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.clone().into_owned()),
            _ => Err(self.wrong(key, value, "a text in quotes")),
        }
    }

    pub(super) fn boolean(self, key: &str, value: &Value<'_>) -> Result<bool, HostsFileError> {
        match value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong(key, value, "`true` or `false`")),
        }
    }

    pub(super) fn table<'v, 'a>(
        self,
        key: &str,
        value: &'v Value<'a>,
    ) -> Result<&'v DeTable<'a>, HostsFileError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(key, value, "a table")),
        }
    }

    /// A list of strings.
    pub(super) fn strings(self, key: &str, value: &Value<'_>) -> Result<Vec<String>, HostsFileError> {
        match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|item| self.string(key, item)).collect(),
            _ => Err(self.wrong(key, value, "a list of texts")),
        }
    }

    /// A string, or a list of strings.
    pub(super) fn string_or_strings(
        self,
        key: &str,
        value: &Value<'_>,
    ) -> Result<Vec<String>, HostsFileError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(vec![text.clone().into_owned()]),
            DeValue::Array(_) => self.strings(key, value),
            _ => Err(self.wrong(key, value, "a text or a list of texts")),
        }
    }

    /// A string, or a list of strings and pairs. For a single string the second of the pair is empty.
    pub(super) fn pairs(self, key: &str, value: &Value<'_>) -> Result<Vec<(String, String)>, HostsFileError> {
        let DeValue::Array(items) = value.get_ref() else {
            return Ok(vec![(self.string(key, value)?, String::new())]);
        };
        let pair = |item: &Value<'_>| match item.get_ref() {
            DeValue::Array(_) => match <[String; 2]>::try_from(self.strings(key, item)?) {
                Ok([first, second]) => Ok((first, second)),
                Err(_) => Err(self.wrong(key, item, "pairs of certificate and key")),
            },
            _ => Ok((self.string(key, item)?, String::new())),
        };
        items.iter().map(pair).collect()
    }
}

/// A key, made fit for a message.
pub(super) fn shown(key: &Spanned<Cow<'_, str>>) -> String {
    display::text(key.get_ref())
}
