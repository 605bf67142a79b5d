//! Standard output.

use std::io::{self, Write};

use super::failure::Failure;
use super::json;

/// Writes the output of a command. A closed pipe is not an error, because its reader has all it wants.
pub(super) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::internal("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON, in several lines.
pub(super) fn write_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    write_lines(&[json::pretty(value)])
}

/// Writes values as JSON, one in each line.
pub(super) fn write_json_lines(values: &[impl serde::Serialize]) -> Result<(), Failure> {
    write_lines(&values.iter().map(json::line).collect::<Vec<_>>())
}

fn write_lines(made: &[serde_json::Result<String>]) -> Result<(), Failure> {
    let mut text = String::new();
    for json in made {
        let json =
            json.as_ref().map_err(|error| Failure::internal("cannot write the output as JSON", error))?;
        text.push_str(json);
        text.push('\n');
    }
    write(text.as_bytes())
}
