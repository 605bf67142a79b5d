//! The zTOC of a layer: a FlatBuffer after the schema `ztoc.fbs` of the SOCI snapshotter.

use flatbuffers::{FlatBufferBuilder, VOffsetT, WIPOffset};

use crate::image::layer::{Entry, Piece, pieces};
use crate::image::sha256;
use crate::image::stored::{DEFLATE_BLOCK, DEFLATE_BLOCK_HEADER, GZIP_HEADER};
use crate::image::toc::{kind, time};

/// The uncompressed size of a span, the unit of lazy reads.
pub(super) const SPAN: usize = 64 * DEFLATE_BLOCK;

type Table = WIPOffset<flatbuffers::TableFinishedWIPOffset>;

/// The zTOC of a layer that [`gzip_member`](crate::image::stored::gzip_member) has made from `archive`.
pub(super) fn write(entries: &[Entry], archive: &[u8], blob: &[u8]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let mut offset = 0;
    let mut files = Vec::new();
    for Piece { entry, head, padding } in pieces(entries) {
        offset += head.len();
        files.push(file(&mut builder, entry, offset));
        offset += entry.content.len() + padding.len();
    }
    let files = builder.create_vector(&files);
    let toc = table(&mut builder, |toc| toc.push_slot_always(field(0), files));
    let compression = compression(&mut builder, archive, blob);
    let version = builder.create_string("0.9");
    let tool = builder.create_string("dray-tests");
    let root = table(&mut builder, |root| {
        root.push_slot_always(field(0), version);
        root.push_slot_always(field(1), tool);
        root.push_slot(field(2), length(blob.len()), 0);
        root.push_slot(field(3), length(archive.len()), 0);
        root.push_slot_always(field(4), toc);
        root.push_slot_always(field(5), compression);
    });
    builder.finish_minimal(root);
    builder.finished_data().to_vec()
}

fn file(builder: &mut FlatBufferBuilder<'_>, entry: &Entry, offset: usize) -> Table {
    let name = builder.create_string(&entry.path);
    let kind = builder.create_string(kind(entry.kind));
    let link = builder.create_string(&entry.link);
    let no_name = builder.create_string("");
    let time = builder.create_string(&time(entry.mtime));
    let (user, group) = entry.owner;
    table(builder, |file| {
        file.push_slot_always(field(0), name);
        file.push_slot_always(field(1), kind);
        file.push_slot(field(2), length(offset), 0);
        file.push_slot(field(3), length(entry.content.len()), 0);
        file.push_slot_always(field(4), link);
        file.push_slot(field(5), i64::from(entry.mode), 0);
        file.push_slot(field(6), u32::try_from(user).expect("a user is small"), 0);
        file.push_slot(field(7), u32::try_from(group).expect("a group is small"), 0);
        file.push_slot_always(field(8), no_name);
        file.push_slot_always(field(9), no_name);
        file.push_slot_always(field(10), time);
        file.push_slot(field(11), i64::from(entry.device.0), 0);
        file.push_slot(field(12), i64::from(entry.device.1), 0);
    })
}

/// The checkpoints at which decompression can start. The start of every stored block qualifies.
fn compression(builder: &mut FlatBufferBuilder<'_>, archive: &[u8], blob: &[u8]) -> Table {
    const GZIP: i8 = 1;
    const WINDOW: usize = 32_768;
    const BLOCKS: usize = SPAN / DEFLATE_BLOCK;
    let spans = archive.len().div_ceil(SPAN).max(1);
    let compressed = |span: usize| GZIP_HEADER.len() + span * BLOCKS * (DEFLATE_BLOCK_HEADER + DEFLATE_BLOCK);
    let mut checkpoints = u32::try_from(spans).expect("there are few").to_le_bytes().to_vec();
    checkpoints.extend(length(SPAN).to_le_bytes());
    let mut digests = Vec::new();
    for span in 0..spans {
        let start = span * SPAN;
        checkpoints.extend(length(compressed(span)).to_le_bytes());
        checkpoints.extend(length(start).to_le_bytes());
        // Stored blocks start at a byte boundary: no bits of the previous byte.
        checkpoints.push(0);
        let window = &archive[start.saturating_sub(WINDOW)..start];
        checkpoints.extend(vec![0; WINDOW - window.len()]);
        checkpoints.extend(window);
        let end = if span + 1 == spans { blob.len() } else { compressed(span + 1) };
        digests.push(builder.create_string(&sha256(&blob[compressed(span)..end])));
    }
    let digests = builder.create_vector(&digests);
    let checkpoints = builder.create_vector(&checkpoints);
    table(builder, |info| {
        info.push_slot_always(field(0), GZIP);
        info.push_slot(field(1), i32::try_from(spans - 1).expect("there are few"), 0);
        info.push_slot_always(field(2), digests);
        info.push_slot_always(field(3), checkpoints);
    })
}

fn table(builder: &mut FlatBufferBuilder<'_>, fill: impl FnOnce(&mut FlatBufferBuilder<'_>)) -> Table {
    let table = builder.start_table();
    fill(builder);
    builder.end_table(table)
}

/// The vtable offset of the nth field.
fn field(number: VOffsetT) -> VOffsetT {
    4 + 2 * number
}

fn length(length: usize) -> i64 {
    i64::try_from(length).expect("a layer is small")
}
