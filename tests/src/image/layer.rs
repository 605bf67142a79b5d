//! Layers: archives of changes, compressed.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use flate2::write::GzEncoder;

use super::{sha256, stored};

/// The compression of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    #[default]
    Gzip,
    /// A zstd frame of uncompressed blocks: every zstd reader accepts it, and no compressor is needed.
    Zstd,
}

/// One entry of a layer's archive.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(super) path: String,
    pub(super) kind: tar::EntryType,
    pub(super) link: String,
    pub(super) content: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
    pub(super) device: (u32, u32),
    pub(super) mtime: (u64, u32),
    xattrs: Vec<(String, Vec<u8>)>,
}

impl Entry {
    fn new(path: &str, kind: tar::EntryType, mode: u32) -> Self {
        Self {
            path: path.to_owned(),
            kind,
            link: String::new(),
            content: Vec::new(),
            mode,
            owner: (0, 0),
            device: (0, 0),
            // A fixed day in the past, so that times made up by an unpacker are noticed.
            mtime: (1_500_000_000, 0),
            xattrs: Vec::new(),
        }
    }

    /// A file. Its path is used as given, even an absolute one or one with `..`.
    pub fn file(path: &str, content: impl Into<Vec<u8>>) -> Self {
        Self { content: content.into(), ..Self::new(path, tar::EntryType::Regular, 0o644) }
    }

    /// A directory.
    pub fn directory(path: &str) -> Self {
        Self::new(&format!("{}/", path.trim_end_matches('/')), tar::EntryType::Directory, 0o755)
    }

    /// A symbolic link.
    pub fn symlink(path: &str, target: &str) -> Self {
        Self { link: target.to_owned(), ..Self::new(path, tar::EntryType::Symlink, 0o777) }
    }

    /// A hard link to a file earlier in the archive.
    pub fn hard_link(path: &str, target: &str) -> Self {
        Self { link: target.to_owned(), ..Self::new(path, tar::EntryType::Link, 0o644) }
    }

    /// A character device.
    pub fn character_device(path: &str, major: u32, minor: u32) -> Self {
        Self { device: (major, minor), ..Self::new(path, tar::EntryType::Char, 0o600) }
    }

    /// A named pipe.
    pub fn fifo(path: &str) -> Self {
        Self::new(path, tar::EntryType::Fifo, 0o600)
    }

    /// A whiteout: removes a path of the layers below.
    pub fn whiteout(path: &str) -> Self {
        let (directory, name) =
            path.rsplit_once('/').map_or(("", path), |(directory, name)| (directory, name));
        let separator = if directory.is_empty() { "" } else { "/" };
        Self::file(&format!("{directory}{separator}.wh.{name}"), "")
    }

    /// An opaque whiteout: removes everything that the layers below have in a directory.
    pub fn opaque(directory: &str) -> Self {
        Self::file(&format!("{}/.wh..wh..opq", directory.trim_end_matches('/')), "")
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// Sets user and group.
    #[must_use]
    pub fn owner(self, user: u64, group: u64) -> Self {
        Self { owner: (user, group), ..self }
    }

    /// Sets the time of the last change.
    #[must_use]
    pub fn mtime(self, seconds: u64, nanoseconds: u32) -> Self {
        Self { mtime: (seconds, nanoseconds), ..self }
    }

    /// Adds an extended attribute.
    #[must_use]
    pub fn xattr(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.xattrs.push((name.to_owned(), value.into()));
        self
    }

    fn write(&self, archive: &mut tar::Builder<Vec<u8>>) -> io::Result<()> {
        const NAME_FIELD: usize = 100;
        let (seconds, nanoseconds) = self.mtime;
        let mut records: Vec<(String, Vec<u8>)> = Vec::new();
        if self.path.len() > NAME_FIELD {
            records.push(("path".into(), self.path.clone().into()));
        }
        if self.link.len() > NAME_FIELD {
            records.push(("linkpath".into(), self.link.clone().into()));
        }
        if nanoseconds != 0 {
            records.push(("mtime".into(), format!("{seconds}.{nanoseconds:09}").into()));
        }
        records
            .extend(self.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone())));
        if !records.is_empty() {
            archive
                .append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), value.as_slice())))?;
        }

        let mut header = tar::Header::new_ustar();
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(seconds);
        header.set_size(self.content.len() as u64);
        header.set_device_major(self.device.0)?;
        header.set_device_minor(self.device.1)?;
        // Set as bytes, because the setters for paths refuse the paths of a hostile archive.
        let fields = header.as_old_mut();
        fill(&mut fields.name, &self.path);
        fill(&mut fields.linkname, &self.link);
        header.set_cksum();
        archive.append(&header, self.content.as_slice())
    }
}

fn fill(field: &mut [u8; 100], text: &str) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text.as_bytes()[..length]);
}

/// A layer, uncompressed and compressed.
#[derive(Clone, Debug)]
pub struct Layer {
    compression: Compression,
    diff_id: String,
    blob: Vec<u8>,
    media_type: Option<&'static str>,
    annotations: BTreeMap<String, String>,
}

impl Layer {
    /// Starts an empty layer.
    pub fn builder() -> LayerBuilder {
        LayerBuilder::default()
    }

    /// A layer of any bytes, which need not be an archive.
    pub fn from_archive(archive: &[u8], compression: Compression) -> Self {
        Self::packed(archive, compress(archive, compression), compression)
    }

