//! Compares the imports and exports of a component with this host's, before it is compiled or linked.
//!
//! The linker would refuse it too, but names only the first missing function, and neither the version nor the plugin
//! nor a remedy.

mod wasi;

use std::hash::Hash;

use super::PluginKind;
use super::failure::{Failure, incompatible, unreadable};
use super::grants::Grants;
use super::shape::{Interface, Shape};
use super::weight::ComponentError;
use dray_ports::{PluginFailure, PluginFault};

/// An interface that both sides know: its name, the version of its package, and its functions.
#[derive(Clone, Copy, Debug, Hash)]
struct Known {
    interface: &'static str,
    version: &'static str,
    functions: &'static [&'static str],
}

/// What a host offers to components.
#[derive(Clone, Copy, Hash)]
pub(super) struct Offer {
    /// Interfaces that every plugin may import.
    always: &'static [Known],
    /// Interfaces that need a grant, each with the name of the grant. `linkers` links them.
    granted: &'static [(&'static str, Known)],
    /// Interfaces that toolchains import. They exist and have no effect.
    toolchain: &'static [Known],
}

/// The offer of this host. The first two interfaces have only types.
pub(super) const OFFER: Offer = Offer {
    always: &[
        Known { interface: "dray:types/oci", version: "0.1.0", functions: &[] },
        Known { interface: "dray:types/errors", version: "0.1.0", functions: &[] },
        Known { interface: "dray:host/log", version: "0.1.0", functions: &["write"] },
        Known { interface: "dray:host/feature", version: "0.1.0", functions: &["supported"] },
    ],
    granted: &[],
    toolchain: wasi::KNOWN,
};

/// The names of all grants.
pub(super) fn grants() -> impl Iterator<Item = &'static str> {
    OFFER.granted.iter().map(|(grant, _)| *grant)
}

const DESCRIBE: Known =
    Known { interface: "dray:types/describe", version: "0.1.0", functions: &["get-info", "check-config"] };

/// The interface that a plugin of a kind must also export.
const fn required_export(kind: PluginKind) -> Known {
    match kind {
        PluginKind::Snapshotter => {
            Known { interface: "dray:snapshotter/planner", version: "0.1.0", functions: &["plan"] }
        }
        PluginKind::Platform => {
            Known { interface: "dray:platform/matcher", version: "0.1.0", functions: &["rank"] }
        }
    }
}

/// Whether this host has an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    /// Every plugin has it.
    Always,
    /// A plugin with this grant has it.
    WithGrant(&'static str),
    /// The toolchain imports it. It exists and has no effect.
    Toolchain,
    /// This host does not have it.
    Unknown,
}

impl Offer {
    /// Whether this host has an import.
    pub(super) fn availability(&self, import: &Interface) -> Availability {
        let (interface, version) = split(&import.name);
        let fits = |known: &Known| {
            known.interface == interface
                && track(known.version) == track(version)
                && import.functions.iter().all(|function| known.functions.contains(&function.as_str()))
        };
        if self.always.iter().any(fits) {
            return Availability::Always;
        }
        if let Some((grant, _)) = self.granted.iter().find(|(_, known)| fits(known)) {
            return Availability::WithGrant(grant);
        }
        if self.toolchain.iter().any(fits) {
            return Availability::Toolchain;
        }
        Availability::Unknown
    }

    /// The offered interface of this name, in any version.
    fn find(&self, interface: &str) -> Option<&'static Known> {
        let granted = self.granted.iter().map(|(_, known)| known);
        let mut all = self.always.iter().chain(granted).chain(self.toolchain);
        all.find(|known| known.interface == interface)
    }

    fn check_imports(
        &self,
        plugin: &str,
        imports: &[Interface],
        grants: &Grants,
    ) -> Result<(), PluginFailure> {
        for import in imports {
            match self.availability(import) {
                Availability::Always | Availability::Toolchain => {}
                Availability::WithGrant(grant) if grants.has(grant) => {}
                Availability::WithGrant(grant) => return Err(not_granted(plugin, import, grant)),
                Availability::Unknown => return Err(self.refusal(plugin, import).into()),
            }
        }
        Ok(())
    }
}

