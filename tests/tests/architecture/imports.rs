//! Rules for dependencies: between crates, and on parts of the standard library.
//!
//! The compiler enforces the arrows between crates, because a crate can name only what its manifest lists. So this
//! test reads the manifests, and the sources only for rules that no manifest states: modules inside a crate, and the
//! standard library.

use syn::visit::{self, Visit};

use crate::Source;

/// Each crate of `host/` by its directory, with the crates it may depend on. In short:
/// `cli -> dray -> { registry, containerd, plugin, pull } -> ports -> core`.
pub(crate) const CRATES: [(&str, &[&str]); 10] = [
    ("cli", &["dray"]),
    ("dray", &["containerd", "core", "plugin-host", "ports", "pull", "registry", "rules"]),
    ("pull", &["core", "ports", "rules"]),
    ("plugin", &["core", "ports", "rules"]),
    ("containerd", &["core", "ports"]),
    ("registry", &["core", "ports"]),
    ("memory", &["core", "ports"]),
    ("ports", &["core"]),
    ("core", &[]),
    ("rules", &[]),
];

/// Foreign crates whose types stay in one crate, so that they can be replaced.
const OUTSIDE: [(&str, &str); 13] = [
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("clap_mangen", "cli"),
    ("tracing-subscriber", "cli"),
    ("containerd-client", "containerd"),
    ("tonic", "containerd"),
    ("prost", "containerd"),
    ("prost-types", "containerd"),
    ("reqwest", "registry"),
    ("wasmparser", "plugin"),
    ("wasmtime", "plugin"),
    ("wasmtime-wasi", "plugin"),
    ("anyhow", "cli"),
];

/// Modules that may not use another module of the same crate.
const MODULES: [(&str, &str, &[&str]); 7] = [
    ("core", "oci", &["verify", "limits", "text"]),
    ("core", "limits", &["oci", "verify", "text"]),
    ("core", "text", &["oci", "verify", "limits"]),
    ("core", "verify", &["text"]),
    ("pull", "image", &["pull"]),
    ("pull", "stream", &["image", "pull"]),
    ("dray", "config", &["client"]),
];

/// Parts of the standard library, and of tokio under the same names, that only some crates may use.
const STANDARD: [(&str, &[&str]); 6] = [
    // The library takes settings as values. Only the command line reads the environment.
    ("env", &["cli"]),
    ("fs", &["cli", "dray", "plugin", "registry", "containerd"]),
    ("net", &["cli", "registry", "containerd", "core"]),
    ("process", &["cli", "registry", "plugin"]),
    ("signal", &["cli"]),
    ("thread", &["cli", "plugin", "registry", "containerd"]),
];

/// Dependencies in a manifest that the rules forbid.
pub(crate) fn check_manifest(folder: &str, manifest: &str) -> Vec<String> {
    let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == folder) else {
        return vec![format!("`{folder}` has no place in the import rule")];
    };
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let dependencies = dependencies.lines().take_while(|line| !line.starts_with('['));
    let mut faults = Vec::new();
    for line in dependencies {
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        let inside = if name == "dray" { Some(name) } else { name.strip_prefix("dray-") };
        if let Some(to) = inside {
            if !allowed.contains(&to) {
                faults.push(format!("`{folder}` may not depend on `{name}`"));
            }
        } else if OUTSIDE.iter().any(|(outside, owner)| *outside == name && *owner != folder) {
            faults.push(format!("`{folder}` may not depend on `{name}`"));
        }
    }
    faults
}

/// Uses in a file of the host that the rules forbid.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut path = source.path.iter().skip(1).filter_map(|part| part.to_str());
    let folder = path.next().unwrap_or_default().to_owned();
    let module = source.path.with_extension("");
    let module = module.iter().skip(3).map(|part| part.to_string_lossy().into_owned()).collect();
    let mut uses = Uses { folder, module, faults: Vec::new() };
    uses.visit_file(&source.parse());
    uses.faults.dedup();
    uses.faults
}

