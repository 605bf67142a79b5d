//! The host's log.
//!
//! The host marks each line with the name by which the operator gave the plugin, replaces control characters, and
//! cuts what is too long or too much. Do not log configuration values: logs are read by more people than configurations.
//!
//! In a native test the lines are kept; [`testing::taken_log`](crate::testing::taken_log) returns them.

use std::fmt::Display;

pub use crate::bindings::described::dray::host::log::Level;

/// Every step.
pub fn trace(message: impl Display) {
    write(Level::Trace, message);
}

/// What an author wants to see.
pub fn debug(message: impl Display) {
    write(Level::Debug, message);
}

/// What an operator may want to see.
pub fn info(message: impl Display) {
    write(Level::Info, message);
}

/// Something an operator should see.
pub fn warn(message: impl Display) {
    write(Level::Warn, message);
}

/// Something went wrong.
pub fn error(message: impl Display) {
    write(Level::Error, message);
}

/// Writes one line.
pub fn write(level: Level, message: impl Display) {
    let message = message.to_string();
    #[cfg(target_arch = "wasm32")]
    crate::bindings::described::dray::host::log::write(level, &message);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::keep_line(level, message);
}
