//! Links the interfaces of every plugin, those of WASI if a toolchain needs them, and granted ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Engine;
use wasmtime::component::Linker;

use super::grants::Grants;
use super::sandbox::Guest;
use super::{bindings, wasi};

/// Offers the functions of one interface.
type Link = fn(&mut Linker<Guest>) -> wasmtime::Result<()>;

/// The interfaces that need a grant: the grant, and the function that links them. `imports` has their names and
/// functions.
const GRANTED: &[(&str, Link)] = &[];

/// The linkers of one engine: one per set of grants, with and without WASI. They lack interfaces that are not
/// granted, so that a mistake in an earlier check cannot expose them.
pub(super) struct Linkers {
    granted: &'static [(&'static str, Link)],
    made: Mutex<HashMap<Wanted, Arc<Linker<Guest>>>>,
}

/// The key of a linker.
#[derive(PartialEq, Eq, Hash)]
struct Wanted {
    wasi: bool,
    grants: Grants,
}

impl Linkers {
    /// Starts without linkers.
    pub(super) fn new() -> Self {
        Self { granted: GRANTED, made: Mutex::default() }
    }

    /// The linker for a component, with WASI if the toolchain added imports of it.
    pub(super) fn get(
        &self,
        engine: &Engine,
        wants_wasi: bool,
        grants: &Grants,
    ) -> wasmtime::Result<Arc<Linker<Guest>>> {
        let wanted = Wanted { wasi: wants_wasi, grants: grants.clone() };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(linker) = made.get(&wanted) {
            return Ok(Arc::clone(linker));
        }
        let mut linker = Linker::new(engine);
        bindings::link(&mut linker)?;
        if wants_wasi {
            wasi::link(&mut linker)?;
        }
        for (_, link) in self.granted.iter().filter(|(grant, _)| grants.has(grant)) {
            link(&mut linker)?;
        }
        let linker = Arc::new(linker);
        made.insert(wanted, Arc::clone(&linker));
        Ok(linker)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wasmtime::component::Component;

    use super::*;
    use crate::{engine, imports};

    #[test]
    fn every_interface_that_needs_a_grant_is_linked() {
        let linked: BTreeSet<&str> = GRANTED.iter().map(|(grant, _)| *grant).collect();
        assert_eq!(linked, imports::grants().collect());
    }

    #[test]
    fn an_interface_is_linked_only_with_its_grant() {
        const SAMPLE: &[(&str, Link)] = &[("content", |linker| {
            linker.instance("test:host/content@0.1.0")?.func_wrap("read", |_, (): ()| Ok(()))
        })];
        let engine = Engine::new(&engine::config()).unwrap();
        let imports = r#"(component (import "test:host/content@0.1.0" (instance (export "read" (func)))))"#;
        let component = Component::new(&engine, wat::parse_str(imports).unwrap()).unwrap();
        let linkers = Linkers { granted: SAMPLE, made: Mutex::default() };
        for (grants, wants_wasi, is_linked) in [
            (Grants::none(), false, false),
            (Grants::of(["content"]), false, true),
            (Grants::of(["content", "referrers"]), true, true),
            (Grants::of(["referrers"]), false, false),
            // Again, after others have been made.
            (Grants::none(), true, false),
            (Grants::none(), false, false),
        ] {
            let linker = linkers.get(&engine, wants_wasi, &grants).unwrap();
            assert_eq!(
                linker.instantiate_pre(&component).is_ok(),
                is_linked,
                "{grants:?}, WASI: {wants_wasi}"
            );
        }
    }
}
