use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use super::screen::{LogLines, Screen};

/// Sends log lines to the screen. Without `-v` only warnings of this program are shown. Lines of libraries appear at
/// the levels that help to find a fault.
pub(super) fn start(verbose: u8, screen: &Arc<Screen>) {
    let (own, libraries) = match verbose {
        0 => (LevelFilter::WARN, LevelFilter::OFF),
        1 => (LevelFilter::INFO, LevelFilter::WARN),
        2 => (LevelFilter::DEBUG, LevelFilter::INFO),
        _ => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    let screen = Arc::clone(screen);
    let lines = fmt::layer().with_ansi(false).with_writer(move || LogLines(Arc::clone(&screen)));
    let filter = Targets::new().with_default(libraries).with_target(env!("CARGO_CRATE_NAME"), own);
    // Fails only if there is a subscriber already, which then receives the log.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
