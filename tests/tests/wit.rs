//! Rules for the plugin interface.

use std::fs;
use std::path::Path;
use std::process::Command;

use dray_tests::guests::{PACKAGES, interface, wit};
use dray_tests::scratch::{Place, Scratch};
use wit_parser::{Docs, Resolve, Stability, TypeDefKind, World, WorldItem};

/// Checks the doc comment and the version gate of each item.
struct Reader {
    faults: Vec<String>,
}

impl Reader {
    fn documented(&mut self, item: &str, docs: &Docs) {
        if docs.contents.as_deref().is_none_or(|text| text.trim().is_empty()) {
            self.faults.push(format!("{item} has no doc comment"));
        }
    }

    fn gated(&mut self, item: &str, stability: &Stability) {
        if !matches!(stability, Stability::Stable { .. }) {
            self.faults.push(format!("{item} has no @since"));
        }
    }
}

fn faults(resolve: &Resolve) -> Vec<String> {
    let mut reader = Reader { faults: Vec::new() };
    for (_, package) in &resolve.packages {
        reader.documented(&package.name.to_string(), &package.docs);
    }
    for (_, interface) in &resolve.interfaces {
        let name = interface.name.as_deref().unwrap_or("a nameless interface");
        reader.documented(name, &interface.docs);
        reader.gated(name, &interface.stability);
        for (function, definition) in &interface.functions {
            let function = format!("{name}.{function}");
            reader.documented(&function, &definition.docs);
            reader.gated(&function, &definition.stability);
        }
        for (type_name, id) in &interface.types {
            let definition = &resolve.types[*id];
            let item = format!("{name}.{type_name}");
            // A type brought in by `use` has its comment where it is defined.
            let is_used = matches!(definition.kind, TypeDefKind::Type(wit_parser::Type::Id(other))
                if resolve.types[other].owner != definition.owner);
            if is_used {
                continue;
            }
            reader.documented(&item, &definition.docs);
            reader.gated(&item, &definition.stability);
            match &definition.kind {
                TypeDefKind::Record(record) => {
                    for field in &record.fields {
                        reader.documented(&format!("{item}.{}", field.name), &field.docs);
                    }
                }
                TypeDefKind::Variant(variant) => {
                    for case in &variant.cases {
                        reader.documented(&format!("{item}.{}", case.name), &case.docs);
                    }
                }
                TypeDefKind::Enum(cases) => {
                    for case in &cases.cases {
                        reader.documented(&format!("{item}.{}", case.name), &case.docs);
                    }
                }
                TypeDefKind::Flags(flags) => {
                    for flag in &flags.flags {
                        reader.documented(&format!("{item}.{}", flag.name), &flag.docs);
                    }
                }
                _ => {}
            }
        }
    }
    for (_, world) in &resolve.worlds {
        reader.documented(&world.name, &world.docs);
        reader.gated(&world.name, &world.stability);
        for (direction, items) in [("imports", &world.imports), ("exports", &world.exports)] {
            for (key, item) in items {
                let (docs, stability) = match item {
                    WorldItem::Interface { docs, stability, .. } => (docs, stability),
                    WorldItem::Function(function) => (&function.docs, &function.stability),
                    WorldItem::Type { id, .. } => (&resolve.types[*id].docs, &resolve.types[*id].stability),
                };
                if docs.is_empty() && is_implied(resolve, world, item) {
                    continue;
                }
                let line = format!("what `{}` {direction}: `{}`", world.name, resolve.name_world_key(key));
                reader.documented(&line, docs);
                reader.gated(&line, stability);
            }
        }
    }
    reader.faults
}

/// Whether a world has an interface only because another one needs it: then it may have no line of its own.
fn is_implied(resolve: &Resolve, world: &World, item: &WorldItem) -> bool {
    let WorldItem::Interface { id, .. } = item else { return false };
    let others = world.imports.values().chain(world.exports.values());
    others
        .filter_map(|item| match item {
            WorldItem::Interface { id: other, .. } if other != id => Some(*other),
            _ => None,
        })
        .any(|other| resolve.interface_direct_deps(other).any(|needed| needed == *id))
}

#[test]
fn every_item_has_a_doc_comment_and_a_version() {
    assert_eq!(faults(&interface()), [""; 0]);
}

#[test]
fn an_item_without_comment_or_version_is_found() {
    let mut resolve = Resolve::default();
    let text = "package a:b@1.0.0;
        interface i { record r { f: u32 } enum e { c } variant v { d } g: func(); }
        interface j { use i.{r}; h: func() -> r; }
        world w { import n; import f: func(); export j; export g: func(); use i.{e}; }
        interface n {}";
    resolve.push_str("sample.wit", text).expect("the sample is sound");
    let faults = faults(&resolve);
    for item in ["a:b@1.0.0", "i", "i.r", "i.r.f", "i.e", "i.e.c", "i.v", "i.v.d", "i.g", "w"] {
        assert!(faults.contains(&format!("{item} has no doc comment")), "{item}: {faults:?}");
    }
    for item in ["i", "i.r", "i.e", "i.v", "i.g", "w"] {
        assert!(faults.contains(&format!("{item} has no @since")), "{item}: {faults:?}");
    }
    for line in ["imports: `a:b/n@1.0.0`", "imports: `f`", "exports: `a:b/j@1.0.0`", "exports: `g`"] {
        for lack in ["doc comment", "@since"] {
            let fault = format!("what `w` {line} has no {lack}");
            assert!(faults.contains(&fault), "{fault}: {faults:?}");
        }
    }
    // The import of the interface that `j` needs is implied.
    assert!(!faults.iter().any(|fault| fault.contains("`a:b/i@1.0.0`")), "{faults:?}");
}

