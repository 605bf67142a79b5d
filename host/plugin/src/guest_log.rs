//! The log of a plugin in one call, within limits.

use std::collections::VecDeque;
use std::sync::PoisonError;

use super::bindings::described::dray::host::{feature, log};
use super::bindings::described::dray::types::{errors, oci};
use super::sandbox::Guest;
use super::text::clean;
use dray_core::limits::{
    PLUGIN_LOG_BYTES, PLUGIN_LOG_LINE_BYTES, PLUGIN_LOG_LINES, PLUGIN_LOUD_LINE_BYTES, PLUGIN_LOUD_LINES,
};
use dray_rules::limits::TEXT_BYTES;

/// Severity of a line.
pub(super) type Level = log::Level;

/// The log of one call.
///
/// A line starts with the name of its plugin and is quoted, so that it does not look like a line of the host or of
/// another plugin.
pub(super) struct GuestLog {
    plugin: Box<str>,
    bytes: usize,
    lines: usize,
    dropped: usize,
    /// Warnings and errors so far.
    loud: usize,
    /// The text on standard error since the last line end.
    unfinished: Vec<u8>,
    /// The first lines of standard error, made safe for display.
    first: Vec<String>,
    /// The last lines of standard error.
    last: VecDeque<String>,
}

impl GuestLog {
    pub(super) fn new(plugin: &str) -> Self {
        let plugin = clean(plugin, TEXT_BYTES).into();
        Self {
            plugin,
            bytes: 0,
            lines: 0,
            dropped: 0,
            loud: 0,
            unfinished: Vec::new(),
            first: Vec::new(),
            last: VecDeque::new(),
        }
    }

    /// The first and last lines of standard error: some languages state the error first, some last. A line `…` stands
    /// for omitted lines.
    pub(super) fn standard_error(&self) -> impl Iterator<Item = &str> {
        self.first.iter().chain(&self.last).map(String::as_str)
    }

    /// Logs one line, or counts it if there were too many.
    pub(super) fn write(&mut self, level: Level, line: &str) {
        if self.lines >= PLUGIN_LOG_LINES || self.bytes >= PLUGIN_LOG_BYTES {
            self.dropped += 1;
            return;
        }
        let limit = PLUGIN_LOG_LINE_BYTES.min(PLUGIN_LOG_BYTES - self.bytes);
        let line = without_gaps(&clean(line, limit));
        self.lines += 1;
        self.bytes += line.len();
        let plugin = &*self.plugin;
        match level {
            Level::Trace => tracing::trace!(target: TARGET, "plugin `{plugin}` says: {line:?}"),
            Level::Debug => tracing::debug!(target: TARGET, "plugin `{plugin}` says: {line:?}"),
            Level::Info => tracing::info!(target: TARGET, "plugin `{plugin}` says: {line:?}"),
            Level::Warn | Level::Error => self.write_loud(level, &line),
        }
    }

    fn write_loud(&mut self, level: Level, line: &str) {
        self.loud += 1;
        let plugin = &*self.plugin;
        let shown = &line[..line.floor_char_boundary(PLUGIN_LOUD_LINE_BYTES)];
        let more = if shown.len() < line.len() { " …" } else { "" };
        match level {
            _ if self.loud > PLUGIN_LOUD_LINES => {
                tracing::info!(target: TARGET, "plugin `{plugin}` says: {line:?}");
            }
            Level::Error => tracing::error!(target: TARGET, "plugin `{plugin}` says: {shown:?}{more}"),
            _ => tracing::warn!(target: TARGET, "plugin `{plugin}` says: {shown:?}{more}"),
        }
    }

