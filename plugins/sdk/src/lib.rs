//! Write plugins for dray.
//!
//! A plugin is a WebAssembly component. It receives plain values, returns plain values, and touches nothing:
//! *the guest plans, the host acts.* There are two kinds: a [`SnapshotterPlugin`] plans how the layers of an
//! image reach a snapshotter, a [`PlatformPlugin`] chooses among the platforms that an image offers.
//!
//! An author implements [`Plugin`], which says who the plugin is, and the trait of one kind, and exports the
//! type by [`export_snapshotter!`] or [`export_platform!`]. This is a whole plugin, for a snapshotter that
//! serves layers with an annotation of its own:
//!
//! ```
//! use dray_plugin::{Error, Plugin, SnapshotterPlugin, log, snapshotter::*};
//!
//! struct Example;
//!
//! #[derive(serde::Deserialize, Default)]
//! #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
//! struct Config {
//!     keep_blobs: bool,
//! }
//!
//! impl Plugin for Example {
//!     const NAME: &str = "example";
//!     const VERSION: &str = env!("CARGO_PKG_VERSION");
//!     const SUMMARY: &str = "layers that the example daemon can mount from afar";
//!     const CONFIG_SCHEMA: &str =
//!         r#"{"type":"object","properties":{"keep-blobs":{"type":"boolean"}},"additionalProperties":false}"#;
//!     type Config = Config;
//! }
//!
//! impl SnapshotterPlugin for Example {
//!     fn plan(config: Config, image: Image) -> Result<ImagePlan, Error> {
//!         const INDEX: &str = "containerd.io/snapshot/example/index";
//!         let remote = |layer: &&Layer| layer.descriptor.annotation(INDEX).is_some();
//!         let count = image.layers.iter().filter(remote).count();
//!         log::debug(format_args!("{count} of {} layers are remote", image.layers.len()));
//!         let layers = image.layers.iter().map(|layer| match layer.descriptor.annotation(INDEX) {
//!             Some(index) => LayerPlan {
//!                 keep_blob: config.keep_blobs,
//!                 ..layer.ask_with_labels([(INDEX, index)])
//!             },
//!             None => layer.ask(),
//!         });
//!         Ok(ImagePlan::by_count(count, layers.collect()))
//!     }
//! }
//!
//! dray_plugin::export_snapshotter!(Example);
//!
//! // Tests run natively, without WebAssembly.
//! use dray_plugin::testing::{self, ImageBuilder};
//!
//! let image = ImageBuilder::new("example").layer().annotated("containerd.io/snapshot/example/index", "7").build();
//! let plan = testing::plan::<Example>(r#"{"keep-blobs": true}"#, &image).unwrap();
//! assert_eq!(plan.suitability, Suitability::Native);
//! assert_eq!(plan.layers[0].question, Question::AskWithLabels(vec![(
//!     "containerd.io/snapshot/example/index".to_owned(),
//!     "7".to_owned(),
//! )]));
//! ```
//!
//! Build it as a `cdylib` for `wasm32-unknown-unknown` and make a component of the module; a target with WASI
//! works as well, but its standard library asks the host for more. `docs/plugin-authors.md` has the commands,
//! the limits and the rules for every returned value.
//!
//! What to expect at run time: every call gets a fresh instance, so a plugin has no memory of earlier calls.
//! There is no clock, no randomness, no file, no network and no environment. A panic ends the instance; the
//! host reports the plugin as faulty, with the panic's message in its log.

pub mod feature;
pub mod log;
pub mod platform;
pub mod snapshotter;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod export;

mod error;
mod plugin;

pub use error::{Detail, Error};
pub use platform::PlatformPlugin;
pub use plugin::{NoConfig, Plugin};
pub use snapshotter::SnapshotterPlugin;

/// Values of the OCI image specification, shared by all kinds of plugins.
pub mod oci {
    pub use crate::bindings::described::dray::types::oci::{
        Annotations, Descriptor, Digest, Extensions, MediaType, Platform,
    };

    impl Descriptor {
        /// The value of one annotation.
        pub fn annotation(&self, key: &str) -> Option<&str> {
            self.annotations.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
        }
    }
}
