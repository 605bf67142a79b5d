//! Layers: archives of changes, compressed.

use std::io::{self, Write as _};

use flate2::write::GzEncoder;

use super::sha256;

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
    path: String,
    kind: tar::EntryType,
    link: String,
    content: Vec<u8>,
    mode: u32,
    owner: (u64, u64),
    device: (u32, u32),
    mtime: (u64, u32),
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
}

impl Layer {
    /// Starts an empty layer.
    pub fn builder() -> LayerBuilder {
        LayerBuilder::default()
    }

    /// A layer of any bytes, which need not be an archive.
    pub fn from_archive(archive: &[u8], compression: Compression) -> Self {
        Self { compression, diff_id: sha256(archive), blob: compress(archive, compression) }
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
        Compression::Zstd => stored_zstd(archive),
    }
}

/// A zstd frame of uncompressed blocks (RFC 8878, section 3.1.1).
fn stored_zstd(content: &[u8]) -> Vec<u8> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    // A single segment, so there is no window field. The content size has 8 bytes. No checksum, no dictionary.
    const DESCRIPTOR: u8 = 0b1110_0000;
    const BLOCK: usize = 128 * 1024;
    let mut frame = MAGIC.to_vec();
    frame.push(DESCRIPTOR);
    frame.extend((content.len() as u64).to_le_bytes());
    let mut blocks = content.chunks(BLOCK).peekable();
    loop {
        let block = blocks.next().unwrap_or_default();
        let is_last = blocks.peek().is_none();
        let size = u32::try_from(block.len()).expect("a block is short");
        // Bit 0 marks the last block, bits 1 and 2 its type: raw.
        frame.extend(&(size << 3 | u32::from(is_last)).to_le_bytes()[..3]);
        frame.extend(block);
        if is_last {
            return frame;
        }
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

    #[test]
    fn a_zstd_frame_has_all_blocks() {
        let content = vec![7; 300 * 1024];
        let frame = stored_zstd(&content);
        assert_eq!(frame.len(), 4 + 1 + 8 + 3 * 3 + content.len());
        assert_eq!(stored_zstd(&[]).len(), 4 + 1 + 8 + 3);
    }
}