    /// Takes bytes of a text with lines.
    pub(super) fn write_stream(&mut self, level: Level, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = PLUGIN_LOG_LINE_BYTES.saturating_sub(self.unfinished.len());
            self.unfinished.extend_from_slice(&text[..text.len().min(room)]);
            if is_whole {
                self.end_line(level);
            }
        }
    }

    fn end_line(&mut self, level: Level) {
        let line = std::mem::take(&mut self.unfinished);
        if line.is_empty() {
            return;
        }
        // Some languages indent by tabs, which would be replaced as control characters.
        let line = String::from_utf8_lossy(&line).replace('\t', " ");
        self.remember(without_gaps(&clean(line.trim(), PLUGIN_LOUD_LINE_BYTES)));
        self.write(level, &line);
    }

    fn remember(&mut self, line: String) {
        if line.is_empty() {
            return;
        }
        if self.first.len() < SHOWN_LINES {
            self.first.push(line);
            return;
        }
        self.last.push_back(line);
        if self.last.len() > SHOWN_LINES + 1 {
            self.last.pop_front();
        }
        if self.last.len() > SHOWN_LINES {
            "…".clone_into(&mut self.last[0]);
        }
    }

    /// Ends the log, and logs the number of dropped lines.
    pub(super) fn finish(&mut self) {
        self.end_line(Level::Debug);
        let quieter = self.loud.saturating_sub(PLUGIN_LOUD_LINES);
        if self.dropped > 0 || quieter > 0 {
            let (plugin, dropped) = (&*self.plugin, self.dropped);
            tracing::warn!(
                target: TARGET,
                dropped,
                quieter,
                "plugin `{plugin}` logged more than is shown here"
            );
        }
        (self.dropped, self.loud) = (0, 0);
    }
}

const TARGET: &str = "dray::plugin";

/// Number of lines of standard error that are kept from its start, and as many from its end.
const SHOWN_LINES: usize = 3;

/// Replaces several spaces by one: many spaces could push the rest of a line into the next row of a terminal.
fn without_gaps(line: &str) -> String {
    let mut narrow = String::with_capacity(line.len());
    for letter in line.chars() {
        if !letter.is_whitespace() {
            narrow.push(letter);
        } else if !narrow.ends_with(' ') {
            narrow.push(' ');
        }
    }
    narrow
}

impl log::Host for Guest {
    async fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write(level, &message);
        Ok(())
    }
}

impl feature::Host for Guest {
    async fn supported(&mut self, name: String) -> wasmtime::Result<bool> {
        Ok(matches!(name.as_str(), "stop-asking" | "keep-blob" | "on-error"))
    }
}

impl oci::Host for Guest {}

impl errors::Host for Guest {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_bytes_are_limited() {
        let mut log = GuestLog::new("x");
        for _ in 0..PLUGIN_LOG_LINES + 7 {
            log.write(Level::Info, "a");
        }
        assert_eq!((log.lines, log.bytes, log.dropped), (PLUGIN_LOG_LINES, PLUGIN_LOG_LINES, 7));

        let mut log = GuestLog::new("x");
        let long = "b".repeat(PLUGIN_LOG_LINE_BYTES + 1);
        for _ in 0..20 {
            log.write(Level::Info, &long);
        }
        assert_eq!((log.lines, log.bytes, log.dropped), (16, PLUGIN_LOG_BYTES, 4));
    }

    #[test]
    fn a_stream_is_split_into_its_lines() {
        let mut log = GuestLog::new("x");
        for piece in ["one ", "line", " in pieces\ntwo\n", "\n", "three"] {
            log.write_stream(Level::Debug, piece.as_bytes());
        }
        assert_eq!((log.lines, log.unfinished.as_slice()), (2, &b"three"[..]));
        log.finish();
        assert_eq!((log.lines, log.bytes), (3, "one line in piecestwothree".len()));
        log.write_stream(Level::Debug, &[b'a'; 2 * PLUGIN_LOG_LINE_BYTES]);
        assert_eq!(log.unfinished.len(), PLUGIN_LOG_LINE_BYTES);
    }

    #[test]
    fn start_and_end_of_a_long_stream_are_kept() {
        let remembered = |text: &str| {
            let mut log = GuestLog::new("x");
            log.write_stream(Level::Debug, text.as_bytes());
            log.finish();
            log.standard_error().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(remembered(""), [""; 0]);
        assert_eq!(
            remembered("panic: boom\n\n\tmain.go:7 \x1b[31m"),
            ["panic: boom", "main.go:7 \u{fffd}[31m"]
        );
        assert_eq!(remembered("1\n2\n3\n4\n5\n6\n"), ["1", "2", "3", "4", "5", "6"]);
        assert_eq!(remembered("1\n2\n3\n4\n5\n6\n7\n8"), ["1", "2", "3", "…", "6", "7", "8"]);
        let long = remembered(&"x".repeat(2 * PLUGIN_LOUD_LINE_BYTES));
        assert_eq!(long, ["x".repeat(PLUGIN_LOUD_LINE_BYTES)]);
    }

    #[test]
    fn repeated_spaces_are_merged() {
        assert_eq!(without_gaps("a  b\u{a0}\u{3000} c d"), "a b c d");
    }
}
