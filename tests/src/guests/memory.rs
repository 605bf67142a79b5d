//! Linear memory with a fixed layout.

use std::fmt::Write as _;

/// Address of the first answer. The bytes below stay unused, so that address zero is never valid.
pub(super) const BASE: u32 = 1024;

/// Address of the guest's heap.
pub(super) const HEAP: u32 = 1024 * 1024;

/// Initial pages of memory: enough for answers and for the arguments of any test.
pub(super) const PAGES: u32 = 48;

/// The answers of a guest, in the layout of the canonical ABI.
#[derive(Clone, Default)]
pub(super) struct Memory {
    bytes: Vec<u8>,
}

impl Memory {
    /// Stores bytes and returns their address, a multiple of eight.
    pub(super) fn place(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = BASE + u32::try_from(self.bytes.len()).expect("tests are small");
        self.bytes.extend_from_slice(bytes);
        assert!(BASE as usize + self.bytes.len() < HEAP as usize, "the answers run into the heap");
        at
    }

    /// A string: address and length.
    pub(super) fn text(&mut self, text: &str) -> [u8; 8] {
        let at = self.place(text.as_bytes());
        pair(at, text.len())
    }

    /// A list of items that have been laid out: address and length.
    pub(super) fn list(&mut self, items: &[Vec<u8>]) -> [u8; 8] {
        let at = self.place(&items.concat());
        pair(at, items.len())
    }

    /// The bytes as text of a data segment.
    pub(super) fn escaped(&self) -> String {
        let mut text = String::with_capacity(self.bytes.len() * 3);
        for byte in &self.bytes {
            let _ = write!(text, "\\{byte:02x}");
        }
        text
    }
}

/// Address and length.
pub(super) fn pair(at: u32, length: usize) -> [u8; 8] {
    let mut pair = [0; 8];
    pair[..4].copy_from_slice(&at.to_le_bytes());
    pair[4..].copy_from_slice(&u32::try_from(length).expect("tests are small").to_le_bytes());
    pair
}
