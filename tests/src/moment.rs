//! Waiting for a moment that a test can see, in place of a time that is long enough as a rule.

use std::time::{Duration, Instant};

/// Waits until `ready` holds, and fails if that does not happen.
#[track_caller]
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    // Generous: continuous integration shares its cores with compilers.
    const PATIENCE: Duration = Duration::from_mins(1);
    let since = Instant::now();
    while !ready() {
        assert!(since.elapsed() < PATIENCE, "not seen in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
