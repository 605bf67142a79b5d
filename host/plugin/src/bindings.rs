//! What the binding generator makes of the interface.
//!
//! One world for what every plugin exports and imports, and one for what each kind exports besides. They
//! share the types of the first, so that one conversion serves all of them.

use wasmtime::component::{HasSelf, Linker};

use super::sandbox::Guest;

/// What every plugin has.
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

/// What a snapshotter plugin has besides.
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

/// What a platform plugin has besides.
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
