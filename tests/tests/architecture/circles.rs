//! Which files of a crate import each other in a circle.
//!
//! A file that is in no circle can be read and moved with what it imports, and without what imports it.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::Source;

type Module = Vec<String>;

/// The files that are left when all are taken away that import none of the others, or that none of the others imports.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let files: BTreeSet<Module> = sources.iter().map(module).collect();
    let mut imports: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for source in sources {
        let file = module(source);
        let mut found =
            Imports { files: &files, file: file.clone(), module: file.clone(), found: BTreeSet::new() };
        found.visit_file(&source.parse());
        imports.insert(file, found.found);
    }
    loop {
        let before = imports.len();
        let left: BTreeSet<Module> = imports.keys().cloned().collect();
        imports.retain(|_, imported| !imported.is_disjoint(&left));
        let wanted: BTreeSet<Module> = imports.values().flatten().cloned().collect();
        imports.retain(|file, _| wanted.contains(file));
        if imports.len() == before {
            return imports
                .into_keys()
                .map(|file| [vec!["crate".to_owned()], file].concat().join("::"))
                .collect();
        }
    }
}

/// The module of a file. That of `main.rs` and `lib.rs` is the root.
fn module(source: &Source) -> Module {
    let path = source.path.with_extension("");
    let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let module: Module = parts.skip_while(|part| part != "src").skip(1).collect();
    if module == ["main"] || module == ["lib"] { Vec::new() } else { module }
}

struct Imports<'a> {
    files: &'a BTreeSet<Module>,
    file: Module,
    /// The module inside the file.
    module: Module,
    found: BTreeSet<Module>,
}

impl Imports<'_> {
    /// Notes the file that a path leads to, if it is one of this crate.
    fn note(&mut self, path: &[String]) {
        let (mut target, mut rest) = (self.module.clone(), path);
        match path.first().map(String::as_str) {
            Some("crate") => (target, rest) = (Vec::new(), &path[1..]),
            Some("self" | "super") => {
                while let Some("self" | "super") = rest.first().map(String::as_str) {
                    if rest[0] == "super" {
                        target.pop();
                    }
                    rest = &rest[1..];
                }
            }
            // A module below this one can be named as it is.
            Some(name) if self.files.contains(&[self.file.as_slice(), &[name.to_owned()]].concat()) => {}
            _ => return,
        }
        for name in rest {
            let below = [target.as_slice(), std::slice::from_ref(name)].concat();
            if !self.files.contains(&below) {
                break;
            }
            target = below;
        }
        if target != self.file && self.files.contains(&target) {
            self.found.insert(target);
        }
    }

    fn flatten(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.flatten(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.flatten(prefix, item)),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(prefix),
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.flatten(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&names);
        visit::visit_path(self, path);
    }

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // Tests may look at everything.
        if item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }
}

fn sample(files: &[(&str, &str)]) -> Vec<String> {
    let sources = files.iter().map(|(path, text)| Source::sample(&format!("host/cli/src/{path}.rs"), text));
    check(&sources.collect::<Vec<_>>())
}

#[test]
fn files_that_import_one_way_are_allowed() {
    let files = [
        ("main", "mod a; mod b; fn main() { a::run() }"),
        (
            "a",
            "mod leaf; use self::leaf::Leaf; pub(super) use super::b::B; #[cfg(test)] mod tests { use super::*; }",
        ),
        ("a/leaf", "use crate::b::{self, B}; use dray::a::C;"),
        ("b", "#[cfg(test)] mod tests { use crate::a::Leaf; }"),
    ];
    assert_eq!(sample(&files), [""; 0]);
}

#[test]
fn files_that_import_each_other_are_found() {
    let text = [("main", "use a::A;"), ("a", "use super::b::B;"), ("b", "type T = crate::c::C;")];
    let circle = [text[0], text[1], text[2], ("c", "use crate::a::A;"), ("d", "use super::{a, c};")];
    assert_eq!(sample(&circle), ["crate::a", "crate::b", "crate::c"]);
    let with_parent = [("a", "pub use self::leaf::Leaf; pub struct A;"), ("a/leaf", "use super::A;")];
    assert_eq!(sample(&with_parent), ["crate::a", "crate::a::leaf"]);
    assert_eq!(sample(&[("main", "mod a; use a::A;"), ("a", "use super::B;")]), ["crate", "crate::a"]);
}
