//! gzip and zstd without compression: all blocks are stored, so the bytes do not depend on a compressor.

/// The header of a gzip member: no name, no time, unknown operating system.
pub(super) const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// The largest content of a stored deflate block.
pub(super) const DEFLATE_BLOCK: usize = 65_535;

/// The size of the header of a stored deflate block: type, length, and the complement of the length.
pub(super) const DEFLATE_BLOCK_HEADER: usize = 5;

/// A gzip member of stored blocks (RFC 1951, section 3.2.4; RFC 1952, section 2.3).
pub(super) fn gzip_member(content: &[u8]) -> Vec<u8> {
    let mut member = GZIP_HEADER.to_vec();
    let mut blocks = content.chunks(DEFLATE_BLOCK).peekable();
    loop {
        let block = blocks.next().unwrap_or_default();
        let is_last = blocks.peek().is_none();
        let length = u16::try_from(block.len()).expect("a block is short");
        member.push(u8::from(is_last));
        member.extend(length.to_le_bytes());
        member.extend((!length).to_le_bytes());
        member.extend(block);
        if is_last {
            break;
        }
    }
    let mut crc = flate2::Crc::new();
    crc.update(content);
    member.extend(crc.sum().to_le_bytes());
    member.extend(crc.amount().to_le_bytes());
    member
}

/// A zstd frame of uncompressed blocks (RFC 8878, section 3.1.1).
pub(super) fn zstd_frame(content: &[u8]) -> Vec<u8> {
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

/// A skippable zstd frame (RFC 8878, section 3.1.2).
pub(super) fn zstd_skippable(content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x50, 0x2a, 0x4d, 0x18];
    frame.extend(u32::try_from(content.len()).expect("a frame is short").to_le_bytes());
    frame.extend(content);
    frame
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_gzip_member_reads_back() {
        for length in [0, 1, DEFLATE_BLOCK, 3 * DEFLATE_BLOCK + 1] {
            let content = vec![7; length];
            let mut read = Vec::new();
            let member = gzip_member(&content);
            flate2::read::GzDecoder::new(member.as_slice()).read_to_end(&mut read).expect("it is gzip");
            assert_eq!(read, content);
        }
    }

    #[test]
    fn a_zstd_frame_has_all_blocks() {
        let content = vec![7; 300 * 1024];
        let frame = zstd_frame(&content);
        assert_eq!(frame.len(), 4 + 1 + 8 + 3 * 3 + content.len());
        assert_eq!(zstd_frame(&[]).len(), 4 + 1 + 8 + 3);
    }
}
