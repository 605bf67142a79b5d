//! What a component imports, exports and says about its making, read from its bytes.
//!
//! Nothing is compiled or run, and nothing is validated that would cost too much. Types are validated, so
//! that names and functions are those that the runtime would see; bodies of functions are not, since the compiler
//! does it anyway.

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
    /// As the component spells it, with version: `dray:host/log@0.1.0`.
    pub(super) name: String,
    /// Functions of the interface that the component uses or has. Empty for anything but an interface.
    pub(super) functions: Vec<String>,
}

/// A component from outside.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) imports: Vec<Interface>,
    pub(super) exports: Vec<Interface>,
    /// Texts of the custom sections that are in [`NOTES`]: name of the section and the beginning of its content.
    pub(super) notes: Vec<(String, String)>,
    /// What made it, as far as that is shown: field, name and version, and of each the beginning.
    pub(super) producers: Vec<(String, String, String)>,
}

/// Custom sections whose content is shown.
pub(super) const NOTES: [&str; 5] = ["version", "licenses", "description", "source", "revision"];

/// Reads the shape of a component.
///
/// # Errors
///
/// Fails if the component would cost more to compile than it may, and if the bytes are not a valid component
/// with the proposals that this host knows.
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
            // What is not UTF-8 is nothing that this program could show.
            && let Ok(text) = str::from_utf8(section.data())
        {
            self.notes.push((name.to_owned(), beginning(text)));
        }
    }
}

/// As much of a text as is shown.
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

/// The section is a note for people: what is wrong in it is left out.
fn producers(
    fields: wasmparser::ProducersSectionReader<'_>,
) -> impl Iterator<Item = (String, String, String)> {
    fields.into_iter().flatten().flat_map(|field| {
        let values = field.values.into_iter().flatten();
        values.map(move |value| (field.name.to_owned(), beginning(value.name), beginning(value.version)))
    })
}
