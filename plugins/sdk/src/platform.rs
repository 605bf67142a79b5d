//! Platform plugins: which of the platforms that an image offers is the right one.

pub use crate::oci::Platform;
use crate::{Error, Plugin};

/// Chooses among the platforms that an image offers.
pub trait PlatformPlugin: Plugin {
    /// Ranks the offered platforms against the wanted ones, which are in the user's order of preference.
    ///
    /// Returns indices into `offered`, best first, each at most once. An index that is absent does not match;
    /// the empty list says that nothing matches, which is an answer and not an error. Offers that are equally
    /// good stay in the order of the index. `wanted` is in normal form (`aarch64` is `arm64`), `offered` is as
    /// written in the image index.
    fn rank(config: Self::Config, wanted: Vec<Platform>, offered: Vec<Platform>) -> Result<Vec<u32>, Error>;
}
