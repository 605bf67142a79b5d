//! Reads imports, exports and metadata of a component from its bytes.
//!
//! Nothing is compiled or run, and nothing too expensive is validated. Types are validated, so that names and
//! functions are those of the runtime. Function bodies are not, because the compiler validates them anyway.

use serde::{Deserialize, Serialize};
use wasmparser::component_types::{ComponentEntityType, ComponentItem};
use wasmparser::types::TypesRef;
use wasmparser::{CustomSectionReader, KnownCustom, Parser, Payload, ValidPayload, Validator};

use super::proposals::PROPOSALS;
use super::weight::{self, ComponentError};
use dray_core::limits::PLUGIN_PRODUCERS;
use dray_rules::limits::TEXT_BYTES;

/// An import or export: usually an interface with its functions.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Interface {
    /// The name with version, as in the component: `dray:host/log@0.1.0`.
    pub(super) name: String,
    /// Functions of the interface that the component uses or defines. Empty for other items.
    pub(super) functions: Vec<String>,
}

/// A component from outside.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) imports: Vec<Interface>,
    pub(super) exports: Vec<Interface>,
    /// Custom sections listed in [`NOTES`]: name and beginning of the content.
    pub(super) notes: Vec<(String, String)>,
    /// Producers, up to a limit: field, name and version, each truncated.
    pub(super) producers: Vec<(String, String, String)>,
}

/// Custom sections whose content is shown.
pub(super) const NOTES: [&str; 5] = ["version", "licenses", "description", "source", "revision"];

/// Reads the shape of a component.
///
/// # Errors
///
/// Fails if the component would be too expensive to compile, or if the bytes are not a valid component with the
/// enabled proposals.
pub(super) fn read(bytes: &[u8]) -> Result<Shape, ComponentError> {
    weight::weigh(bytes)?;
    let mut validator = Validator::new_with_features(PROPOSALS);
    let mut shape = Shape::default();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match &payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section.clone() {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section.clone() {
                    exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if depth == 1 => shape.note(section),
            _ => {}
        }
        if let ValidPayload::End(types) = validator.payload(&payload)?
            && depth == 0
        {
            let types = types.as_ref();
            let import = |name: &String| interface(types, name, types.component_item_for_import(name));
            let export = |name: &String| interface(types, name, types.component_item_for_export(name));
            shape.imports = imports.iter().map(import).collect();
            shape.exports = exports.iter().map(export).collect();
        }
    }
    Ok(shape)
}

impl Shape {
    fn note(&mut self, section: &CustomSectionReader<'_>) {
        let name = section.name();
        if name == "producers" {
            if let KnownCustom::Producers(fields) = section.as_known() {
                let room = PLUGIN_PRODUCERS.saturating_sub(self.producers.len());
                self.producers.extend(producers(fields).take(room));
            }
        } else if NOTES.contains(&name)
            && self.notes.iter().all(|(known, _)| known != name)
            // Sections that are not UTF-8 are skipped.
            && let Ok(text) = str::from_utf8(section.data())
        {
            self.notes.push((name.to_owned(), beginning(text)));
        }
    }
}

/// The shown part of a text.
fn beginning(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES)].to_owned()
}

fn interface(types: TypesRef<'_>, name: &str, item: Option<&ComponentItem>) -> Interface {
    let functions = match item.map(|item| item.ty) {
        Some(ComponentEntityType::Instance(instance)) => {
            let items = types[instance].exports.iter();
            let functions = items.filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)));
            functions.map(|(name, _)| name.clone()).collect()
        }
        _ => Vec::new(),
    };
    Interface { name: name.to_owned(), functions }
}

/// The section is only informative, so its errors are skipped.
fn producers(
    fields: wasmparser::ProducersSectionReader<'_>,
) -> impl Iterator<Item = (String, String, String)> {
    fields.into_iter().flatten().flat_map(|field| {
        let values = field.values.into_iter().flatten();
        values.map(move |value| (field.name.to_owned(), beginning(value.name), beginning(value.version)))
    })
}
