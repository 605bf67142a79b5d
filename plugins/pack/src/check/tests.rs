use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::{Kind, PLUGINS};

const COMPONENT: &[u8] = b"a component";

/// A source tree with a manifest that belongs to it.
fn tree() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    let write = |path: &str| {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"first").unwrap();
    };
    for path in [
        "plugins/Cargo.toml",
        "plugins/Cargo.lock",
        "plugins/formats/src/lib.rs",
        "plugins/sdk/src/lib.rs",
        "wit/types/oci.wit",
    ] {
        write(path);
    }
    for (name, _) in PLUGINS {
        write(&format!("plugins/{name}/src/lib.rs"));
        write(&format!("plugins/{name}/Cargo.toml"));
    }
    fs::create_dir(dist(tree.path())).unwrap();
    let entry = |(name, kind): (&str, Kind)| {
        let entry = Entry::new(name, kind, sources::digest(tree.path(), name, kind).unwrap(), COMPONENT);
        fs::write(dist(tree.path()).join(&entry.file), COMPONENT).unwrap();
        entry
    };
    let components = PLUGINS.map(entry).to_vec();
    Manifest { toolchain: "some".to_owned(), components }.write(&dist(tree.path())).unwrap();
    tree
}

fn refusal(tree: &Path) -> String {
    format!("{:#}", check(tree).unwrap_err())
}

#[test]
fn agreement() {
    let tree = tree();
    assert_eq!(check(tree.path()).unwrap(), "7 components belong to the sources");
}

#[test]
fn a_changed_new_or_missing_source_is_named() {
    for (path, plugin) in [
        ("plugins/Cargo.lock", "cvmfs"),
        ("plugins/Cargo.toml", "cvmfs"),
        ("plugins/sdk/src/lib.rs", "cvmfs"),
        ("plugins/sdk/src/new.rs", "cvmfs"),
        ("wit/types/oci.wit", "cvmfs"),
        ("plugins/formats/src/lib.rs", "cvmfs"),
        ("plugins/overlayfs/src/lib.rs", "overlayfs"),
        ("plugins/platform/src/lib.rs", "platform"),
        ("plugins/platform/Cargo.toml", "platform"),
    ] {
        let tree = tree();
        fs::write(tree.path().join(path), b"second").unwrap();
        let refusal = refusal(tree.path());
        assert!(refusal.contains(&format!("sources of `{plugin}` differ")), "{path}: {refusal}");
        assert!(refusal.contains("make plugins"), "{refusal}");
    }
    let tree = tree();
    fs::remove_file(tree.path().join("plugins/platform/Cargo.toml")).unwrap();
    assert!(refusal(tree.path()).contains("sources of `platform` differ"));
}

#[test]
fn what_cannot_change_a_component_does_not_count() {
    let tree = tree();
    for path in [
        "plugins/sdk/src/lib.rs~",
        "plugins/sdk/notes.md",
        "plugins/platform/target/x.rs",
        "wit/released/0.1.0/types/oci.wit",
    ] {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"anything").unwrap();
    }
    check(tree.path()).unwrap();
}

#[test]
fn a_platform_plugin_is_not_built_on_the_formats_of_layers() {
    let tree = tree();
    let digest = |name, kind| sources::digest(tree.path(), name, kind).unwrap();
    let before = (digest("platform", Kind::Platform), digest("stargz", Kind::Snapshotter));
    fs::write(tree.path().join("plugins/formats/src/lib.rs"), b"second").unwrap();
    assert_eq!(digest("platform", Kind::Platform), before.0);
    assert_ne!(digest("stargz", Kind::Snapshotter), before.1);
}

#[test]
fn a_changed_or_missing_component_is_named() {
    let tree = tree();
    fs::write(dist(tree.path()).join("platform.wasm"), b"b component").unwrap();
    assert!(refusal(tree.path()).contains("platform.wasm` is not the component"));
    fs::remove_file(dist(tree.path()).join("platform.wasm")).unwrap();
    assert!(refusal(tree.path()).contains("component of `platform` is missing"));
    fs::remove_file(dist(tree.path()).join("manifest.json")).unwrap();
    assert!(refusal(tree.path()).contains("there is no manifest"));
}

#[test]
fn a_manifest_of_other_plugins_is_refused() {
    let tree = tree();
    let mut manifest = Manifest::read(&dist(tree.path())).unwrap();
    manifest.components.pop();
    manifest.write(&dist(tree.path())).unwrap();
    let refusal = refusal(tree.path());
    assert!(refusal.contains("`platform`, `soci` in place of `cvmfs`, `nydus`"), "{refusal}");
}
