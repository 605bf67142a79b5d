use serde::Serialize;

use super::imports::{self, Standing};
use super::shape::{Interface, Shape};
use super::text::clean;
use super::{PluginKind, PluginSource};
use dray_core::oci::Digest;
use dray_rules::limits::TEXT_BYTES;

/// What can be seen of a component without compiling or running it, as
/// [`PluginHost::inspect`](super::PluginHost::inspect) finds it.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Digest of the component.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Which kind of plugin it is, by what it exports.
    pub kind: Option<PluginKind>,
    /// Its world, such as `dray:snapshotter/plugin@0.1.0`.
    pub world: Option<String>,
    /// Imports that every plugin gets.
    pub granted: Vec<ImportedInterface>,
    /// Imports that an operator must grant. This version of the host has none of that kind.
    pub needs_grant: Vec<ImportedInterface>,
    /// Imports that toolchains put in, which the host answers with nothing.
    pub toolchain: Vec<ImportedInterface>,
    /// Imports that this host does not have. The component cannot be used here.
    pub unknown: Vec<ImportedInterface>,
    /// Names of the exports.
    pub exports: Vec<String>,
    /// What the component says about its making.
    pub metadata: Metadata,
}

/// One imported interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedInterface {
    /// Its name with version.
    pub name: String,
    /// The functions of it that the component uses.
    pub functions: Vec<String>,
}

/// What a component says about its making. Nobody has checked it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Licences, an SPDX expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// One sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where the source is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which revision of the source it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Languages and tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub producers: Vec<Producer>,
}

/// A language or a tool that took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `sdk` or `processed-by`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// What a component is, by its shape.
pub(super) fn inspection(source: &PluginSource, shape: &Shape) -> Inspection {
    let (kind, world) = imports::kind(shape).unzip();
    let standing = |wanted: Standing| {
        let imports = shape.imports.iter().filter(|import| imports::standing(import) == wanted);
        imports.map(imported).collect()
    };
    Inspection {
        digest: source.digest().clone(),
        size: source.bytes().len() as u64,
        kind,
        world,
        granted: standing(Standing::Granted),
        needs_grant: Vec::new(),
        toolchain: standing(Standing::Toolchain),
        unknown: standing(Standing::Unknown),
        exports: shape.exports.iter().map(|export| export.name.clone()).collect(),
        metadata: metadata(shape),
    }
}

fn imported(interface: &Interface) -> ImportedInterface {
    ImportedInterface { name: interface.name.clone(), functions: interface.functions.clone() }
}

fn metadata(shape: &Shape) -> Metadata {
    let note = |section: &str| {
        let (_, text) = shape.notes.iter().find(|(name, _)| name == section)?;
        Some(clean(text, TEXT_BYTES))
    };
    let producers = shape.producers.iter().map(|(role, name, version)| Producer {
        role: clean(role, TEXT_BYTES),
        name: clean(name, TEXT_BYTES),
        version: clean(version, TEXT_BYTES),
    });
    Metadata {
        version: note("version"),
        licence: note("licenses"),
        description: note("description"),
        source: note("source"),
        revision: note("revision"),
        producers: producers.collect(),
    }
}