/// Everything that a component may import here, for a hash.
pub(super) fn offered() -> impl Hash {
    (OFFER, DESCRIBE, [PluginKind::Snapshotter, PluginKind::Platform].map(required_export))
}

/// The kind of a plugin, by its exports, and the full name of its world.
pub(super) fn kind(shape: &Shape) -> Option<(PluginKind, String)> {
    [PluginKind::Snapshotter, PluginKind::Platform].into_iter().find_map(|kind| {
        let export = find(shape, &required_export(kind))?;
        let (interface, version) = split(&export.name);
        let package = interface.split('/').next().unwrap_or_default();
        Some((kind, format!("{package}/plugin@{version}")))
    })
}

/// The kind of a plugin, by its exports.
///
/// # Errors
///
/// Fails if the component is not a plugin.
pub(super) fn kind_of(plugin: &str, shape: &Shape) -> Result<PluginKind, PluginFailure> {
    kind(shape).map(|(kind, _)| kind).ok_or_else(|| {
        let exports =
            [PluginKind::Snapshotter, PluginKind::Platform].map(|kind| required_export(kind).full());
        incompatible(plugin, format!("component `{plugin}` is not a plugin of dray"))
            .hint(Some(format!("a plugin exports `{}`", exports.join("` or `"))))
            .into()
    })
}

/// Checks that a component can be a plugin of a kind here, with these grants.
///
/// # Errors
///
/// Says which interface is missing, on which side, and what to do about it.
pub(super) fn check(
    plugin: &str,
    shape: &Shape,
    wanted: PluginKind,
    grants: &Grants,
) -> Result<(), PluginFailure> {
    check_exports(plugin, shape, wanted)?;
    OFFER.check_imports(plugin, &shape.imports, grants)
}

/// The failure for a component that cannot be read.
pub(super) fn component_failure(plugin: &str, error: ComponentError) -> PluginFailure {
    match error {
        error @ (ComponentError::Invalid(_) | ComponentError::RecursiveTypes) => unreadable(
            plugin,
            format!("plugin `{plugin}` is not a valid component"),
        )
        .hint(Some(
            "the file may be damaged, or made with proposals of WebAssembly that dray has switched off",
        ))
        .caused_by(error),
        error => incompatible(plugin, format!("plugin `{plugin}` would cost too much to compile"))
            .hint(Some("make the plugin smaller, or split what it does into several functions"))
            .caused_by(error),
    }
}

fn check_exports(plugin: &str, shape: &Shape, wanted: PluginKind) -> Result<(), PluginFailure> {
    let required = required_export(wanted);
    if find(shape, &required).is_none() {
        return Err(wrong_kind(plugin, shape, wanted).into());
    }
    for known in [&required, &DESCRIBE] {
        let full = known.full();
        let Some(export) = find(shape, known) else {
            let message = format!("plugin `{plugin}` does not export `{full}`, which every plugin must");
            return Err(incompatible(plugin, message).into());
        };
        if track(split(&export.name).1) != track(known.version) {
            let message = format!("plugin `{plugin}` exports `{}`, this host speaks `{full}`", export.name);
            return Err(incompatible(plugin, message).hint(Some(OTHER_VERSION)).into());
        }
        for function in known.functions {
            if !export.functions.iter().any(|has| has == function) {
                let message =
                    format!("plugin `{plugin}` exports `{}` without its function `{function}`", export.name);
                return Err(incompatible(plugin, message).into());
            }
        }
    }
    Ok(())
}

const OTHER_VERSION: &str = "use a version of the plugin that was made for this version of dray";

fn wrong_kind(plugin: &str, shape: &Shape, wanted: PluginKind) -> Failure {
    match kind(shape) {
        Some((found, _)) => {
            let (found, wanted) = (found.as_str(), wanted.as_str());
            incompatible(plugin, format!("plugin `{plugin}` is a {found} plugin, not a {wanted} plugin"))
                .hint(Some(format!("it can be given where a {found} plugin is wanted")))
        }
        None => incompatible(plugin, format!("component `{plugin}` is not a plugin of dray"))
            .hint(Some(format!("a {} plugin exports `{}`", wanted.as_str(), required_export(wanted).full()))),
    }
}