struct Uses {
    folder: String,
    module: Vec<String>,
    faults: Vec<String>,
}

impl Uses {
    /// Checks one path, segment by segment.
    fn judge(&mut self, path: &[String]) {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["crate", to, ..] => self.inside(to),
            ["std" | "tokio", part, rest @ ..] => self.standard(part, rest),
            ["super" | "self", ..] => {
                if let Some(to) = self.resolve(&names) {
                    self.inside(&to);
                }
            }
            _ => {}
        }
    }

    fn inside(&mut self, to: &str) {
        let Some(from) = self.module.first() else { return };
        let rule = MODULES.iter().find(|(folder, module, _)| *folder == self.folder && module == from);
        if rule.is_some_and(|(_, _, forbidden)| forbidden.contains(&to)) {
            self.faults.push(format!("`{from}` may not know `{to}`"));
        }
    }

    fn standard(&mut self, part: &str, rest: &[&str]) {
        // The target of the build is not part of the environment.
        if part == "env" && rest.first() == Some(&"consts") {
            return;
        }
        let owners = STANDARD.iter().find(|(name, _)| *name == part).map(|(_, owners)| owners);
        if owners.is_some_and(|owners| !owners.contains(&self.folder.as_str())) {
            self.faults.push(format!("`{}` may not use `std::{part}`", self.folder));
        }
    }

    /// The top module that a path relative to this module leads to.
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

impl<'ast> Visit<'ast> for Uses {
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
}

#[test]
fn allowed_uses_pass() {
    let good = "use crate::image::Platforms;\nuse super::Error;\nfn f() -> dray_ports::Mount { env!(\"X\") }";
    assert_eq!(check(&Source::sample("host/pull/src/pull/resolve.rs", good)), [""; 0]);
    let good = "fn architecture() -> &'static str { std::env::consts::ARCH }";
    assert_eq!(check(&Source::sample("host/core/src/oci/platform.rs", good)), [""; 0]);
}

#[test]
fn forbidden_uses_are_found() {
    let cases = [
        ("pull/src/image.rs", "use crate::pull::World;", "`image` may not know `pull`"),
        ("pull/src/image/walk.rs", "use super::super::pull::World;", "`image` may not know `pull`"),
        ("core/src/oci/digest.rs", "type T = Vec<crate::verify::Reader>;", "`oci` may not know `verify`"),
        ("registry/src/lib.rs", "fn f() { std::env::var(\"HOME\"); }", "`registry` may not use `std::env`"),
        ("pull/src/pull.rs", "use std::{env, fmt};", "`pull` may not use `std::env`"),
        ("core/src/oci.rs", "use tokio::fs::File;", "`core` may not use `std::fs`"),
    ];
    for (path, text, fault) in cases {
        assert_eq!(check(&Source::sample(&format!("host/{path}"), text)), [fault], "{path}: {text}");
    }
}

#[test]
fn forbidden_dependencies_are_found() {
    let cases = [
        ("pull", "dray-registry.workspace = true", "`pull` may not depend on `dray-registry`"),
        ("plugin", "dray-containerd = { path = \"x\" }", "`plugin` may not depend on `dray-containerd`"),
        ("core", "dray-ports.workspace = true", "`core` may not depend on `dray-ports`"),
        ("cli", "dray-pull.workspace = true", "`cli` may not depend on `dray-pull`"),
        ("dray", "clap.workspace = true", "`dray` may not depend on `clap`"),
        ("ports", "wasmtime = \"48\"", "`ports` may not depend on `wasmtime`"),
        ("extra", "", "`extra` has no place in the import rule"),
    ];
    for (folder, line, fault) in cases {
        let manifest = format!(
            "[package]\n\n[dependencies]\nserde = \"1\"\n{line}\n\n[dev-dependencies]\nanyhow = \"1\"\n"
        );
        assert_eq!(check_manifest(folder, &manifest), [fault], "{folder}: {line}");
    }
    assert_eq!(check_manifest("dray", "[dependencies]\ndray-core.workspace = true\n"), [""; 0]);
}
