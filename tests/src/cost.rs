//! What running a program costs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tools;

/// What a process cost, with those that it has started and waited for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Cost {
    /// The most memory that one of them had, in KiB.
    pub peak_kib: u64,
    /// Time of processors that all of them took.
    pub processor: Duration,
}

/// A command that runs `program`, and writes its [`Cost`] to `file` at its end.
pub fn measured(file: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(tools::own("cost"));
    command.arg(file).arg(program);
    command
}

/// What a command of [`measured`] has written.
pub fn read(file: &Path) -> Cost {
    let written = std::fs::read(file).expect("a measured program leaves its cost");
    serde_json::from_slice(&written).expect("the cost is written as JSON")
}
