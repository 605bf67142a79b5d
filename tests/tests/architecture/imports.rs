//! Who may import whom, inside the host and from outside of it.

use std::path::Path;

use syn::visit::{self, Visit};

use crate::Source;

/// Each folder of the host, and which others it may name. In short:
/// `main -> cli -> { config, pull, plugin, containerd, registry, layer } -> image -> ports -> { verify, limits, oci, text }`,
/// where only `cli`, `config` and `pull` know `image`.
const INSIDE: [(&str, &[&str]); 16] = [
    ("main", &["cli"]),
    // What the library offers, in one place.
    ("lib", &["image", "oci", "pull"]),
    // The root of the crate that the fuzz targets use.
    ("fuzzing", &[]),
    (
        "cli",
        &[
            "config",
            "pull",
            "image",
            "plugin",
            "containerd",
            "registry",
            "layer",
            "ports",
            "verify",
            "limits",
            "oci",
            "text",
        ],
    ),
    ("config", &["image", "ports", "verify", "limits", "oci", "text"]),
    ("pull", &["image", "ports", "verify", "limits", "oci", "text"]),
    ("image", &["ports", "verify", "limits", "oci", "text"]),
    ("plugin", &["ports", "verify", "limits", "oci", "text"]),
    ("containerd", &["ports", "verify", "limits", "oci", "text"]),
    ("registry", &["ports", "verify", "limits", "oci", "text"]),
    ("layer", &["ports", "verify", "limits", "oci", "text"]),
    ("ports", &["verify", "limits", "oci", "text"]),
    ("verify", &["limits", "oci"]),
    ("limits", &[]),
    ("text", &[]),
    ("oci", &[]),
];

/// Crates whose types stay in one folder, so that it can be replaced.
const OUTSIDE: [(&str, &[&str]); 14] = [
    ("anyhow", &["cli", "main"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("indicatif", &["cli"]),
    ("tracing_subscriber", &["cli"]),
    ("containerd_client", &["containerd"]),
    ("tonic", &["containerd"]),
    ("prost", &["containerd"]),
    ("prost_types", &["containerd"]),
    ("reqwest", &["registry"]),
    ("wasmparser", &["plugin"]),
    ("wasmtime", &["plugin"]),
    ("wasmtime_wasi", &["plugin"]),
];

/// Parts of the standard library, and of tokio under the same names, that only some folders may touch.
const STANDARD: [(&str, &[&str]); 6] = [
    // The library takes settings as values: only the command line knows the process around it.
    ("env", &["cli", "main"]),
    ("fs", &["cli", "main", "config", "plugin", "registry", "layer", "containerd"]),
    ("net", &["cli", "main", "config", "registry", "containerd", "oci"]),
    ("process", &["cli", "main", "registry", "plugin"]),
    ("signal", &["cli", "main"]),
    ("thread", &["cli", "main", "plugin", "registry", "layer", "containerd"]),
];

/// The arrows of a file of the host that go the wrong way.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let module = module_of(&source.path);
    let folder = module.first().map_or("lib", String::as_str).to_owned();
    if !INSIDE.iter().any(|(name, _)| *name == folder) {
        return vec![format!("`{folder}` has no place in the import rule")];
    }
    let mut arrows = Arrows { folder, module, faults: Vec::new() };
    arrows.visit_file(&source.parse());
    arrows.faults.dedup();
    arrows.faults
}

/// `host/src/plugin/engine.rs` is the module `plugin::engine`; the crate's root has no name.
fn module_of(path: &Path) -> Vec<String> {
    let path = path.strip_prefix("host/src").unwrap_or(path).with_extension("");
    let module: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module == ["lib"] { Vec::new() } else { module }
}

struct Arrows {
    folder: String,
    module: Vec<String>,
    faults: Vec<String>,
}

impl Arrows {
    /// Judges one path as it is written, segment by segment.
    fn judge(&mut self, path: &[String]) {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["crate", to, ..] => self.inside(to),
            ["dray", to, ..] if self.folder == "main" => self.inside(to),
            ["std" | "tokio", part, rest @ ..] => self.standard(part, rest),
            ["super" | "self", ..] => {
                if let Some(to) = self.resolve(&names) {
                    self.inside(&to);
                }
            }
            [to, _, ..] => self.outside(to),
            _ => {}
        }
    }

    fn inside(&mut self, to: &str) {
        let known = INSIDE.iter().any(|(name, _)| *name == to);
        let (_, allowed) =
            INSIDE.iter().find(|(name, _)| *name == self.folder).expect("checked at the start");
        if !known {
            // The root offers users what folders have. Inside, that would be a way around this rule.
            self.faults.push(format!("`{}` may take `{to}` from its folder only", self.folder));
        } else if to != self.folder && !allowed.contains(&to) {
            self.faults.push(format!("`{}` may not know `{to}`", self.folder));
        }
    }

    fn outside(&mut self, to: &str) {
        let owners = OUTSIDE.iter().find(|(name, _)| *name == to).map(|(_, owners)| owners);
        if owners.is_some_and(|owners| !owners.contains(&self.folder.as_str())) {
            self.faults.push(format!("`{}` may not know the crate `{to}`", self.folder));
        }
    }

    fn standard(&mut self, part: &str, rest: &[&str]) {
        // What the program was compiled for is not part of its environment.
        if part == "env" && rest.first() == Some(&"consts") {
            return;
        }
        let owners = STANDARD.iter().find(|(name, _)| *name == part).map(|(_, owners)| owners);
        if owners.is_some_and(|owners| !owners.contains(&self.folder.as_str())) {
            self.faults.push(format!("`{}` may not use `std::{part}`", self.folder));
        }
    }

    /// The folder that a path relative to this module leads to.
    fn resolve(&self, path: &[&str]) -> Option<String> {
        let mut module = self.module.clone();
        let mut rest = path;
        while let [first, tail @ ..] = rest {
            match *first {
                "self" => {}
                "super" => drop(module.pop()),
                _ => break,
            }
            rest = tail;
        }
        module.first().cloned().or_else(|| rest.first().map(|name| (*name).to_owned()))
    }

    fn flatten(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: String| [prefix, &[name]].concat();
        match tree {
            syn::UseTree::Path(path) => self.flatten(&with(path.ident.to_string()), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.flatten(prefix, item)),
            syn::UseTree::Name(name) => self.judge(&with(name.ident.to_string())),
            syn::UseTree::Rename(rename) => self.judge(&with(rename.ident.to_string())),
            syn::UseTree::Glob(_) => self.judge(&with("*".to_owned())),
        }
    }
}

