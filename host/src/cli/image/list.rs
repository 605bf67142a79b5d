use std::fmt::Write as _;

use serde::Serialize;

use super::shelf::{self, Shelf};
use super::written::{self, WrittenBlob};
use crate::cli::arguments::{Format, Globals};
use crate::cli::failure::{Failure, message_of};
use crate::cli::{Context, amounts, escape, output};
use crate::config::PlatformFlags;
use crate::image::{Completeness, ImageError, ManifestState, unpacked_image_size};
use crate::oci::{Digest, Platform};
use crate::ports::{ImageRecord, Store};

/// List images, and what of them is missing
///
/// There is one row for each platform whose manifest is there, and one row that says what is missing for an image
/// without any
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dray image ls\n  dray image ls --format json | jq '.[] | select(.complete | not)'"
)]
pub(in crate::cli) struct ListArguments {
    /// Print nothing but the names
    #[arg(short, long)]
    quiet: bool,

    /// Print the list in this form
    #[arg(long, value_name = "FORM", default_value = "text", conflicts_with = "quiet")]
    pub(in crate::cli) format: Format,
}

/// A row of the list.
#[derive(Serialize)]
struct Row {
    name: String,
    /// Absent where nothing says what the image is for.
    platform: Option<Platform>,
    /// Digest of what the name stands for.
    digest: Digest,
    /// Digest of the manifest for the platform.
    manifest: Option<Digest>,
    created: String,
    /// Bytes of the blobs, as manifest and index state them.
    size: Option<u64>,
    /// Bytes in the snapshotter; 0 if the image is not unpacked.
    unpacked_size: u64,
    complete: bool,
    unpacked: bool,
    missing: Vec<WrittenBlob>,
    /// Why nothing more can be said.
    error: Option<String>,
    #[serde(skip)]
    state: String,
}

/// Prints the list.
pub(super) async fn run(
    arguments: &ListArguments,
    globals: &Globals,
    context: &Context,
) -> Result<(), Failure> {
    if arguments.quiet {
        let records = records(&shelf::connect(globals, context).await?).await?;
        let names = records.iter().map(|record| format!("{}\n", escape::line(&record.name)));
        return output::write(names.collect::<String>().as_bytes());
    }
    let platforms = PlatformFlags { all: true, ..PlatformFlags::default() };
    let shelf = Shelf::open(platforms, globals, context).await?;
    let records = records(&shelf.store).await?;
    let mut rows = Vec::new();
    for record in &records {
        match shelf.completeness(record).await {
            Ok(found) => rows.extend(of_image(&shelf, record, &found).await?),
            Err(error @ (ImageError::Store { .. } | ImageError::Plugin { .. })) => return Err(error.into()),
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

async fn of_image(shelf: &Shelf, record: &ImageRecord, found: &Completeness) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for manifest in found.manifests.iter().filter(|manifest| manifest.size.is_some()) {
        rows.push(of_manifest(shelf, record, manifest).await?);
    }
    if rows.is_empty() {
        let missing: Vec<_> = found.missing_blobs().collect();
        let state = written::lacking(&missing);
        rows.push(Row { missing: missing.iter().map(WrittenBlob::from).collect(), state, ..empty(record) });
    }
    Ok(rows)
}

async fn of_manifest(shelf: &Shelf, record: &ImageRecord, manifest: &ManifestState) -> Result<Row, Failure> {
    let snapshots = shelf.store.snapshots.as_ref();
    let unpacked = unpacked_image_size(snapshots, &shelf.snapshotter, &manifest.diff_ids).await?;
    Ok(Row {
        platform: manifest.platform.clone(),
        manifest: Some(manifest.manifest.digest.clone()),
        size: manifest.size,
        unpacked_size: unpacked.filter(|_| manifest.unpacked).unwrap_or_default().bytes,
        complete: manifest.is_complete(),
        unpacked: manifest.unpacked,
        missing: manifest.missing_blobs.iter().map(WrittenBlob::from).collect(),
        state: written::state(manifest),
        ..empty(record)
    })
}

/// A row of a record of which nothing is known but itself.
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
        unpacked: false,
        missing: Vec::new(),
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
