//! The generated bindings of the interface.
//!
//! One world has the exports and imports of every plugin, and one world per kind adds that kind's exports. They share
//! the types of the first, so that one conversion serves all of them.

use wasmtime::component::{HasSelf, Linker};

use super::sandbox::Guest;

/// The interfaces of every plugin.
pub(super) mod described {
    wasmtime::component::bindgen!({
        inline: "
            package dray:bindings;
            world described {
                include dray:types/imports@0.1.0;
                include dray:host/imports@0.1.0;
                export dray:types/describe@0.1.0;
            }
        ",
        path: ["../../wit/types", "../../wit/host"],
        world: "dray:bindings/described",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

/// The additional interfaces of a snapshotter plugin.
pub(super) mod snapshotter {
    wasmtime::component::bindgen!({
        inline: "
            package dray:bindings;
            world snapshotter {
                export dray:snapshotter/planner@0.1.0;
            }
        ",
        path: "../../wit/snapshotter",
        world: "dray:bindings/snapshotter",
        exports: { default: async },
        with: {
            "dray:types/oci@0.1.0": super::described::dray::types::oci,
            "dray:types/errors@0.1.0": super::described::dray::types::errors,
        },
    });
}

/// The additional interfaces of a platform plugin.
pub(super) mod platform {
    wasmtime::component::bindgen!({
        inline: "
            package dray:bindings;
            world platform {
                export dray:platform/matcher@0.1.0;
            }
        ",
        path: "../../wit/platform",
        world: "dray:bindings/platform",
        exports: { default: async },
        with: {
            "dray:types/oci@0.1.0": super::described::dray::types::oci,
            "dray:types/errors@0.1.0": super::described::dray::types::errors,
        },
    });
}

/// Offers the interfaces that need no grant.
pub(super) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    described::Described::add_to_linker::<_, HasSelf<_>>(linker, |guest| guest)
}
