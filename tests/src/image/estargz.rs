//! eStargz layers, for the stargz snapshotter: gzip with a table of contents (TOC), which allows reads of single files.

use super::layer::{Compression, END_OF_ARCHIVE, Entry, Layer, LayerBuilder};
use super::stored::{GZIP_HEADER, gzip_member};
use super::{sha256, toc};

/// The annotation with the digest of the TOC.
pub const TOC_DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";

/// The chunk size of stargz's own converter.
const CHUNK: usize = 4 << 20;

/// An eStargz layer with the annotation [`TOC_DIGEST`].
pub fn layer(entries: &[Entry]) -> Layer {
    let mut parts = toc::chunked(entries, CHUNK, &[], gzip_member);
    let offset = parts.blob.len();
    let table = LayerBuilder::default().entry(Entry::file("stargz.index.json", parts.toc.clone())).archive();
    assert!(table.ends_with(&END_OF_ARCHIVE));
    parts.blob.extend(gzip_member(&table));
    parts.archive.extend(table);
    parts.blob.extend(footer(offset));
    Layer::packed(&parts.archive, parts.blob, Compression::Gzip).annotation(TOC_DIGEST, sha256(&parts.toc))
}

/// An empty gzip member whose extra field has the offset of the TOC.
fn footer(offset: usize) -> Vec<u8> {
    let mut footer = GZIP_HEADER.to_vec();
    // FLG.FEXTRA
    footer[3] = 4;
    let position = format!("{offset:016x}STARGZ");
    let length = u16::try_from(position.len()).expect("it is short");
    footer.extend((length + 4).to_le_bytes());
    footer.extend(b"SG");
    footer.extend(length.to_le_bytes());
    footer.extend(position.bytes());
    // An empty stored block, checksum 0, size 0.
    footer.extend([1, 0, 0, 0xff, 0xff]);
    footer.extend([0; 8]);
    footer
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_layer_is_ordinary_gzip_and_its_footer_leads_to_the_table() {
        let big = vec![7; CHUNK + 1];
        let layer = layer(&[Entry::directory("d"), Entry::file("d/f", "content"), Entry::file("big", big)]);
        let blob = layer.blob();
        let mut archive = Vec::new();
        flate2::read::MultiGzDecoder::new(blob).read_to_end(&mut archive).expect("it is gzip");
        assert_eq!(layer.diff_id(), sha256(&archive));
        let mut names = Vec::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().expect("it is an archive") {
            names.push(entry.expect("it is an entry").path().expect("it has a path").display().to_string());
        }
        assert_eq!(names, ["d/", "d/f", "big", "stargz.index.json"]);

        let footer = &blob[blob.len() - 51..];
        let offset = std::str::from_utf8(&footer[16..32]).expect("it is text");
        let offset = usize::from_str_radix(offset, 16).expect("it is a number");
        let mut table = Vec::new();
        flate2::read::GzDecoder::new(&blob[offset..]).read_to_end(&mut table).expect("it is gzip");
        let start = 512;
        let length = table[start..].iter().position(|byte| *byte == 0).expect("it is padded");
        assert_eq!(layer.annotations()[TOC_DIGEST], sha256(&table[start..start + length]));
    }
}
