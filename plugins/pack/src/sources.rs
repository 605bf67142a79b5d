use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::Kind;
use crate::manifest::sha256;

/// Digest over the sources of one plugin: its own, those of the crates that its kind is built on, the interface, and
/// what fixes their dependencies. Each counts with its path below `tree` and its bytes.
pub(crate) fn digest(tree: &Path, plugin: &str, kind: Kind) -> anyhow::Result<String> {
    let mut files = vec!["plugins/Cargo.lock".into(), "plugins/Cargo.toml".into()];
    let own = format!("plugins/{plugin}");
    let mut folders = vec![own.as_str(), "plugins/sdk", "wit"];
    if kind == Kind::Snapshotter {
        folders.push("plugins/formats");
    }
    for folder in folders {
        collect(tree, Path::new(folder), &mut files)?;
    }
    files.sort();
    let mut list = String::new();
    for file in files {
        let bytes =
            fs::read(tree.join(&file)).with_context(|| format!("reading source `{}`", file.display()))?;
        // Writing to a string does not fail.
        let _ = writeln!(list, "{}  {}", sha256(&bytes), file.display());
    }
    Ok(sha256(list.as_bytes()))
}

/// Finds what can change the component: an editor's leavings and built files cannot.
fn collect(tree: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(tree.join(folder))
        .with_context(|| format!("listing sources in `{}`", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let source = path.extension().is_some_and(|end| end == "rs" || end == "toml" || end == "wit");
        let kind = entry.file_type()?;
        // Interfaces that were released earlier are there to compare with.
        let is_other = entry.file_name() == "target" || path == Path::new("wit/released");
        if kind.is_dir() && !is_other {
            collect(tree, &path, files)?;
        } else if kind.is_file() && source {
            files.push(path);
        }
    }
    Ok(())
}
