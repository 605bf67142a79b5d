use crate::context::Context;
use crate::failure::Failure;
use crate::platform_options::PlatformOptions;
use crate::transfer::{self, Task, TransferOptions};
use dray::config::Flags;

/// Fetch what is missing or damaged of an image
///
/// All blobs of the wanted platforms are fetched, also those of layers that are unpacked, so that the image can be
/// saved, pushed, converted or unpacked into another snapshotter. What containerd has is read, and fetched anew if it is
/// damaged. The name stands for the same as before, whatever the registry says now; nothing is unpacked
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

/// Fetches, and prints the report of a pull.
pub(super) fn run(arguments: FetchArguments, context: &Context) -> Result<(), Failure> {
    let flags = Flags { platforms: arguments.platforms.into(), unpack: Some(false), ..Flags::default() };
    transfer::run(Task::Fetch, &arguments.name, flags, &arguments.transfer, context)
}
