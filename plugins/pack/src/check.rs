use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::manifest::{Bytes, Entry, Manifest};
use crate::{PLUGINS, dist, sources};

const REMEDY: &str = "run `make plugins`";

/// Says whether manifest, sources and components agree. Fails with the first thing that differs.
pub(crate) fn check(tree: &Path) -> anyhow::Result<String> {
    let manifest = Manifest::read(&dist(tree)).with_context(|| format!("there is no manifest; {REMEDY}"))?;
    let listed: Vec<&str> = manifest.components.iter().map(|entry| entry.name.as_str()).collect();
    let expected: Vec<&str> = PLUGINS.iter().map(|(name, _)| *name).collect();
    if listed != expected {
        bail!(
            "the manifest lists `{}` in place of `{}`; {REMEDY}",
            listed.join("`, `"),
            expected.join("`, `")
        );
    }
    for entry in &manifest.components {
        check_one(tree, entry)?;
    }
    Ok(format!("{} components belong to the sources", manifest.components.len()))
}

fn check_one(tree: &Path, entry: &Entry) -> anyhow::Result<()> {
    let name = &entry.name;
    if sources::digest(tree, name, entry.kind)? != entry.sources {
        bail!("the sources of `{name}` differ from those that its component was built from; {REMEDY}");
    }
    let path = dist(tree).join(&entry.file);
    let bytes = fs::read(&path).with_context(|| format!("the component of `{name}` is missing; {REMEDY}"))?;
    if Bytes::of(&bytes) != entry.component {
        bail!("`{}` is not the component that the manifest describes; {REMEDY}", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
