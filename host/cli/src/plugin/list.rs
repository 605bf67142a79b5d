use std::fmt::Write as _;

use serde::Serialize;

use crate::arguments::Format;
use crate::failure::Failure;
use crate::{amounts, components, output};
use dray::oci::Digest;
use dray::plugin::{PluginKind, PluginSource};
use dray::text::escape;

/// List the embedded plugins
#[derive(Debug, clap::Args)]
pub(crate) struct ListArguments {
    /// Print the list in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Serialize)]
struct Entry {
    kind: &'static str,
    name: String,
    digest: Digest,
    size: usize,
    origin: &'static str,
}

/// Prints the list. Components are read but never run.
pub(super) fn run(arguments: &ListArguments) -> Result<(), Failure> {
    let host = components::host(None, None);
    let mut entries = Vec::new();
    for source in PluginSource::all_embedded() {
        entries.push(Entry {
            kind: kind_name(host.inspect(&source)?.kind),
            name: source.label().to_string(),
            digest: source.digest().clone(),
            size: source.bytes().len(),
            origin: "embedded",
        });
    }
    match arguments.format {
        Format::Json => output::write_json(&entries),
        Format::Text => output::write(table(&entries).as_bytes()),
    }
}

fn table(entries: &[Entry]) -> String {
    let mut text = "KIND         NAME          DIGEST        SIZE       ORIGIN\n".to_owned();
    for Entry { kind, name, digest, size, origin } in entries {
        let size = amounts::bytes(*size as u64);
        let name = escape::line(name);
        let _ = writeln!(text, "{kind:<12} {name:<13} {}  {size:<10} {origin}", digest.short());
    }
    text
}

/// The kind as written before the equals sign of `--plugin`.
pub(super) fn kind_name(kind: Option<PluginKind>) -> &'static str {
    match kind {
        Some(PluginKind::Snapshotter) => "snapshotter",
        Some(PluginKind::Platform) => "platform",
        None => "unknown",
    }
}
