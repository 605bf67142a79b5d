use serde::Serialize;

use super::stored::StoredImages;
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::Failure;
use crate::output;
use dray::config::PlatformFlags;
use dray::image::unpacked_image_size;
use dray::oci::Platform;
use dray::ports::Usage;
use dray::text::escape;

/// Print the size of an unpacked image
///
/// The size is the sum of its layers in the snapshotter, including layers shared with other images. An image that is
/// not unpacked has size 0, which is not an error
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dray image size debian:12\n  dray --snapshotter native image size 1f3a0c"
)]
pub(crate) struct SizeArguments {
    /// Name, digest or beginning of a digest of the image
    #[arg(value_name = "NAME")]
    name: String,

    /// Measure the image for this platform [default: that of this machine]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Print in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Serialize)]
struct Size {
    name: String,
    platform: Platform,
    snapshotter: String,
    unpacked: bool,
    bytes: u64,
    inodes: u64,
}

/// Measures the image.
pub(super) async fn run(arguments: SizeArguments, context: &Context) -> Result<(), Failure> {
    let platforms =
        PlatformFlags { platforms: arguments.platform.into_iter().collect(), ..PlatformFlags::default() };
    let images = StoredImages::open(platforms, context).await?;
    let snapshotters = images.client.usable_snapshotters().await?.required()?;
    let record = images.record(&arguments.name).await?;
    let documents = images.documents(&record).await?;
    if !documents.fits {
        images.note_other_platform(&documents.platform, context);
    }
    let snapshots = images.store.snapshots.as_ref();
    let mut found = None;
    for snapshotter in &snapshotters {
        let usage = unpacked_image_size(snapshots, snapshotter, &documents.config.diff_ids).await?;
        if let Some(usage) = usage {
            found = Some((snapshotter, usage));
            break;
        }
    }
    if found.is_none() {
        let names: Vec<_> = snapshotters.iter().map(|snapshotter| format!("`{snapshotter}`")).collect();
        let note = format!("note: the image is not unpacked in snapshotter {}", names.join(", "));
        context.screen.print(&escape::line(&note));
    }
    let unpacked = found.is_some();
    let (snapshotter, usage) = found.unwrap_or_else(|| (&snapshotters[0], Usage::default()));
    match arguments.format {
        Format::Text => output::write(format!("{}\n", usage.bytes).as_bytes()),
        Format::Json => output::write_json(&Size {
            name: record.name,
            platform: documents.platform,
            snapshotter: snapshotter.to_string(),
            unpacked,
            bytes: usage.bytes,
            inodes: usage.inodes,
        }),
    }
}
