//! Compressed responses. The client asks for none, but some servers and proxies compress all the same.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// The content coding of a body (RFC 9110, section 8.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// The bytes are sent as they are stored.
    None,
    /// gzip, which reading the body undoes.
    Gzip,
    /// A coding that is not supported.
    Other(String),
}

impl Coding {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let fields = headers.get_all(CONTENT_ENCODING).iter();
        let names = fields.map(|field| String::from_utf8_lossy(field.as_bytes()).to_ascii_lowercase());
        let mut names: Vec<String> = names
            .flat_map(|field| field.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
            .collect();
        // S3 stores `aws-chunked`, which describes an upload, and returns it with the object.
        names.retain(|name| !matches!(name.as_str(), "" | "identity" | "aws-chunked"));
        match names.as_slice() {
            [] => Self::None,
            [name] if matches!(name.as_str(), "gzip" | "x-gzip") => Self::Gzip,
            _ => Self::Other(names.join(", ")),
        }
    }
}

/// Decompresses gzip piece by piece.
pub(super) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Received bytes that are still compressed.
    input: Bytes,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), input: Bytes::new() }
    }

    /// Takes the next compressed bytes, once [`Gunzip::output`] returns no more.
    pub(super) fn input(&mut self, input: Bytes) {
        self.input = input;
    }

    /// The next decompressed bytes, as long as the input yields any.
    pub(super) fn output(&mut self) -> io::Result<Option<Bytes>> {
        // gzip makes at most 4 MiB of this input.
        const PIECE: usize = 4096;
        while !self.input.is_empty() {
            let piece = self.input.split_to(PIECE.min(self.input.len()));
            self.decoder.write_all(&piece)?;
            let output = std::mem::take(self.decoder.get_mut());
            if !output.is_empty() {
                return Ok(Some(output.into()));
            }
        }
        Ok(None)
    }

    /// The last bytes. Fails if the compressed stream is truncated.
    pub(super) fn end(&mut self) -> io::Result<Bytes> {
        self.decoder.try_finish()?;
        Ok(std::mem::take(self.decoder.get_mut()).into())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// Decompresses pieces. Returns the result and the length of its longest piece.
    fn undo(pieces: &[&[u8]]) -> io::Result<(Vec<u8>, usize)> {
        let (mut gunzip, mut all, mut longest) = (Gunzip::new(), Vec::new(), 0);
        for piece in pieces {
            gunzip.input(Bytes::copy_from_slice(piece));
            while let Some(output) = gunzip.output()? {
                longest = longest.max(output.len());
                all.extend_from_slice(&output);
            }
        }
        all.extend_from_slice(&gunzip.end()?);
        Ok((all, longest))
    }

    #[test]
    fn content_codings_are_recognised() {
        let other = |name: &str| Coding::Other(name.to_owned());
        for (fields, expected) in [
            (&[][..], Coding::None),
            (&["identity"], Coding::None),
            (&["", "aws-chunked"], Coding::None),
            (&["gzip"], Coding::Gzip),
            (&["aws-chunked, X-GZip"], Coding::Gzip),
            (&["gzip", "gzip"], other("gzip, gzip")),
            (&["br"], other("br")),
            (&["gzip, zstd"], other("gzip, zstd")),
        ] {
            let headers = fields.iter().map(|field| (CONTENT_ENCODING, HeaderValue::from_static(field)));
            assert_eq!(Coding::of(&headers.collect()), expected, "{fields:?}");
        }
    }

    #[test]
    fn truncated_and_invalid_gzip_is_an_error() {
        let whole = gzip(b"hello");
        assert_eq!(undo(&[&whole[..7], &whole[7..]]).unwrap().0, b"hello");
        assert_eq!(undo(&[&whole, &whole]).unwrap().0, b"hellohello", "of several members");
        assert!(undo(&[&whole[..whole.len() - 1]]).is_err());
        assert!(undo(&[b"{}"]).is_err());
        assert!(undo(&[]).is_err());
    }

    #[test]
    fn a_bomb_comes_in_pieces() {
        let (all, longest) = undo(&[&gzip(&vec![0; 64 << 20])]).unwrap();
        assert_eq!(all.len(), 64 << 20);
        assert!(longest <= 5 << 20, "{longest}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..200) {
            let _ = undo(&[&bytes]);
            let mut broken = gzip(&bytes);
            let at = at % broken.len();
            broken[at] ^= 1;
            let _ = undo(&[&broken[..at], &broken[at..]]);
        }
    }
}
