//! Where the body of a response begins.

use http::header::CONTENT_RANGE;
use http::{HeaderMap, StatusCode};

use super::coding::Coding;

/// Where the body of a response begins in the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At the offset or before it: the first `skip` bytes are dropped.
    Here { skip: u64 },
    /// At the end of the blob: there are no bytes left.
    AtTheEnd,
    /// The server sends only whole blobs.
    OnlyAsAWhole,
    /// The response is not a part of the blob.
    Nowhere,
}

/// A request for the bytes of a blob from an offset on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Size of the whole blob.
    pub(super) size: u64,
    pub(super) offset: u64,
    /// Whether the request had a range.
    pub(super) is_range: bool,
}

impl Part {
    /// Where the body of a response begins.
    pub(super) fn start(self, status: StatusCode, headers: &HeaderMap) -> Start {
        let Self { size, offset, is_range } = self;
        match status.as_u16() {
            // A server may ignore ranges.
            200 => Start::Here { skip: offset },
            206 => match range_start(headers) {
                // The positions count compressed bytes.
                _ if is_range && Coding::of(headers) != Coding::None => Start::OnlyAsAWhole,
                Some(start) if start <= offset => Start::Here { skip: offset - start },
                _ if is_range => Start::OnlyAsAWhole,
                None => Start::Here { skip: offset },
                Some(_) => Start::Nowhere,
            },
            416 if is_range && offset >= size => Start::AtTheEnd,
            // Statuses with which servers and proxies reject a range.
            400 | 403 | 405 | 412 | 416 | 501 if is_range => Start::OnlyAsAWhole,
            _ => Start::Nowhere,
        }
    }
}

/// The first position of a `Content-Range` (RFC 9110, section 14.4).
pub(super) fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
    let (unit, range) = text.split_once(' ')?;
    let (start, _) = range.trim_start().split_once('-')?;
    unit.eq_ignore_ascii_case("bytes").then(|| start.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(range: &str) -> Option<HeaderMap> {
        Some(HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_str(range).ok()?)]))
    }

    fn start_of(text: &str) -> Option<u64> {
        range_start(&headers(text)?)
    }

    #[test]
    fn responses_begin_where_they_say() {
        use Start::{AtTheEnd, Here, Nowhere, OnlyAsAWhole};
        for (status, range, to_range, to_whole) in [
            (200, None, Here { skip: 4 }, Here { skip: 4 }),
            (206, Some("bytes 4-9/10"), Here { skip: 0 }, Here { skip: 0 }),
            (206, Some("bytes 0-9/10"), Here { skip: 4 }, Here { skip: 4 }),
            (206, Some("bytes 5-9/10"), OnlyAsAWhole, Nowhere),
            (206, Some("4-9/10"), OnlyAsAWhole, Here { skip: 4 }),
            (206, None, OnlyAsAWhole, Here { skip: 4 }),
            (400, None, OnlyAsAWhole, Nowhere),
            (403, None, OnlyAsAWhole, Nowhere),
            (405, None, OnlyAsAWhole, Nowhere),
            (412, None, OnlyAsAWhole, Nowhere),
            (416, Some("bytes */10"), OnlyAsAWhole, Nowhere),
            (501, None, OnlyAsAWhole, Nowhere),
            (404, None, Nowhere, Nowhere),
            (503, None, Nowhere, Nowhere),
        ] {
            let headers = range.map_or_else(HeaderMap::new, |range| headers(range).unwrap());
            let status = StatusCode::from_u16(status).unwrap();
            for (is_range, expected) in [(true, to_range), (false, to_whole)] {
                let part = Part { size: 10, offset: 4, is_range };
                assert_eq!(part.start(status, &headers), expected, "{status} {range:?} {is_range}");
            }
        }
        let at_the_end = Part { size: 10, offset: 10, is_range: true };
        assert_eq!(at_the_end.start(StatusCode::RANGE_NOT_SATISFIABLE, &HeaderMap::new()), AtTheEnd);
    }

    #[test]
    fn content_ranges_are_parsed() {
        for (text, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("Bytes 0-9/*", Some(0)),
            ("bytes */10", None),
            ("bytes -5/10", None),
            ("lines 5-9/10", None),
            ("5-9/10", None),
            ("bytes", None),
            ("bytes 99999999999999999999-1/2", None),
        ] {
            assert_eq!(start_of(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_ranges_do_not_panic(text in "(bytes)? ?[0-9*-]{0,25}/?[0-9*]{0,5}") {
            start_of(&text);
        }
    }
}
