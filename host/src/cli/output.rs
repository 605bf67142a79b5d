//! Standard output.

use std::io::{self, Write};

use super::failure::Failure;

/// Writes everything that a command has to say. A reader that has gone away has all it wanted, so that is no
/// failure.
pub(super) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::internal("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
pub(super) fn write_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|error| Failure::internal("cannot write the output as JSON", &error))?;
    text.push(b'\n');
    write(&text)
}