fn not_granted(plugin: &str, import: &Interface, grant: &str) -> PluginFailure {
    let message = format!("plugin `{plugin}` imports `{}`, which needs the grant `{grant}`", import.name);
    Failure::new(PluginFault::NotGranted, plugin, message)
        .hint(Some(format!(
            "if the plugin may use it, add `{grant}` to the `grants` of its table in `dray.toml`"
        )))
        .into()
}

impl Offer {
    /// The failure for an import that this host does not have.
    fn refusal(&self, plugin: &str, import: &Interface) -> Failure {
        let name = &import.name;
        let (interface, version) = split(name);
        if interface.starts_with("wasi:") && version.starts_with("0.3") {
            return incompatible(
                plugin,
                format!("plugin `{plugin}` imports `{name}`, which is asynchronous"),
            )
            .hint(Some("this host runs synchronous plugins: build for `wasm32-wasip2` or without WASI"));
        }
        let Some(known) = self.find(interface) else {
            let message = format!("plugin `{plugin}` imports `{name}`, which this host does not offer");
            if interface.starts_with("wasi:") {
                return incompatible(plugin, message).hint(Some(wasi::REMEDY));
            }
            let offered: Vec<String> =
                self.always.iter().map(|known| format!("`{}`", known.full())).collect();
            return incompatible(plugin, message).hint(Some(format!(
                "this host offers {}; use a newer dray, or a version of the plugin that does not need more",
                offered.join(", ")
            )));
        };
        let full = known.full();
        if track(known.version) != track(version) {
            let message = format!("plugin `{plugin}` imports `{name}`, this host offers `{full}`");
            let is_wasi = interface.starts_with("wasi:");
            return incompatible(plugin, message).hint(Some(if is_wasi {
                wasi::REMEDY
            } else {
                OTHER_VERSION
            }));
        }
        let missing = import.functions.iter().find(|name| !known.functions.contains(&name.as_str()));
        let missing = missing.map(String::as_str).unwrap_or_default();
        let message = format!(
            "plugin `{plugin}` imports function `{missing}` of `{name}`, which `{full}` of this host lacks"
        );
        let is_wasi = interface.starts_with("wasi:");
        incompatible(plugin, message).hint(Some(if is_wasi {
            wasi::REMEDY
        } else {
            "use a newer dray, or an older version of the plugin"
        }))
    }
}

impl Known {
    fn full(&self) -> String {
        format!("{}@{}", self.interface, self.version)
    }
}

/// An export by its interface: of the compatible version track, or else of any version. A component may have several
/// tracks.
fn find<'a>(shape: &'a Shape, known: &Known) -> Option<&'a Interface> {
    let named = || shape.exports.iter().filter(|export| split(&export.name).0 == known.interface);
    named().find(|export| track(split(&export.name).1) == track(known.version)).or_else(|| named().next())
}

