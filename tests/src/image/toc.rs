//! The table of contents (TOC) of eStargz and zstd:chunked, and the chunks that it describes.

use serde_json::{Value, json};

use super::layer::{Entry, Piece, pieces};
use super::sha256;

/// An archive in independently compressed parts.
pub(super) struct Chunked {
    /// The compressed parts.
    pub(super) blob: Vec<u8>,
    /// The uncompressed archive.
    pub(super) archive: Vec<u8>,
    /// The TOC, JSON.
    pub(super) toc: Vec<u8>,
}

/// Splits the archive of `entries` into parts and compresses each with `pack`. A part starts at a chunk of a file and extends
/// to the next chunk. The last part ends with `end`.
pub(super) fn chunked(
    entries: &[Entry],
    chunk_size: usize,
    end: &[u8],
    pack: fn(&[u8]) -> Vec<u8>,
) -> Chunked {
    let mut parts = Parts { blob: Vec::new(), archive: Vec::new(), part: Vec::new(), pack };
    let mut toc = Vec::new();
    for Piece { entry, head, padding } in pieces(entries) {
        parts.part.extend(head);
        let mut item = describe(entry);
        if entry.content.is_empty() {
            toc.push(item);
            continue;
        }
        item["size"] = json!(entry.content.len());
        item["digest"] = json!(sha256(&entry.content));
        let is_whole = entry.content.len() <= chunk_size;
        for (number, chunk) in entry.content.chunks(chunk_size).enumerate() {
            parts.close();
            if number > 0 {
                item = json!({ "name": item["name"], "type": "chunk", "chunkOffset": number * chunk_size });
            }
            item["offset"] = json!(parts.blob.len());
            item["chunkDigest"] = json!(sha256(chunk));
            if !is_whole && (number + 1) * chunk_size < entry.content.len() {
                item["chunkSize"] = json!(chunk.len());
            }
            toc.push(item.clone());
            parts.part.extend(chunk);
        }
        parts.part.extend(padding);
    }
    parts.part.extend(end);
    parts.close();
    let toc = json!({ "version": 1, "entries": toc }).to_string().into_bytes();
    Chunked { blob: parts.blob, archive: parts.archive, toc }
}

struct Parts {
    blob: Vec<u8>,
    archive: Vec<u8>,
    /// The part that is not complete yet.
    part: Vec<u8>,
    pack: fn(&[u8]) -> Vec<u8>,
}

impl Parts {
    fn close(&mut self) {
        if !self.part.is_empty() {
            self.blob.extend((self.pack)(&self.part));
            self.archive.append(&mut self.part);
        }
    }
}

fn describe(entry: &Entry) -> Value {
    let mut item = json!({
        "name": entry.path,
        "type": kind(entry.kind),
        "mode": entry.mode,
        "uid": entry.owner.0,
        "gid": entry.owner.1,
        "modtime": time(entry.mtime),
    });
    if !entry.link.is_empty() {
        item["linkName"] = json!(entry.link);
    }
    if entry.device != (0, 0) {
        (item["devMajor"], item["devMinor"]) = (json!(entry.device.0), json!(entry.device.1));
    }
    item
}

/// The type of an entry, as TOCs of all formats name it.
pub(super) fn kind(kind: tar::EntryType) -> &'static str {
    match kind {
        tar::EntryType::Directory => "dir",
        tar::EntryType::Symlink => "symlink",
        tar::EntryType::Link => "hardlink",
        tar::EntryType::Char => "char",
        tar::EntryType::Block => "block",
        tar::EntryType::Fifo => "fifo",
        _ => "reg",
    }
}

/// A time in RFC 3339 format.
pub(super) fn time((seconds, nanoseconds): (u64, u32)) -> String {
    let time = jiff::Timestamp::new(seconds.cast_signed(), nanoseconds.cast_signed());
    time.expect("the time is in range").to_string()
}