    /// A layer whose compressed form is already made.
    pub(super) fn packed(archive: &[u8], blob: Vec<u8>, compression: Compression) -> Self {
        let annotations = BTreeMap::new();
        Self { compression, diff_id: sha256(archive), blob, media_type: None, annotations }
    }

    /// Sets an annotation of its descriptor.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: impl Into<String>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    /// Removes an annotation of its descriptor.
    #[must_use]
    pub fn without_annotation(mut self, key: &str) -> Self {
        self.annotations.remove(key);
        self
    }

    /// Sets its media type, which otherwise follows from flavour and compression.
    #[must_use]
    pub(super) fn of_type(self, media_type: &'static str) -> Self {
        Self { media_type: Some(media_type), ..self }
    }

    /// Changes the compressed bytes but not the diff id.
    #[must_use]
    pub fn alter_blob(self, alter: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        Self { blob: alter(self.blob), ..self }
    }

    /// Its compression.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The annotations of its descriptor.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// Its media type, if that does not follow from flavour and compression.
    pub(super) fn media_type(&self) -> Option<&'static str> {
        self.media_type
    }

    /// The compressed bytes.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The digest of the uncompressed archive.
    pub fn diff_id(&self) -> String {
        self.diff_id.clone()
    }

    /// The compressed bytes.
    pub fn into_blob(self) -> Vec<u8> {
        self.blob
    }
}

/// Builds a [`Layer`].
#[derive(Clone, Debug, Default)]
pub struct LayerBuilder {
    entries: Vec<Entry>,
}

impl LayerBuilder {
    /// Adds an entry without its parent directories.
    #[must_use]
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Adds entries.
    #[must_use]
    pub fn entries(mut self, entries: impl IntoIterator<Item = Entry>) -> Self {
        self.entries.extend(entries);
        self
    }

    /// The uncompressed archive.
    pub fn archive(&self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for entry in &self.entries {
            entry.write(&mut archive).expect("a vector takes bytes");
        }
        archive.into_inner().expect("a vector takes bytes")
    }

    /// The layer.
    pub fn build(&self, compression: Compression) -> Layer {
        Layer::from_archive(&self.archive(), compression)
    }
}

/// The bytes of an entry in an archive: `head`, the content, `padding`.
pub(super) struct Piece<'a> {
    pub(super) entry: &'a Entry,
    /// Its header blocks, extended headers included.
    pub(super) head: Vec<u8>,
    /// Zeros after the content, up to a whole block.
    pub(super) padding: Vec<u8>,
}

/// The end of an archive: two blocks of zeros.
pub(super) const END_OF_ARCHIVE: [u8; 1024] = [0; 1024];

/// The bytes of all entries in an archive.
pub(super) fn pieces(entries: &[Entry]) -> Vec<Piece<'_>> {
    const BLOCK: usize = 512;
    let mut archive = tar::Builder::new(Vec::new());
    let mut start = 0;
    let mut pieces = Vec::new();
    for entry in entries {
        entry.write(&mut archive).expect("a vector takes bytes");
        let written = &archive.get_ref()[start..];
        let content = entry.content.len();
        let head = written.len() - content.next_multiple_of(BLOCK);
        let (head, rest) = written.split_at(head);
        pieces.push(Piece { entry, head: head.to_vec(), padding: rest[content..].to_vec() });
        start = archive.get_ref().len();
    }
    pieces
}

/// An archive compressed in several gzip members, as if several tools had appended to it.
pub fn in_members(archive: &[u8], members: usize) -> Vec<u8> {
    let part = archive.len().div_ceil(members).max(1);
    archive.chunks(part).flat_map(|part| compress(part, Compression::Gzip)).collect()
}

fn compress(archive: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => archive.to_vec(),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(archive).expect("a vector takes bytes");
            encoder.finish().expect("a vector takes bytes")
        }
        Compression::Zstd => stored::zstd_frame(archive),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn an_archive_reads_back_as_it_was_written() {
        let long = "d/".repeat(60) + "name";
        let archive = Layer::builder()
            .entry(Entry::directory("d").mode(0o1777))
            .entry(Entry::file(&long, "content").owner(5, 6).mtime(7, 8).xattr("user.key", "value"))
            .entry(Entry::symlink("l", "/target"))
            .entry(Entry::opaque("d"))
            .entry(Entry::whiteout("gone"))
            .archive();
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().expect("it is an archive") {
            let mut entry = entry.expect("it is an entry");
            let mut content = String::new();
            entry.read_to_string(&mut content).expect("it is text");
            let records = entry.pax_extensions().expect("records are readable");
            let records: Vec<String> = records
                .into_iter()
                .flatten()
                .map(|record| record.expect("it is a record"))
                .map(|record| format!("{}={}", record.key().unwrap_or("?"), record.value().unwrap_or("?")))
                .filter(|record| !record.starts_with("path="))
                .collect();
            let path = entry.path().expect("it has a path").display().to_string();
            seen.push(format!("{path} {content} {}", records.join(" ")).trim_end().to_owned());
        }
        let file = format!("{long} content mtime=7.000000008 SCHILY.xattr.user.key=value");
        assert_eq!(seen, ["d/", &file, "l", "d/.wh..wh..opq", ".wh.gone"]);
    }
}
