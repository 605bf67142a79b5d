//! How a type that implements the traits becomes the exports of a component.

use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::{described, platform, snapshotter};
use crate::plugin::{info, read_config};
use crate::{Error, PlatformPlugin, Plugin, SnapshotterPlugin, log};

/// Exports a type that implements [`SnapshotterPlugin`] as a snapshotter plugin. Once in a crate, at its root.
///
/// Natively it only checks that the type implements the trait, so that tests need no WebAssembly.
#[macro_export]
macro_rules! export_snapshotter {
    ($plugin:ty) => {
        const _: () = $crate::export::assert_snapshotter::<$plugin>();
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::export::Exported<$plugin>;
            $crate::bindings::described::export_described!(
                Component with_types_in $crate::bindings::described
            );
            $crate::bindings::snapshotter::export_snapshotter!(
                Component with_types_in $crate::bindings::snapshotter
            );
        };
    };
}

/// Exports a type that implements [`PlatformPlugin`] as a platform plugin. Once in a crate, at its root.
///
/// Natively it only checks that the type implements the trait, so that tests need no WebAssembly.
#[macro_export]
macro_rules! export_platform {
    ($plugin:ty) => {
        const _: () = $crate::export::assert_platform::<$plugin>();
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::export::Exported<$plugin>;
            $crate::bindings::described::export_described!(
                Component with_types_in $crate::bindings::described
            );
            $crate::bindings::platform::export_platform!(
                Component with_types_in $crate::bindings::platform
            );
        };
    };
}

/// Compiles only for snapshotter plugins.
pub const fn assert_snapshotter<P: SnapshotterPlugin>() {}

/// Compiles only for platform plugins.
pub const fn assert_platform<P: PlatformPlugin>() {}

/// Carries the generated traits for a plugin.
pub struct Exported<P>(PhantomData<P>);

impl<P: Plugin> described::exports::dray::types::describe::Guest for Exported<P> {
    fn get_info() -> described::exports::dray::types::describe::Info {
        log_panics();
        info::<P>()
    }

    fn check_config(config: String) -> Result<(), Error> {
        log_panics();
        read_config::<P>(&config).map(drop)
    }
}

impl<P: SnapshotterPlugin> snapshotter::exports::dray::snapshotter::planner::Guest for Exported<P> {
    fn plan(
        config: String,
        image: crate::snapshotter::Image,
    ) -> Result<crate::snapshotter::ImagePlan, Error> {
        log_panics();
        P::plan(read_config::<P>(&config)?, image)
    }
}

impl<P: PlatformPlugin> platform::exports::dray::platform::matcher::Guest for Exported<P> {
    fn rank(
        config: String,
        wanted: Vec<crate::oci::Platform>,
        offered: Vec<crate::oci::Platform>,
    ) -> Result<Vec<u32>, Error> {
        log_panics();
        P::rank(read_config::<P>(&config)?, wanted, offered)
    }
}

/// Sends the message of a panic to the host's log: the trap that follows says only that there was one.
fn log_panics() {
    static ONCE: Once = Once::new();
    if cfg!(target_arch = "wasm32") {
        ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| log::error(panic))));
    }
}
