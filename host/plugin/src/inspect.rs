use serde::Serialize;

use super::imports::{self, Availability, OFFER, Offer};
use super::shape::{Interface, Shape};
use super::text::clean;
use super::{PluginKind, PluginSource};
use dray_core::oci::Digest;
use dray_rules::limits::TEXT_BYTES;

/// The result of [`PluginHost::inspect`](super::PluginHost::inspect), found without compiling or running the
/// component.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// Digest of the component.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The kind of plugin, by its exports.
    pub kind: Option<PluginKind>,
    /// Its world, such as `dray:snapshotter/plugin@0.1.0`.
    pub world: Option<String>,
    /// Imports that every plugin gets.
    pub granted: Vec<ImportedInterface>,
    /// Imports that an operator must grant. This version of the host has no such interface.
    pub needs_grant: Vec<GrantedImport>,
    /// Imports that toolchains add. They have no effect in this host.
    pub toolchain: Vec<ImportedInterface>,
    /// Imports that this host does not have. The component cannot be used here.
    pub unknown: Vec<ImportedInterface>,
    /// Names of the exports.
    pub exports: Vec<String>,
    /// Producers and other metadata in the component.
    pub metadata: Metadata,
}

/// One imported interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportedInterface {
    /// Its name with version.
    pub name: String,
    /// The functions that the component uses.
    pub functions: Vec<String>,
}

/// An imported interface that needs a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GrantedImport {
    /// The interface.
    #[serde(flatten)]
    pub interface: ImportedInterface,
    /// Name of the grant.
    pub grant: &'static str,
}

/// Metadata in a component. It is not verified.
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
    /// The revision of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Languages and tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub producers: Vec<Producer>,
}

/// A language or tool that produced the component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `language`, `sdk` or `processed-by`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
}

/// The inspection of a component, from its shape.
pub(super) fn inspection(source: &PluginSource, shape: &Shape) -> Inspection {
    let (kind, world) = imports::kind(shape).unzip();
    let Imports { granted, needs_grant, toolchain, unknown } = Imports::of(&OFFER, &shape.imports);
    Inspection {
        digest: source.digest().clone(),
        size: source.bytes().len() as u64,
        kind,
        world,
        granted,
        needs_grant,
        toolchain,
        unknown,
        exports: shape.exports.iter().map(|export| export.name.clone()).collect(),
        metadata: metadata(shape),
    }
}

/// The imports of a component, by how they are available.
#[derive(Debug, Default, PartialEq, Eq)]
struct Imports {
    granted: Vec<ImportedInterface>,
    needs_grant: Vec<GrantedImport>,
    toolchain: Vec<ImportedInterface>,
    unknown: Vec<ImportedInterface>,
}

impl Imports {
    fn of(offer: &Offer, imports: &[Interface]) -> Self {
        let mut groups = Self::default();
        for import in imports {
            let interface =
                ImportedInterface { name: import.name.clone(), functions: import.functions.clone() };
            match offer.availability(import) {
                Availability::Always => groups.granted.push(interface),
                Availability::WithGrant(grant) => groups.needs_grant.push(GrantedImport { interface, grant }),
                Availability::Toolchain => groups.toolchain.push(interface),
                Availability::Unknown => groups.unknown.push(interface),
            }
        }
        groups
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imports::tests::{SAMPLE, import};

    #[test]
    fn an_import_that_needs_a_grant_is_shown_with_the_grant() {
        let imports = [import("test:host/content@0.1.0", &["read"]), import("test:host/other@0.1.0", &[])];
        let groups = Imports::of(&SAMPLE, &imports);
        assert_eq!(groups.granted, []);
        assert_eq!(groups.unknown[0].name, "test:host/other@0.1.0");
        assert_eq!(
            serde_json::to_string(&groups.needs_grant).unwrap(),
            r#"[{"name":"test:host/content@0.1.0","functions":["read"],"grant":"content"}]"#
        );
    }
}
