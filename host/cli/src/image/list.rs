use std::fmt::Write as _;

use serde::Serialize;

use super::stored::{self, StoredImages};
use super::written::{self, WrittenBlob};
use crate::arguments::Format;
use crate::context::Context;
use crate::failure::{Failure, message_of};
use crate::{amounts, output};
use dray::config::PlatformFlags;
use dray::image::{Completeness, ImageError, ManifestState, Scrutiny, unpacked_image_size};
use dray::oci::{Digest, Platform};
use dray::ports::{ImageRecord, Store};
use dray::text::escape;

/// List images, with what they lack
///
/// The list has one row per platform whose manifest is in containerd. An image without any has one row that states
/// the missing or damaged documents. A layer counts as present if containerd has a record of it; `dray image check`
/// reads its bytes
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dray image ls\n  dray image ls --format json | jq '.[] | select(.complete | not)'"
)]
pub(crate) struct ListArguments {
    /// Print only the names
    #[arg(short, long)]
    quiet: bool,

    /// Print the list in this format
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with = "quiet")]
    pub(crate) format: Format,
}

/// A row of the list.
#[derive(Serialize)]
struct Row {
    name: String,
    /// Absent if the image states no platform.
    platform: Option<Platform>,
    /// Digest of the target of the name.
    digest: Digest,
    /// Digest of the manifest for the platform.
    manifest: Option<Digest>,
    created: String,
    /// Bytes of the blobs, as manifest and index state them.
    size: Option<u64>,
    /// Bytes in the snapshotter; 0 if the image is not unpacked.
    unpacked_size: u64,
    complete: bool,
    /// Whether all blobs are there, so that the image can be pushed and saved.
    all_blobs: bool,
    unpacked: bool,
    /// The snapshotter that counts for `unpacked`.
    snapshotter: Option<String>,
    missing: Vec<WrittenBlob>,
    damaged: Vec<WrittenBlob>,
    /// Why the other fields are missing.
    error: Option<String>,
    #[serde(skip)]
    state: String,
}

/// Prints the list.
pub(super) async fn run(arguments: &ListArguments, context: &Context) -> Result<(), Failure> {
    if arguments.quiet {
        let records = records(&stored::connect(context).await?).await?;
        let names = records.iter().map(|record| format!("{}\n", escape::line(&record.name)));
        return output::write(names.collect::<String>().as_bytes());
    }
    let platforms = PlatformFlags { all: true, ..PlatformFlags::default() };
    let images = StoredImages::open(platforms, context).await?;
    let records = records(&images.store).await?;
    let snapshotters = images.snapshotters_if_loaded(context).await?;
    let mut rows = Vec::new();
    for record in &records {
        // Reading all blobs of all images would take too long for a list.
        match images.completeness(record, &snapshotters, Scrutiny::Records).await {
            Ok(found) => rows.extend(of_image(&images, record, &found).await?),
            Err(error) if error.is_of_the_call() => return Err(error.into()),
            Err(error) => {
                let error = message_of(&error);
                rows.push(Row { state: error.clone(), error: Some(error), ..empty(record) });
            }
        }
    }
    match arguments.format {
        Format::Json => output::write_json(&rows),
        Format::Text => output::write(table(&rows).as_bytes()),
    }
}

async fn records(store: &Store) -> Result<Vec<ImageRecord>, ImageError> {
    let records = store.images.list().await;
    records.map_err(|source| ImageError::Store { doing: "listing its images".to_owned(), source })
}

async fn of_image(
    images: &StoredImages,
    record: &ImageRecord,
    found: &Completeness,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for manifest in found.manifests.iter().filter(|manifest| manifest.size.is_some()) {
        rows.push(of_manifest(images, record, manifest).await?);
    }
    if rows.is_empty() {
        let missing: Vec<_> = found.missing_blobs().collect();
        rows.push(Row {
            state: written::lacking(&missing, found.damaged_blobs()),
            missing: missing.iter().map(WrittenBlob::from).collect(),
            damaged: found.damaged_blobs().map(WrittenBlob::from).collect(),
            ..empty(record)
        });
    }
    Ok(rows)
}

async fn of_manifest(
    images: &StoredImages,
    record: &ImageRecord,
    manifest: &ManifestState,
) -> Result<Row, Failure> {
    let snapshots = images.store.snapshots.as_ref();
    let unpacked = match &manifest.snapshotter {
        Some(snapshotter) => unpacked_image_size(snapshots, snapshotter, &manifest.diff_ids).await?,
        None => None,
    };
    Ok(Row {
        platform: manifest.platform.clone(),
        manifest: Some(manifest.manifest.digest.clone()),
        size: manifest.size,
        unpacked_size: unpacked.filter(|_| manifest.unpacked).unwrap_or_default().bytes,
        complete: manifest.is_complete(),
        all_blobs: manifest.has_all_blobs(),
        snapshotter: manifest.snapshotter.as_ref().map(ToString::to_string),
        unpacked: manifest.unpacked,
        missing: manifest.missing_blobs.iter().map(WrittenBlob::from).collect(),
        damaged: manifest.damaged_blobs.iter().map(WrittenBlob::from).collect(),
        state: written::state(manifest),
        ..empty(record)
    })
}

/// A row with only the record.
fn empty(record: &ImageRecord) -> Row {
    Row {
        name: record.name.clone(),
        platform: None,
        digest: record.target.digest.clone(),
        manifest: None,
        created: written::time(record.created_at),
        size: None,
        unpacked_size: 0,
        complete: false,
        all_blobs: false,
        unpacked: false,
        snapshotter: None,
        missing: Vec::new(),
        damaged: Vec::new(),
        error: None,
        state: String::new(),
    }
}

fn table(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        let platform = row.platform.as_ref().map_or_else(|| "-".to_owned(), Platform::format_all);
        [
            escape::line(&row.name),
            escape::line(&platform),
            row.digest.short().to_owned(),
            row.created.clone(),
            row.size.map_or_else(|| "-".to_owned(), amounts::bytes),
            escape::line(&row.state),
        ]
    });
    let head = ["NAME", "PLATFORM", "DIGEST", "CREATED", "SIZE", "STATE"].map(str::to_owned);
    let lines: Vec<_> = std::iter::once(head).chain(cells).collect();
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let [name, platform, digest, created, size, state] = line;
        let _ = writeln!(
            text,
            "{name:<0$}  {platform:<1$}  {digest:<2$}  {created:<3$}  {size:<4$}  {state}",
            widths[0], widths[1], widths[2], widths[3], widths[4],
        );
    }
    text
}
