use anyhow::{Context, bail};
use wasm_metadata::{AddMetadata, AddMetadataField, Licenses, Version};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// The interfaces that a plugin may import without a grant, by their versioned names.
const IMPORTS: [&str; 4] =
    ["dray:host/feature@0.1.0", "dray:host/log@0.1.0", "dray:types/errors@0.1.0", "dray:types/oci@0.1.0"];

/// What a component says about itself in its metadata, beside what its `get-info` says.
pub(crate) struct Identity {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) license: &'static str,
}

/// Makes a component of a core module. Fails if the module does not fit the world that its sections describe,
/// or imports more than a plugin may without a grant.
pub(crate) fn encode(module: &[u8], identity: Option<&Identity>) -> anyhow::Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .context("reading the module")?
        .encode()
        .context("making a component of the module")?;
    let component = match identity {
        None => component,
        Some(identity) => metadata(identity)?.to_wasm(&component).context("adding the metadata")?,
    };
    let more: Vec<String> =
        imports(&component)?.into_iter().filter(|name| !IMPORTS.contains(&name.as_str())).collect();
    if !more.is_empty() {
        bail!("the component imports `{}`, which a plugin has no use for", more.join("`, `"));
    }
    Ok(component)
}

fn metadata(identity: &Identity) -> anyhow::Result<AddMetadata> {
    let mut metadata = AddMetadata::default();
    metadata.name = AddMetadataField::Set(identity.name.to_owned());
    metadata.version = AddMetadataField::Set(Version::new(identity.version.to_owned()));
    metadata.licenses = AddMetadataField::Set(Licenses::new(identity.license)?);
    metadata.processed_by.push(("dray-pack".to_owned(), identity.version.to_owned()));
    Ok(metadata)
}

/// The names that a component imports.
pub(crate) fn imports(component: &[u8]) -> anyhow::Result<Vec<String>> {
    outer(component, |payload, names| {
        if let Payload::ComponentImportSection(section) = payload {
            for import in section {
                names.push(import?.name.name.to_owned());
            }
        }
        Ok(())
    })
}

/// The names that a component exports.
#[cfg(test)]
pub(crate) fn exports(component: &[u8]) -> anyhow::Result<Vec<String>> {
    outer(component, |payload, names| {
        if let Payload::ComponentExportSection(section) = payload {
            for export in section {
                names.push(export?.name.name.to_owned());
            }
        }
        Ok(())
    })
}

/// Collects names from the sections of the outermost component.
fn outer(
    component: &[u8],
    mut collect: impl FnMut(Payload<'_>, &mut Vec<String>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.context("reading the component")?;
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            payload if depth == 1 => collect(payload, &mut names)?,
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
