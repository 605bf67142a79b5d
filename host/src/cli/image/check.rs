use std::fmt::Write as _;

use serde::Serialize;

use super::shelf::Shelf;
use super::written::{self, WrittenBlob, WrittenDescriptor};
use crate::cli::arguments::{Format, Globals};
use crate::cli::failure::{FETCH_HINT, Failure, Kind};
use crate::cli::platform_options::PlatformOptions;
use crate::cli::{Context, amounts, escape, output};
use crate::image::{Completeness, ManifestState, MissingBlob};
use crate::oci::{ChainId, Platform};
use crate::ports::ImageRecord;

/// Show which blobs and snapshots of an image are missing
///
/// An image is complete if all of its blobs are in the content store; a layer that is unpacked needs no blob. If one
/// is missing, the exit status is 4
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dray image check debian:12\n  dray image check --all-platforms debian:12"
)]
pub(in crate::cli) struct CheckArguments {
    /// Name, digest or beginning of a digest of the image
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    platforms: PlatformOptions,

    /// Print in this form
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) format: Format,
}

#[derive(Serialize)]
struct Checked<'a> {
    name: &'a str,
    target: WrittenDescriptor,
    snapshotter: &'a str,
    complete: bool,
    unpacked: bool,
    missing_indexes: Vec<WrittenDescriptor>,
    platforms: Vec<CheckedPlatform<'a>>,
}

#[derive(Serialize)]
struct CheckedPlatform<'a> {
    platform: Option<&'a Platform>,
    manifest: WrittenDescriptor,
    complete: bool,
    unpacked: bool,
    missing_blobs: Vec<WrittenBlob>,
    missing_snapshots: &'a [ChainId],
}

/// Prints what is missing.
pub(super) async fn run(
    arguments: CheckArguments,
    globals: &Globals,
    context: &Context,
) -> Result<(), Failure> {
    let shelf = Shelf::open(arguments.platforms.into(), globals, context).await?;
    let record = shelf.record(&arguments.name).await?;
    let found = shelf.completeness(&record).await?;
    let unfit = found.manifests.iter().find(|manifest| !manifest.fits);
    if let Some(platform) = unfit.and_then(|manifest| manifest.platform.as_ref()) {
        shelf.note_other_platform(platform, context);
    }
    let snapshotter = shelf.snapshotter.as_str();
    match arguments.format {
        Format::Json => output::write_json(&checked(&record, snapshotter, &found))?,
        Format::Text => output::write(to_text(&record, snapshotter, &found).as_bytes())?,
    }
    if found.is_complete() {
        return Ok(());
    }
    let missing: Vec<MissingBlob> = found.missing_blobs().collect();
    let message = format!("image `{}` is not complete, {}", record.name, written::lacking(&missing));
    Err(Failure::new(Kind::NotFound, message).hint(FETCH_HINT))
}

fn checked<'a>(record: &'a ImageRecord, snapshotter: &'a str, found: &'a Completeness) -> Checked<'a> {
    let platform = |manifest: &'a ManifestState| CheckedPlatform {
        platform: manifest.platform.as_ref(),
        manifest: (&manifest.manifest).into(),
        complete: manifest.is_complete(),
        unpacked: manifest.unpacked,
        missing_blobs: manifest.missing_blobs.iter().map(WrittenBlob::from).collect(),
        missing_snapshots: &manifest.missing_snapshots,
    };
    Checked {
        name: &record.name,
        target: (&record.target).into(),
        snapshotter,
        complete: found.is_complete(),
        unpacked: found.is_unpacked(),
        missing_indexes: found.missing_indexes.iter().map(WrittenDescriptor::from).collect(),
        platforms: found.manifests.iter().map(platform).collect(),
    }
}

fn to_text(record: &ImageRecord, snapshotter: &str, found: &Completeness) -> String {
    let mut text = format!("{}\n", escape::line(&record.name));
    let mut line = |what: &str, digest: &str, more: &str| {
        let _ = writeln!(text, "  {what:<9} {digest}{more}");
    };
    for index in &found.missing_indexes {
        line("index", index.digest.as_str(), "  missing");
    }
    for manifest in &found.manifests {
        let platform = manifest.platform.as_ref().map_or_else(|| "unknown".to_owned(), Platform::format_all);
        line("platform", &escape::line(&platform), &format!("  {}", written::state(manifest)));
        for blob in &manifest.missing_blobs {
            let size = amounts::bytes(blob.descriptor.size);
            let more = if blob.unpacked { "not needed, it is unpacked" } else { "missing" };
            line(blob.role.as_str(), blob.descriptor.digest.as_str(), &format!("  {more}, {size}"));
        }
        for chain_id in &manifest.missing_snapshots {
            line("snapshot", chain_id.as_str(), &format!("  not in {}", escape::line(snapshotter)));
        }
    }
    text
}
