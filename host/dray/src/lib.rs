//! dray pulls container images into containerd.
//!
//! Sandboxed WebAssembly components hold everything that is specific to a snapshotter or a platform rule. This crate
//! is the host that runs them. The guest plans, the host acts.
//!
//! # Pull an image
//!
//! ```no_run
//! # async fn example() -> Result<(), dray::ClientError> {
//! let client = dray::Client::builder().address("/run/containerd/containerd.sock").build()?;
//! let report = client.pull("debian:12").await?;
//! println!("{} is {}", report.name, report.target);
//! # Ok(())
//! # }
//! ```
//!
//! [`ClientBuilder`] has the options: namespace, snapshotter, platforms, plugins, how registries are reached, progress
//! and cancellation. It can read the configuration of the program, so that both behave alike. A [`Client`] pulls
//! ([`pull`](Client::pull), [`ensure`](Client::ensure), [`fetch`](Client::fetch)), asks the registry
//! ([`resolve`](Client::resolve)) and reads what is there ([`inspect`](Client::inspect)).
//!
//! # With ports of your own
//!
//! Below the client lie functions on [`ports`]:
//!
//! | function | |
//! |---|---|
//! | [`pull_image`] | asks the registry, downloads what is missing, unpacks, and binds the name |
//! | [`ensure_image`] | the same, or only if something is missing, or without the registry |
//! | [`existing_image`] | finds an image that is there, complete, and unpacks it if it is not |
//! | [`fetch_image`] | downloads what an image lacks that is there |
//! | [`resolve_digest`] | asks the registry what a name stands for |
//! | [`find_image`] | finds the records that a name, a digest or the beginning of one means |
//! | [`read_index`], [`read_manifest`], [`read_image_config`] | the documents of an image in a store, in a registry or in memory |
//! | [`completeness`] | what of an image is there, and what is missing or damaged |
//! | [`unpacked_image_size`] | what its layers take in a snapshotter |
//! | [`parse_repo_tag`] | repository and tag of a name |
//!
//! Each has an example in `examples/`. They act on a [`World`]: the store is a [`containerd::Containerd`], the registry
//! a [`registry::RegistryClient`], and the plugins come from a [`plugin::PluginHost`]. Anything else may stand behind
//! the ports. [`Client::world`] gives the client's own, and [`Client::request`] the request that its settings make.
//!
//! Futures can be dropped at any time. A future that only reads then leaves nothing; *Cancellation* describes what a
//! future that writes leaves. To end a pull with clean-up, cancel its token.
//!
//! # Reading order
//!
//! [`oci`] has the values, [`ports`] the seams, [`pull`] the algorithm, [`image`] what can be read of an image that
//! is there. [`containerd`], [`registry`] and [`plugin`] are adapters, [`config`] resolves settings.
//!
//! The library does not print, does not exit, and reads no environment variable.

mod client;
pub mod config;
mod machine;

pub use dray_containerd as containerd;
pub use dray_core::{limits, oci, text, verify};
pub use dray_plugin_host as plugin;
pub use dray_ports as ports;
pub use dray_pull::{image, pull};
pub use dray_registry as registry;
pub use dray_rules as rules;

pub use self::client::{Client, ClientBuilder, ClientError, InspectedImage, UsableSnapshotters};
pub use self::image::{
    ImageError, Platforms, Scrutiny, completeness, find as find_image, read_image_config, read_index,
    read_manifest, unpacked_image_size,
};
pub use self::machine::Machine;
pub use self::oci::parse_repo_tag;
pub use self::pull::{
    PullError, PullMode, PullReport, PullRequest, SnapshotterChoice, Unpack, World, ensure_image,
    existing_image, explain_image, fetch_image, pull_image, resolve_digest,
};

/// The examples of the page are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
struct LibraryPage;
