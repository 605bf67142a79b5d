use std::fmt::Write as _;

use serde::Serialize;

use super::stored::StoredImages;
use super::written::{self, WrittenBlob, WrittenDescriptor};
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::{FETCH_ANEW_HINT, FETCH_HINT, Failure, Kind};
use crate::platform_options::PlatformOptions;
use crate::{amounts, output};
use dray::image::{Completeness, ImageError, ManifestState, MissingBlob, Scrutiny};
use dray::oci::{ChainId, Platform};
use dray::ports::{ImageRecord, SnapshotterName};
use dray::text::escape;

/// List missing and damaged blobs and snapshots of an image
///
/// An image is complete to run if all of its blobs are in the content store; an unpacked layer needs no blob, but push and
/// save do. With --snapshotter auto, each snapshotter that could hold the image is looked into. The check
/// reads index, manifest and config as a whole, and the last byte of each other blob, or all bytes with --deep. The
/// exit status is 4 if a blob is missing, and 7 if one is damaged
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dray image check debian:12\n  dray image check --deep --all-platforms debian:12"
)]
pub(crate) struct CheckArguments {
    /// Name, digest or beginning of a digest of the image
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    platforms: PlatformOptions,

    /// Read all bytes of all blobs, and compute their digests
    #[arg(long)]
    deep: bool,

    /// Print in this format
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Serialize)]
struct Checked<'a> {
    name: &'a str,
    target: WrittenDescriptor,
    snapshotter: Option<&'a str>,
    /// The part of each blob that was read: `last-byte` or `every-byte`.
    read: &'static str,
    complete: bool,
    /// Whether all blobs are there, so that the image can be pushed and saved.
    all_blobs: bool,
    unpacked: bool,
    missing_indexes: Vec<WrittenDescriptor>,
    damaged_indexes: Vec<WrittenBlob>,
    platforms: Vec<CheckedPlatform<'a>>,
}

#[derive(Serialize)]
struct CheckedPlatform<'a> {
    platform: Option<&'a Platform>,
    manifest: WrittenDescriptor,
    complete: bool,
    all_blobs: bool,
    unpacked: bool,
    /// The snapshotter that counts for `unpacked`.
    snapshotter: Option<&'a str>,
    missing_blobs: Vec<WrittenBlob>,
    damaged_blobs: Vec<WrittenBlob>,
    missing_snapshots: &'a [ChainId],
}

/// Prints missing and damaged blobs.
pub(super) async fn run(arguments: CheckArguments, context: &Context) -> Result<(), Failure> {
    let images = StoredImages::open(arguments.platforms.into(), context).await?;
    let record = images.record(&arguments.name).await?;
    let scrutiny = if arguments.deep { Scrutiny::EveryByte } else { Scrutiny::LastByte };
    let snapshotters = images.snapshotters_if_loaded(context).await?;
    let found = images.completeness(&record, &snapshotters, scrutiny).await?;
    let unfit = found.manifests.iter().find(|manifest| !manifest.fits);
    if let Some(platform) = unfit.and_then(|manifest| manifest.platform.as_ref()) {
        images.note_other_platform(platform, context);
    }
    // That of the first platform; of each other one, its own says.
    let chosen = found.manifests.iter().find_map(|manifest| manifest.snapshotter.as_ref());
    let snapshotter = chosen.or(snapshotters.first()).map(SnapshotterName::as_str);
    let check = Check { record: &record, snapshotter, scrutiny, found: &found };
    match arguments.format {
        Format::Json => output::write_json(&check.to_json())?,
        Format::Text => output::write(check.to_text().as_bytes())?,
    }
    if let Some(unusable) = found.unusable.first() {
        return Err(ImageError::from(unusable.clone()).into());
    }
    check.verdict()
}

/// The result of a check.
struct Check<'a> {
    record: &'a ImageRecord,
    snapshotter: Option<&'a str>,
    scrutiny: Scrutiny,
    found: &'a Completeness,
}

