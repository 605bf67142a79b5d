use crate::context::Context;
use crate::failure::Failure;
use crate::platform_options::PlatformOptions;
use crate::transfer::{self, Task, TransferOptions};
use dray::config::Flags;

/// Fetch missing and damaged blobs of an image
///
/// Fetches all blobs of the wanted platforms, even of unpacked layers, so that the image can be saved, pushed,
/// converted or unpacked into another snapshotter. Blobs in containerd are read, and fetched again if they are
/// damaged. The target of the name does not change, and nothing is unpacked
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dray image fetch debian:12\n  dray image fetch --all-platforms debian:12"
)]
pub(crate) struct FetchArguments {
    /// Name, digest or beginning of a digest of the image
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    platforms: PlatformOptions,

    #[command(flatten)]
    pub(crate) transfer: TransferOptions,
}

/// Fetches the blobs, and prints the report of a pull.
pub(super) fn run(arguments: FetchArguments, context: &Context) -> Result<(), Failure> {
    let flags = Flags { platforms: arguments.platforms.into(), unpack: Some(false), ..Flags::default() };
    transfer::run(Task::Fetch, &arguments.name, flags, &arguments.transfer, context)
}
