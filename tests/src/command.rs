//! Runs the `dray` binary in a cleared environment and keeps everything it printed.
