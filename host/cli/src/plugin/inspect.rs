use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::list::kind_name;
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::Failure;
use crate::{amounts, components, output, runtime};
use dray::config;
use dray::plugin::{ImportedInterface, Inspection, PluginDescription, PluginHost, PluginSource};
use dray::text::escape;

/// Show what a plugin is and which interfaces it imports, without running it by default
///
/// A component can call only its imports. They are shown in groups: those that every plugin gets, those that an
/// operator must grant, those that the toolchain added and that have no effect, and those that this program does not
/// have
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dray plugin inspect overlayfs\n  dray plugin inspect ./mine.wasm\n  \
                          dray plugin inspect --describe overlayfs")]
pub(crate) struct InspectArguments {
    /// Name of an embedded plugin, or a file
    #[arg(value_name = "FILE|NAME")]
    plugin: String,

    /// Also run it, in the sandbox and within the usual limits, and show its own description: version, purpose, and
    /// the JSON Schema of its configuration
    #[arg(long)]
    describe: bool,

    /// Print in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Serialize)]
struct Inspected {
    name: String,
    origin: &'static str,
    #[serde(flatten)]
    inspection: Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Described>,
}

/// The plugin's description of itself.
#[derive(Serialize)]
struct Described {
    name: String,
    version: String,
    summary: String,
    features: Vec<String>,
    /// Absent if the plugin takes no configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_schema: Option<Value>,
}

/// Prints the contents of the component.
pub(super) fn run(arguments: &InspectArguments, context: &Context) -> Result<(), Failure> {
    let source = match PluginSource::embedded(&arguments.plugin) {
        Some(source) => source,
        None => PluginSource::read(Path::new(&arguments.plugin)).map_err(|error| {
            Failure::from(error).hint("`dray plugin ls` lists the names of embedded plugins")
        })?,
    };
    let compiled = config::compiled_store(&context.environment);
    let host = components::host(compiled.as_deref(), components::patient_screen(&context.screen));
    let inspection = host.inspect(&source)?;
    let description = if arguments.describe { Some(describe(&source, &host)?) } else { None };
    let inspected = Inspected {
        name: source.label().to_string(),
        origin: if source.is_embedded() { "embedded" } else { "file" },
        inspection,
        description,
    };
    match arguments.format {
        Format::Json => output::write_json(&inspected),
        Format::Text => output::write(inspected.to_text().as_bytes()),
    }
}

fn describe(source: &PluginSource, host: &PluginHost) -> Result<Described, Failure> {
    let runtime = runtime::on_this_thread()?;
    let PluginDescription { name, version, summary, features, config_schema } =
        runtime.block_on(host.describe(source))?;
    // The host has checked that it is JSON, but numbers and nesting may exceed what this program can hold.
    let config_schema = config_schema.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    Ok(Described { name, version, summary, features, config_schema })
}

impl Inspected {
    fn to_text(&self) -> String {
        let Self { name, origin, inspection, description } = self;
        let mut text = String::new();
        let mut row = |key: &str, value: &str| {
            let _ = writeln!(text, "{key:<12} {}", escape::line(value));
        };
        row("name", name);
        row("origin", origin);
        row("kind", kind_name(inspection.kind));
        row("world", inspection.world.as_deref().unwrap_or("none that this program knows"));
        row("digest", inspection.digest.as_str());
        row("size", &amounts::bytes(inspection.size));
        list(&mut row, "granted", inspection.granted.iter().map(described));
        let needed = inspection.needs_grant.iter();
        list(
            &mut row,
            "needs grant",
            needed.map(|import| format!("{}: {}", import.grant, described(&import.interface))),
        );
        list(&mut row, "toolchain", inspection.toolchain.iter().map(described));
        list(&mut row, "unknown", inspection.unknown.iter().map(described));
        list(&mut row, "exports", inspection.exports.iter().cloned());
        if let Some(description) = description {
            description.rows(&mut row);
        }
        text
    }
}

impl Described {
    fn rows(&self, row: &mut impl FnMut(&str, &str)) {
        row("calls itself", &format!("{} {}", self.name, self.version));
        row("summary", &self.summary);
        list(row, "features", self.features.iter().cloned());
        // Line by line, because a single line would be escaped and cut.
        let schema = self.config_schema.as_ref().map(|schema| format!("{schema:#}"));
        let schema = schema.as_deref().unwrap_or("none: it takes no configuration");
        list(row, "config", schema.lines().map(str::to_owned));
    }
}

/// One row per item, the first with the key, or a row `none`.
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

#[cfg(test)]
mod tests {
    use super::*;
    use dray::oci::Algorithm;
    use dray::plugin::{GrantedImport, Metadata};
    use dray::verify::digest_of;

    #[test]
    fn an_import_that_needs_a_grant_is_shown_with_the_grant() {
        let interface = ImportedInterface {
            name: "test:host/content@0.1.0".to_owned(),
            functions: vec!["read".to_owned(), "size".to_owned()],
        };
        let inspection = Inspection {
            digest: digest_of(Algorithm::Sha256, b""),
            size: 0,
            kind: None,
            world: None,
            granted: Vec::new(),
            needs_grant: vec![GrantedImport { interface, grant: "content" }],
            toolchain: Vec::new(),
            unknown: Vec::new(),
            exports: Vec::new(),
            metadata: Metadata::default(),
        };
        let inspected = Inspected { name: "p".to_owned(), origin: "file", inspection, description: None };
        let text = inspected.to_text();
        assert!(text.contains("\nneeds grant  content: test:host/content@0.1.0 (read, size)\n"), "{text}");
    }
}
