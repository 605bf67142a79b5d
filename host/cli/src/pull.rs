use super::context::Context;
use super::failure::Failure;
use super::platform_options::PlatformOptions;
use super::plugin_options::PluginOptions;
use super::transfer::{self, Task, TransferOptions};
use dray::config::{Flags, PluginFlags};
use dray::pull::PullMode;

/// Pull an image and unpack it into a snapshotter
///
/// dray downloads only missing blobs and checks every digest. If the command fails or is interrupted, it leaves no
/// image record, lease or partially unpacked layer; the next pull resumes the download
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PullArguments {
    /// The image: a short name as in Docker, a full name, or a name with `@` and a digest; with `--mode missing`
    /// or `never` also the digest of an image in containerd, or its beginning
    #[arg(value_name = "REF")]
    reference: String,

    /// When to ask the registry: `missing` means only if containerd lacks the complete image for the wanted platform;
    /// `never` uses only the image in containerd
    #[arg(long, value_name = "WHEN", default_value = "always")]
    mode: Mode,

    #[command(flatten)]
    platforms: PlatformOptions,

    /// Unpack the image; `auto` means if exactly one platform is pulled
    #[arg(long, value_name = "WHEN", default_value = "auto", ignore_case = true)]
    unpack: UnpackChoice,

    #[command(flatten)]
    plugins: PluginOptions,

    /// Fetch the blobs of layers too that a lazy snapshotter provides, so that the image can be pushed and saved
    #[arg(long)]
    keep_blobs: bool,

    /// Read the root of the image at the end, as a container would. A plugin whose snapshotter answers without looking
    /// at a layer asks for it in any case
    #[arg(long)]
    verify_snapshot: bool,

    /// Use this SOCI index, where plugin `soci` plans; without it, the snapshotter looks for one
    #[arg(long, value_name = "DIGEST")]
    soci_index_digest: Option<String>,

    #[command(flatten)]
    pub(super) transfer: TransferOptions,
}

/// When to ask the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    Always,
    Missing,
    Never,
}

impl From<Mode> for PullMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Always => Self::Always,
            Mode::Missing => Self::Missing,
            Mode::Never => Self::Never,
        }
    }
}

/// Whether to unpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum UnpackChoice {
    Auto,
    #[value(aliases = ["1", "t"])]
    True,
    #[value(aliases = ["0", "f"])]
    False,
}

impl From<UnpackChoice> for Option<bool> {
    fn from(choice: UnpackChoice) -> Self {
        match choice {
            UnpackChoice::Auto => None,
            UnpackChoice::True => Some(true),
            UnpackChoice::False => Some(false),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  dray pull debian:12
  dray pull --platform linux/arm64 ghcr.io/example/app:1.4
  dray pull --platform linux/amd64,linux/arm64 debian:12
  dray pull --mode missing debian:12
  dray -n k8s.io pull registry.example.com/team/app@sha256:4b1d…
  dray pull --format json debian:12 | jq .totals
  dray pull --snapshotter auto ghcr.io/example/app:1.4-esgz
  dray pull --plugin snapshotter=./mine.wasm --snapshotter mine debian:12";

/// Pulls, and prints the report.
pub(super) fn run(arguments: PullArguments, context: &Context) -> Result<(), Failure> {
    let soci_index_digest = arguments.soci_index_digest;
    let flags = Flags {
        platforms: arguments.platforms.into(),
        unpack: arguments.unpack.into(),
        plugins: PluginFlags { soci_index_digest, ..arguments.plugins.flags()? },
        keep_blobs: arguments.keep_blobs,
        verify_snapshot: arguments.verify_snapshot,
        ..Flags::default()
    };
    let task = Task::Ensure(arguments.mode.into());
    transfer::run(task, &arguments.reference, flags, &arguments.transfer, context)
}