#[test]
fn the_host_names_the_existing_packages() {
    let resolve = interface();
    let mut here: Vec<String> =
        resolve.packages.iter().map(|(_, package)| package.name.to_string()).collect();
    let mut named: Vec<String> = dray::plugin::wit_packages().iter().map(ToString::to_string).collect();
    here.sort();
    named.sort();
    assert_eq!(here, named);
    let folders = fs::read_dir(wit()).expect("the interface is in the repository");
    let mut folders: Vec<String> = folders
        .flatten()
        .map(|folder| folder.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "released" && name != "README.md")
        .collect();
    folders.sort();
    let mut listed = PACKAGES.map(str::to_owned);
    listed.sort();
    assert_eq!(folders, listed);
}

/// Names that must never cross the interface.
#[test]
fn no_secret_and_no_handle_crosses_the_interface() {
    let resolve = interface();
    let mut names: Vec<&str> = Vec::new();
    for (_, interface) in &resolve.interfaces {
        for (name, function) in &interface.functions {
            names.push(name);
            names.extend(function.params.iter().map(|parameter| parameter.name.as_str()));
        }
        for (name, id) in &interface.types {
            names.push(name);
            if let TypeDefKind::Record(record) = &resolve.types[*id].kind {
                names.extend(record.fields.iter().map(|field| field.name.as_str()));
            }
            assert!(!matches!(resolve.types[*id].kind, TypeDefKind::Resource), "{name} is a handle");
        }
    }
    let forbidden =
        ["credential", "password", "token", "secret", "lease", "socket", "path", "mount", "namespace"];
    for name in names {
        // `mounts` is an answer that a plan expects, not a mount.
        let parts: Vec<&str> = name.split('-').collect();
        assert!(!parts.iter().any(|part| forbidden.contains(part)), "`{name}` must not cross the interface");
    }
}

/// Faults in the layout of the interface: a directory of a kind that is incomplete, or copies of a package that
/// differ.
fn layout_faults(root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    for kind in KINDS {
        let folder = root.join(kind);
        let mut resolve = Resolve::default();
        match resolve.push_dir(&folder) {
            Ok((package, _)) if resolve.select_world(&[package], Some("plugin")).is_ok() => {}
            Ok(_) => faults.push(format!("`{kind}` has no world `plugin`")),
            Err(error) => faults.push(format!("`{kind}` is not whole: {error:#}")),
        }
        for copied in DEPENDENCIES {
            if files(&root.join(copied)) != files(&folder.join("deps").join(copied)) {
                faults.push(format!("`{kind}/deps/{copied}` differs from `{copied}`; run `make wit`"));
            }
        }
        let there = names(&folder.join("deps"));
        if there != DEPENDENCIES {
            faults.push(format!("`{kind}/deps` has {there:?}"));
        }
    }
    faults
}

/// Packages with a world for plugins.
const KINDS: [&str; 2] = ["platform", "snapshotter"];
/// Packages that these depend on.
const DEPENDENCIES: [&str; 2] = ["host", "types"];

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn files(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    names(folder).into_iter().map(|name| (name.clone(), fs::read(folder.join(name)).ok())).collect()
}

#[test]
fn each_kind_is_complete_and_its_copies_are_equal() {
    assert_eq!(layout_faults(&wit()), [""; 0]);
    for version in names(&wit().join("released")) {
        assert_eq!(layout_faults(&wit().join("released").join(&version)), [""; 0], "{version}");
    }
}

#[test]
fn a_copy_that_differs_is_found() {
    let scratch = Scratch::new(Place::Memory);
    let root = scratch.path();
    let copied = Command::new("cp").arg("-r").arg(wit().join(".")).arg(root).status();
    assert!(copied.expect("files can be copied").success());
    assert_eq!(layout_faults(root), [""; 0]);
    let spoil = |path: &str, text: &str| fs::write(root.join(path), text).expect("a copy can be changed");
    let mend = |path: &str| fs::copy(wit().join(path), root.join(path)).expect("a copy can be mended");
    spoil("types/oci.wit", "// changed\n");
    spoil("types/new.wit", "");
    assert_eq!(
        layout_faults(root),
        KINDS.map(|kind| format!("`{kind}/deps/types` differs from `types`; run `make wit`"))
    );
    mend("types/oci.wit");
    fs::remove_file(root.join("types/new.wit")).expect("a file can be removed");
    fs::remove_dir_all(root.join("platform/deps/host")).expect("a folder can be removed");
    let faults = layout_faults(root);
    assert!(faults.len() == 3 && faults[0].starts_with("`platform` is not whole"), "{faults:?}");
}