/// Interface and version of a full name. Without a version, the text is empty.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// The part of a version that identifies compatible versions: the major number, or for `0.x` the first two numbers.
/// Pre-releases and `0.0.x` are compatible only with themselves. This is the linker's rule.
fn track(version: &str) -> &str {
    if version.contains(['-', '+']) {
        return version;
    }
    let mut dots = version.match_indices('.').map(|(at, _)| at);
    match (dots.next(), dots.next()) {
        (Some(first), _) if !version.starts_with("0.") => &version[..first],
        (Some(_), Some(second)) if !version.starts_with("0.0.") => &version[..second],
        _ => version,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn import(name: &str, functions: &[&str]) -> Interface {
        Interface { name: name.to_owned(), functions: functions.iter().map(|&f| f.to_owned()).collect() }
    }

    #[test]
    fn version_tracks_are_those_of_the_linker() {
        for (version, expected) in [
            ("1.2.3", "1"),
            ("12.0.0", "12"),
            ("0.1.9", "0.1"),
            ("0.0.3", "0.0.3"),
            ("1.0.0-rc.1", "1.0.0-rc.1"),
            ("", ""),
            ("1", "1"),
        ] {
            assert_eq!(track(version), expected, "{version}");
        }
    }

    #[test]
    fn the_right_track_is_found_among_others() {
        let export = |version: &str, function: &str| {
            import(&format!("dray:snapshotter/planner@{version}"), &[function])
        };
        let known = required_export(PluginKind::Snapshotter);
        let shape = |versions: &[&str]| Shape {
            exports: versions.iter().map(|version| export(version, "plan")).collect(),
            ..Shape::default()
        };
        for (versions, found) in [
            (&["0.2.0", "0.1.0"][..], Some("0.1.0")),
            (&["0.1.3", "0.2.0"], Some("0.1.3")),
            (&["0.3.0", "0.2.0"], Some("0.3.0")),
            (&[], None),
        ] {
            let shape = shape(versions);
            let version = find(&shape, &known).map(|export| split(&export.name).1);
            assert_eq!(version, found, "{versions:?}");
        }
    }

    #[test]
    fn imports_are_available_by_name_track_and_functions() {
        for (name, functions, expected) in [
            ("dray:host/log@0.1.0", &["write"][..], Availability::Always),
            ("dray:host/log@0.1.7", &["write"], Availability::Always),
            ("dray:host/log@0.1.7", &["write", "flush"], Availability::Unknown),
            ("dray:host/log@0.2.0", &["write"], Availability::Unknown),
            ("dray:host/log", &["write"], Availability::Unknown),
            ("dray:types/oci@0.1.0", &[], Availability::Always),
            ("wasi:cli/environment@0.2.9", &["get-environment"], Availability::Toolchain),
            ("wasi:cli/environment@0.3.0", &["get-environment"], Availability::Unknown),
            ("wasi:http/types@0.2.0", &[], Availability::Unknown),
            ("wasi:cli/environment@0.2.0", &["get-environment", "set-environment"], Availability::Unknown),
            ("wasi:cli/nonsense@0.2.0", &[], Availability::Unknown),
            ("wasi:io/poll@0.2.3", &["poll", "[method]pollable.block"], Availability::Toolchain),
            ("wasi:cli", &[], Availability::Unknown),
            ("run", &[], Availability::Unknown),
        ] {
            assert_eq!(OFFER.availability(&import(name, functions)), expected, "{name} {functions:?}");
        }
    }

    /// An offer with an interface that needs a grant.
    pub(crate) const SAMPLE: Offer = Offer {
        granted: &[(
            "content",
            Known { interface: "test:host/content", version: "0.1.0", functions: &["read", "size"] },
        )],
        ..OFFER
    };

    #[test]
    fn an_import_that_needs_a_grant_is_refused_without_it() {
        let imports =
            [import("dray:host/log@0.1.0", &["write"]), import("test:host/content@0.1.2", &["read"])];
        assert_eq!(SAMPLE.availability(&imports[1]), Availability::WithGrant("content"));
        SAMPLE.check_imports("p", &imports, &Grants::of(["content"])).unwrap();
        for grants in [Grants::none(), Grants::of(["referrers"])] {
            let failure = SAMPLE.check_imports("p", &imports, &grants).unwrap_err();
            assert_eq!(failure.fault, PluginFault::NotGranted);
            assert_eq!(
                failure.message,
                "plugin `p` imports `test:host/content@0.1.2`, which needs the grant `content`"
            );
            assert_eq!(
                failure.hint.as_deref(),
                Some("if the plugin may use it, add `content` to the `grants` of its table in `dray.toml`")
            );
        }
    }

    /// What the host does not have cannot be granted.
    #[test]
    fn a_grant_does_not_make_another_version_available() {
        let grants = Grants::of(["content"]);
        for (name, functions, told) in [
            ("test:host/content@0.2.0", &["read"][..], "this host offers `test:host/content@0.1.0`"),
            ("test:host/content@0.1.0", &["read", "write"], "imports function `write`"),
            ("test:host/other@0.1.0", &[], "which this host does not offer"),
        ] {
            let failure = SAMPLE.check_imports("p", &[import(name, functions)], &grants).unwrap_err();
            assert_eq!(failure.fault, PluginFault::Incompatible);
            assert!(failure.message.contains(told), "{}", failure.message);
        }
    }
}
