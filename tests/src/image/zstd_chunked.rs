//! zstd:chunked layers, which the stargz snapshotter reads too: zstd with the table of contents (TOC) of eStargz.

use super::estargz::TOC_DIGEST;
use super::layer::{Compression, END_OF_ARCHIVE, Entry, Layer};
use super::stored::{zstd_frame, zstd_skippable};
use super::{sha256, toc};

/// The annotation with which Podman verifies the TOC. containerd does not pass it on to snapshotters.
pub const PODMAN_CHECKSUM: &str = "io.containers.zstd-chunked.manifest-checksum";
const PODMAN_POSITION: &str = "io.containers.zstd-chunked.manifest-position";

const CHUNK: usize = 4 << 20;

/// A zstd:chunked layer with the annotations for stargz and for Podman.
pub fn layer(entries: &[Entry]) -> Layer {
    let mut parts = toc::chunked(entries, CHUNK, &END_OF_ARCHIVE, zstd_frame);
    let table = zstd_frame(&parts.toc);
    // After the magic number and the length of the skippable frame.
    let offset = parts.blob.len() + 8;
    parts.blob.extend(zstd_skippable(&table));
    let numbers = [offset, table.len(), parts.toc.len(), 1];
    let mut footer: Vec<u8> = numbers.iter().flat_map(|number| (*number as u64).to_le_bytes()).collect();
    footer.extend(b"GnUlInUx");
    parts.blob.extend(zstd_skippable(&footer));
    let [offset, length, size, kind] = numbers;
    Layer::packed(&parts.archive, parts.blob, Compression::Zstd)
        .annotation(TOC_DIGEST, sha256(&parts.toc))
        .annotation(PODMAN_CHECKSUM, sha256(&table))
        .annotation(PODMAN_POSITION, format!("{offset}:{length}:{size}:{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_position_leads_to_the_table() {
        let layer = layer(&[Entry::directory("d"), Entry::file("d/f", "content")]);
        let position: Vec<usize> =
            layer.annotations()[PODMAN_POSITION].split(':').map(|n| n.parse().expect("a number")).collect();
        let table = &layer.blob()[position[0]..][..position[1]];
        assert_eq!(layer.annotations()[PODMAN_CHECKSUM], sha256(table));
        assert_eq!(layer.annotations()[TOC_DIGEST], sha256(&table[table.len() - position[2]..]));
        assert!(layer.blob().ends_with(b"GnUlInUx"));
    }
}