impl<'a> Check<'a> {
    fn to_json(&self) -> Checked<'a> {
        let platform = |manifest: &'a ManifestState| CheckedPlatform {
            platform: manifest.platform.as_ref(),
            manifest: (&manifest.manifest).into(),
            complete: manifest.is_complete(),
            all_blobs: manifest.has_all_blobs(),
            snapshotter: manifest.snapshotter.as_ref().map(SnapshotterName::as_str),
            unpacked: manifest.unpacked,
            missing_blobs: manifest.missing_blobs.iter().map(WrittenBlob::from).collect(),
            damaged_blobs: manifest.damaged_blobs.iter().map(WrittenBlob::from).collect(),
            missing_snapshots: &manifest.missing_snapshots,
        };
        Checked {
            name: &self.record.name,
            target: (&self.record.target).into(),
            snapshotter: self.snapshotter,
            read: if self.scrutiny == Scrutiny::EveryByte { "every-byte" } else { "last-byte" },
            complete: self.found.is_complete(),
            all_blobs: self.found.has_all_blobs(),
            unpacked: self.found.is_unpacked(),
            missing_indexes: self.found.missing_indexes.iter().map(WrittenDescriptor::from).collect(),
            damaged_indexes: self.found.damaged_indexes.iter().map(WrittenBlob::from).collect(),
            platforms: self.found.manifests.iter().map(platform).collect(),
        }
    }

    fn to_text(&self) -> String {
        let mut text = format!("{}\n", escape::line(&self.record.name));
        let mut line = |what: &str, digest: &str, more: &str| {
            let _ = writeln!(text, "  {what:<9} {digest}{more}");
        };
        for index in &self.found.missing_indexes {
            line("index", index.digest.as_str(), "  missing");
        }
        for index in &self.found.damaged_indexes {
            line("index", index.descriptor.digest.as_str(), "  damaged");
        }
        for manifest in &self.found.manifests {
            let platform =
                manifest.platform.as_ref().map_or_else(|| "unknown".to_owned(), Platform::format_all);
            let state = match written::lacking_to_push(manifest) {
                Some(lacking) => format!("{lacking}: `dray image fetch`"),
                None => written::state(manifest),
            };
            line("platform", &escape::line(&platform), &format!("  {state}"));
            for blob in &manifest.missing_blobs {
                let size = amounts::bytes(blob.descriptor.size);
                let more = if blob.unpacked { "not needed to run, it is unpacked" } else { "missing" };
                line(blob.role.as_str(), blob.descriptor.digest.as_str(), &format!("  {more}, {size}"));
            }
            for blob in &manifest.damaged_blobs {
                let size = amounts::bytes(blob.descriptor.size);
                line(blob.role.as_str(), blob.descriptor.digest.as_str(), &format!("  damaged, {size}"));
            }
            if let Some(snapshotter) = &manifest.snapshotter {
                for chain_id in &manifest.missing_snapshots {
                    line(
                        "snapshot",
                        chain_id.as_str(),
                        &format!("  not in {}", escape::line(snapshotter.as_str())),
                    );
                }
            }
        }
        let read = match self.scrutiny {
            Scrutiny::EveryByte => "all bytes of each blob",
            Scrutiny::LastByte | Scrutiny::Records => "the last byte of each layer, --deep reads all",
        };
        line("read", read, "");
        text
    }

    /// A damaged blob counts even if the image does not need it, because other images would use it.
    fn verdict(&self) -> Result<(), Failure> {
        let name = &self.record.name;
        let damaged =
            written::count(self.found.damaged_blobs().map(|blob| (blob.role, &blob.descriptor.digest)));
        if !damaged.is_empty() {
            let message = format!("image `{name}` is damaged in the store: {damaged}");
            return Err(Failure::new(Kind::Corrupt, message).hint(FETCH_ANEW_HINT));
        }
        if self.found.is_complete() {
            return Ok(());
        }
        let missing: Vec<MissingBlob> = self.found.missing_blobs().collect();
        let message = format!("image `{name}` is not complete, {}", written::lacking(&missing, []));
        Err(Failure::new(Kind::NotFound, message).hint(FETCH_HINT))
    }
}
