//! What wit-bindgen makes of the interface.
//!
//! One world for what every plugin exports, and one for each kind. Each brings a section that describes it
//! into the module of a plugin only when that plugin exports it; the encoder of components merges the
//! sections. A kind that is added later therefore costs the others nothing.

#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "the code is generated")]
#![allow(clippy::pedantic, clippy::allow_attributes_without_reason, reason = "the code is generated")]

/// What every plugin exports, and the values that all kinds share.
pub mod described {
    wit_bindgen::generate!({
        inline: "
            package dray:sdk;
            world described {
                include dray:types/imports@0.1.0;
                include dray:host/imports@0.1.0;
                export dray:types/describe@0.1.0;
            }
        ",
        path: ["../../wit/types", "../../wit/host"],
        world: "dray:sdk/described",
        pub_export_macro: true,
        export_macro_name: "export_described",
        additional_derives: [PartialEq, Eq, Hash],
        generate_all,
        // The values that only a kind uses are made here, for all kinds.
        generate_unused_types: true,
    });
}

/// What a snapshotter plugin exports besides.
pub mod snapshotter {
    wit_bindgen::generate!({
        inline: "
            package dray:sdk;
            world snapshotter {
                export dray:snapshotter/planner@0.1.0;
            }
        ",
        path: ["../../wit/snapshotter"],
        world: "dray:sdk/snapshotter",
        with: {
            "dray:types/oci@0.1.0": crate::bindings::described::dray::types::oci,
            "dray:types/errors@0.1.0": crate::bindings::described::dray::types::errors,
        },
        pub_export_macro: true,
        export_macro_name: "export_snapshotter",
        additional_derives: [PartialEq, Eq, Hash],
    });
}

/// What a platform plugin exports besides.
pub mod platform {
    wit_bindgen::generate!({
        inline: "
            package dray:sdk;
            world platform {
                export dray:platform/matcher@0.1.0;
            }
        ",
        path: ["../../wit/platform"],
        world: "dray:sdk/platform",
        with: {
            "dray:types/oci@0.1.0": crate::bindings::described::dray::types::oci,
            "dray:types/errors@0.1.0": crate::bindings::described::dray::types::errors,
        },
        pub_export_macro: true,
        export_macro_name: "export_platform",
        additional_derives: [PartialEq, Eq, Hash],
    });
}
