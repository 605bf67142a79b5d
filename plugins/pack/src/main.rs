//! Makes components of the built plugins, and says whether the components in the tree belong to its sources.

mod check;
mod component;
mod manifest;
mod sources;

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use component::Identity;
use manifest::{Entry, Manifest};

const USAGE: &str = "\
usage:
  pack MODULES TOOLCHAIN        make the components of the modules in the directory MODULES, and their
                                manifest; TOOLCHAIN says what compiled them
  pack --check                  say whether the components belong to the sources, without building anything
  pack --component MODULE FILE  make a component of one module of any plugin
";

/// The plugins that come with dray: directory, and name of the built module.
const PLUGINS: [(&str, Kind); 7] = [
    ("cvmfs", Kind::Snapshotter),
    ("nydus", Kind::Snapshotter),
    ("overlaybd", Kind::Snapshotter),
    ("overlayfs", Kind::Snapshotter),
    ("platform", Kind::Platform),
    ("soci", Kind::Snapshotter),
    ("stargz", Kind::Snapshotter),
];

/// Largest component, in bytes. It is compiled on the machine of whoever runs it, and is part of the program.
const COMPONENT_BYTES: u64 = 150_000;

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Snapshotter,
    Platform,
}

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<String>>()) {
        Ok(said) => {
            let _ = writeln!(io::stdout(), "{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "pack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> anyhow::Result<String> {
    let tree = tree()?;
    match arguments {
        [check] if check == "--check" => check::check(&tree),
        [flag, module, file] if flag == "--component" => one(Path::new(module), Path::new(file)),
        [modules, toolchain] if !modules.starts_with('-') => all(&tree, Path::new(modules), toolchain),
        _ => bail!("the arguments are not understood\n{USAGE}"),
    }
}

/// The root of the source tree, two levels above this crate.
fn tree() -> anyhow::Result<PathBuf> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    tree.canonicalize().with_context(|| format!("looking for the source tree at `{}`", tree.display()))
}

fn dist(tree: &Path) -> PathBuf {
    tree.join("plugins/dist")
}

fn all(tree: &Path, modules: &Path, toolchain: &str) -> anyhow::Result<String> {
    let dist = dist(tree);
    fs::create_dir_all(&dist).with_context(|| format!("making `{}`", dist.display()))?;
    let mut components = Vec::new();
    let mut said = Vec::new();
    for (name, kind) in PLUGINS {
        let module = modules.join(format!("{name}.wasm"));
        let bytes = fs::read(&module).with_context(|| format!("reading `{}`", module.display()))?;
        let identity =
            Identity { name, version: env!("CARGO_PKG_VERSION"), license: env!("CARGO_PKG_LICENSE") };
        let component =
            component::encode(&bytes, Some(&identity)).with_context(|| format!("packing `{name}`"))?;
        let entry = Entry::new(name, kind, sources::digest(tree, name, kind)?, &component);
        if entry.component.size > COMPONENT_BYTES {
            bail!("the component of `{name}` has {} bytes, over {COMPONENT_BYTES}", entry.component.size);
        }
        let path = dist.join(&entry.file);
        fs::write(&path, &component).with_context(|| format!("writing `{}`", path.display()))?;
        said.push(format!(
            "{}: {} bytes, sha256 {}",
            entry.file, entry.component.size, entry.component.sha256
        ));
        components.push(entry);
    }
    Manifest { toolchain: toolchain.to_owned(), components }.write(&dist)?;
    Ok(said.join("\n"))
}

fn one(module: &Path, file: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(module).with_context(|| format!("reading `{}`", module.display()))?;
    let component = component::encode(&bytes, None)?;
    fs::write(file, &component).with_context(|| format!("writing `{}`", file.display()))?;
    Ok(format!("{}: {} bytes", file.display(), component.len()))
}
