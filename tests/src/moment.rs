//! Waits for an observable event in place of a fixed time.

use std::time::{Duration, Instant};

/// Waits until `ready` holds. Fails after a time limit.
#[track_caller]
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    // Generous: continuous integration runs compilers on the same cores.
    const PATIENCE: Duration = Duration::from_mins(1);
    let since = Instant::now();
    while !ready() {
        assert!(since.elapsed() < PATIENCE, "not seen in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
