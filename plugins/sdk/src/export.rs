//! How a type that implements the traits becomes the exports of a component.

use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::{described, platform, snapshotter};
use crate::plugin::{has_schema_if_configured, info, read_config};
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

/// Compiles only for snapshotter plugins whose configuration has a schema.
pub const fn assert_snapshotter<P: SnapshotterPlugin>() {
    assert_schema::<P>();
}

/// Compiles only for platform plugins whose configuration has a schema.
pub const fn assert_platform<P: PlatformPlugin>() {
    assert_schema::<P>();
}

/// ```compile_fail,E0080
/// use dray_plugin::{Error, PlatformPlugin, Plugin, platform::Platform};
///
/// #[derive(serde::Deserialize)]
/// struct Config {
///     level: u8,
/// }
///
/// struct WithoutSchema;
///
/// impl Plugin for WithoutSchema {
///     const NAME: &str = "without-schema";
///     const VERSION: &str = "0.1.0";
///     const SUMMARY: &str = "the host would refuse every configuration of it";
///     type Config = Config;
/// }
///
/// impl PlatformPlugin for WithoutSchema {
///     fn rank(_: Config, _: Vec<Platform>, _: Vec<Platform>) -> Result<Vec<u32>, Error> {
///         Ok(Vec::new())
///     }
/// }
///
/// dray_plugin::export_platform!(WithoutSchema);
/// ```
const fn assert_schema<P: Plugin>() {
    assert!(
        has_schema_if_configured::<P>(),
        "the plugin has a `Config` and no `CONFIG_SCHEMA`: the host would refuse every configuration"
    );
}

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
