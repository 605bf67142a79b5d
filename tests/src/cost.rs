//! Measures the cost of running a program.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::tools;

/// The cost of a process, including the children that it waited for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Cost {
    /// Peak memory of the largest of them, in KiB.
    pub peak_kib: u64,
    /// CPU time of all of them.
    pub processor: Duration,
}

/// A command that runs `program` and writes its [`Cost`] to `file` at the end.
pub fn measured(file: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(tools::own("cost"));
    command.arg(file).arg(program);
    command
}

/// Reads what a command of [`measured`] wrote.
pub fn read(file: &Path) -> Cost {
    let written = std::fs::read(file).expect("a measured program leaves its cost");
    serde_json::from_slice(&written).expect("the cost is written as JSON")
}
