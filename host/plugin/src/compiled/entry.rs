//! The format of an entry.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | the letters `drayaot` and a line end, which reveals a copy in text mode |
//! | 4 | version of the format, little endian |
//! | 32 | key |
//! | 8 | length of the code, little endian |
//! | 32 | HMAC-SHA-256 over the header above and the code |
//! | rest | the code |

use std::io;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Authentic;
use super::key::Key;

/// Bytes of the secret: the block size of the hash.
pub(super) const SECRET_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"drayaot\n";
const FORM: u32 = 1;
const TAG_BYTES: usize = 32;
const SIGNED_BYTES: usize = 8 + 4 + 32 + 8;

/// Why an entry is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    /// The file was not made by this program.
    #[error(transparent)]
    File(io::Error),
    /// The header is too short or differs.
    #[error("it does not start as an entry of this key does")]
    Header,
    /// The length differs from the header.
    #[error("it has more or fewer bytes than it says")]
    Length,
    /// The tag does not match the bytes.
    #[error("its bytes are not those that were written")]
    Tag,
    /// The engine does not accept it.
    #[error("the engine does not accept it")]
    Engine(wasmtime::Error),
}

/// The header of an entry for some code. The code follows unchanged.
pub(super) fn seal(key: &Key, code: &[u8], secret: &[u8; SECRET_BYTES]) -> Vec<u8> {
    let mut header = header(key, code.len()).to_vec();
    let tag = mac(&header, code, secret).finalize().into_bytes();
    header.extend_from_slice(&tag);
    header
}

/// The code of an entry, if all checks pass.
pub(super) fn open<'a>(
    entry: &'a [u8],
    key: &Key,
    secret: &[u8; SECRET_BYTES],
) -> Result<Authentic<'a>, EntryError> {
    let (signed, rest) = entry.split_at_checked(SIGNED_BYTES).ok_or(EntryError::Header)?;
    let (tag, code) = rest.split_at_checked(TAG_BYTES).ok_or(EntryError::Header)?;
    let expected = header(key, code.len());
    // The length comes last. The bytes before it say what the entry is for.
    let length = SIGNED_BYTES - 8;
    if signed[..length] != expected[..length] {
        return Err(EntryError::Header);
    }
    if signed[length..] != expected[length..] {
        return Err(EntryError::Length);
    }
    mac(signed, code, secret).verify_slice(tag).map_err(|_| EntryError::Tag)?;
    Ok(Authentic(code))
}

fn header(key: &Key, length: usize) -> [u8; SIGNED_BYTES] {
    let mut header = [0; SIGNED_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&FORM.to_le_bytes());
    header[12..44].copy_from_slice(key.as_bytes());
    header[44..].copy_from_slice(&(length as u64).to_le_bytes());
    header
}

fn mac(signed: &[u8], code: &[u8], secret: &[u8; SECRET_BYTES]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new(secret.into()).chain_update(signed).chain_update(code)
}
