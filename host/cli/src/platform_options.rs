use dray::config::PlatformFlags;

/// Options for choosing platforms of an image.
#[derive(Debug, clap::Args)]
pub(super) struct PlatformOptions {
    /// Pull this platform; may be repeated, or list several with commas [default: that of this machine]
    #[arg(long = "platform", value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platforms: Vec<String>,

    /// Use every platform that the image offers
    #[arg(long, conflicts_with = "platforms")]
    all_platforms: bool,

    /// With --all-platforms, include attestations and other entries of unknown platform
    #[arg(long, requires = "all_platforms")]
    attestations: bool,
}

impl From<PlatformOptions> for PlatformFlags {
    fn from(options: PlatformOptions) -> Self {
        let PlatformOptions { platforms, all_platforms, attestations } = options;
        Self { platforms, all: all_platforms, attestations }
    }
}