impl<'ast> Visit<'ast> for Arrows {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.flatten(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.judge(&names);
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        // What a macro is given is not parsed; a path into this crate is told by its first word.
        let tokens: String = item.tokens.to_string().split_whitespace().collect();
        for rest in tokens.split("crate::").skip(1) {
            let end =
                rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            self.inside(&rest[..end]);
        }
        visit::visit_macro(self, item);
    }
}

#[test]
fn arrows_that_go_the_right_way_are_allowed() {
    let good = "use crate::oci::{Digest, Reference};\nuse super::Error;\nfn f() -> crate::ports::Mount { env!(\"X\") }";
    assert_eq!(check(&Source::sample("host/src/pull/resolve.rs", good)), [""; 0]);
    let good = "use containerd_client::Client; use self::lease::Lease; fn f(_: std::path::PathBuf) {}";
    assert_eq!(check(&Source::sample("host/src/containerd.rs", good)), [""; 0]);
    let good = "fn architecture() -> &'static str { std::env::consts::ARCH }";
    assert_eq!(check(&Source::sample("host/src/oci/platform.rs", good)), [""; 0]);
}

#[test]
fn arrows_that_go_the_wrong_way_are_found() {
    let cases = [
        ("pull.rs", "use crate::containerd::Client;", "`pull` may not know `containerd`"),
        ("pull.rs", "use crate::{oci::Digest, registry as r};", "`pull` may not know `registry`"),
        ("image.rs", "use crate::pull::World;", "`image` may not know `pull`"),
        ("plugin/engine.rs", "use super::super::containerd;", "`plugin` may not know `containerd`"),
        ("plugin.rs", "mod a { fn f() { super::super::registry::g() } }", "`plugin` may not know `registry`"),
        ("ports.rs", "fn f(_: &crate::pull::Request) {}", "`ports` may not know `pull`"),
        ("oci/digest.rs", "type T = Vec<crate::verify::Reader>;", "`oci` may not know `verify`"),
        (
            "registry.rs",
            "fn f() { println!(\"{}\", crate::plugin::NAME) }",
            "`registry` may not know `plugin`",
        ),
        ("config.rs", "use crate::cli::*;", "`config` may not know `cli`"),
        ("main.rs", "fn main() { dray::pull::run() }", "`main` may not know `pull`"),
        ("pull.rs", "impl From<tonic::Status> for E {}", "`pull` may not know the crate `tonic`"),
        ("ports.rs", "use wasmtime::Engine;", "`ports` may not know the crate `wasmtime`"),
        ("registry.rs", "fn f() { std::env::var(\"HOME\"); }", "`registry` may not use `std::env`"),
        ("pull.rs", "use std::{env, fmt};", "`pull` may not use `std::env`"),
        ("oci.rs", "use tokio::fs::File;", "`oci` may not use `std::fs`"),
        ("extra.rs", "", "`extra` has no place in the import rule"),
        ("registry.rs", "use crate::World;", "`registry` may take `World` from its folder only"),
        ("containerd.rs", "use super::PullError;", "`containerd` may take `PullError` from its folder only"),
        ("plugin/engine.rs", "use crate::*;", "`plugin` may take `*` from its folder only"),
        ("cli/pull.rs", "fn f() { crate::pull_image() }", "`cli` may take `pull_image` from its folder only"),
        (
            "config.rs",
            "fn f() { println!(\"{:?}\", crate::PullMode::Missing) }",
            "`config` may take `PullMode` from its folder only",
        ),
        ("main.rs", "use dray::World;", "`main` may take `World` from its folder only"),
    ];
    for (path, text, fault) in cases {
        assert_eq!(check(&Source::sample(&format!("host/src/{path}"), text)), [fault], "{path}: {text}");
    }
}
