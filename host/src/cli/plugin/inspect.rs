use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::list::kind_name;
use crate::cli::arguments::Format;
use crate::cli::failure::Failure;
use crate::cli::{amounts, escape, output};
use crate::plugin::{ImportedInterface, Inspection, PluginSource, inspect};

/// Show what a plugin is and what it wants from the host, without running it
///
/// The imports of a component are all that it can reach. They are shown in groups: what every plugin gets, what
/// an operator must grant, what the toolchain brought in and the host answers with nothing, and what this
/// program does not know
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray plugin inspect overlayfs\n  dray plugin inspect ./mine.wasm")]
pub(in crate::cli) struct InspectArguments {
    /// Name of an embedded plugin, or else a file
    #[arg(value_name = "FILE|NAME")]
    plugin: String,

    /// Print in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) format: Format,
}

#[derive(Serialize)]
struct Inspected {
    name: String,
    origin: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    inspection: Inspection,
}

/// Prints what is found in the component.
pub(super) fn run(arguments: &InspectArguments) -> Result<(), Failure> {
    let source = match PluginSource::embedded(&arguments.plugin) {
        Some(source) => source,
        None => PluginSource::read(Path::new(&arguments.plugin)).map_err(|error| {
            Failure::from(error).hint("`dray plugin ls` lists the names of embedded plugins")
        })?,
    };
    let inspection = inspect(&source)?;
    let inspected = Inspected {
        name: source.label().to_string(),
        origin: if source.is_embedded() { "embedded" } else { "file" },
        kind: kind_name(inspection.world),
        inspection,
    };
    match arguments.format {
        Format::Json => output::write_json(&inspected),
        Format::Text => output::write(inspected.to_text().as_bytes()),
    }
}

impl Inspected {
    fn to_text(&self) -> String {
        let Self { name, origin, kind, inspection } = self;
        let mut text = String::new();
        let mut row = |key: &str, value: &str| {
            let _ = writeln!(text, "{key:<12} {}", escape::line(value));
        };
        row("name", name);
        row("origin", origin);
        row("kind", kind);
        row("world", inspection.world_name.as_deref().unwrap_or("none that this program knows"));
        row("digest", inspection.digest.as_str());
        row("size", &amounts::bytes(inspection.size));
        for (group, interfaces) in [
            ("granted", &inspection.granted),
            ("needs grant", &inspection.needs_grant),
            ("toolchain", &inspection.toolchain),
            ("unknown", &inspection.unknown),
        ] {
            list(&mut row, group, interfaces.iter().map(described));
        }
        list(&mut row, "exports", inspection.exports.iter().cloned());
        text
    }
}

/// One row for each item, the first with the key; a row that says so if there is none.
fn list(row: &mut impl FnMut(&str, &str), key: &str, items: impl Iterator<Item = String>) {
    let mut key = Some(key);
    for item in items {
        row(key.take().unwrap_or_default(), &item);
    }
    if let Some(key) = key {
        row(key, "none");
    }
}

fn described(interface: &ImportedInterface) -> String {
    if interface.functions.is_empty() {
        return interface.name.clone();
    }
    format!("{} ({})", interface.name, interface.functions.join(", "))
}
