//! What a plugin logs in one call, within bounds.

use std::sync::PoisonError;

use super::bindings::described::dray::host::{feature, log};
use super::bindings::described::dray::types::{errors, oci};
use super::sandbox::Guest;
use super::text::clean;
use crate::limits::{PLUGIN_LOG_BYTES, PLUGIN_LOG_LINE_BYTES, PLUGIN_LOG_LINES};

/// Severity of a line.
pub(super) type Level = log::Level;

/// The log of one call.
pub(super) struct GuestLog {
    plugin: Box<str>,
    bytes: usize,
    lines: usize,
    dropped: usize,
}

impl GuestLog {
    pub(super) fn new(plugin: &str) -> Self {
        Self { plugin: plugin.into(), bytes: 0, lines: 0, dropped: 0 }
    }

    /// Takes one line, or counts it if there have been too many.
    pub(super) fn write(&mut self, level: Level, line: &str) {
        if self.lines >= PLUGIN_LOG_LINES || self.bytes >= PLUGIN_LOG_BYTES {
            self.dropped += 1;
            return;
        }
        let limit = PLUGIN_LOG_LINE_BYTES.min(PLUGIN_LOG_BYTES - self.bytes);
        let line = clean(line, limit);
        self.lines += 1;
        self.bytes += line.len();
        let plugin = &*self.plugin;
        match level {
            Level::Trace => tracing::trace!(target: "dray::plugin", plugin, "{line}"),
            Level::Debug => tracing::debug!(target: "dray::plugin", plugin, "{line}"),
            Level::Info => tracing::info!(target: "dray::plugin", plugin, "{line}"),
            Level::Warn => tracing::warn!(target: "dray::plugin", plugin, "{line}"),
            Level::Error => tracing::error!(target: "dray::plugin", plugin, "{line}"),
        }
    }

    /// Says how much was dropped.
    pub(super) fn finish(&mut self) {
        if self.dropped > 0 {
            let (plugin, dropped) = (&*self.plugin, self.dropped);
            tracing::warn!(target: "dray::plugin", plugin, dropped, "the plugin logged more than it may");
            self.dropped = 0;
        }
    }
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
    fn lines_and_bytes_are_bounded() {
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
}
