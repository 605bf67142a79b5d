use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use super::body::Body;
use super::endpoint::Endpoint;
use super::exchange::{Call, Role};
use super::transport::Response;
use super::{RegistryClient, failure};
use crate::oci::{Descriptor, MediaKind, Reference};
use crate::ports::{BlobStream, FetchFailure, FetchFault};

/// Opens a blob or manifest at `offset`.
pub(super) async fn open(
    client: &RegistryClient,
    reference: &Reference,
    descriptor: &Descriptor,
    offset: u64,
) -> Result<BlobStream, FetchFailure> {
    let endpoint = client.endpoint(reference);
    let (repository, digest) = (reference.path(), descriptor.digest.as_str());
    let opening = Opening { client, endpoint: &endpoint, repository, descriptor, offset };
    let blob = endpoint.blob(repository, digest)?;
    match descriptor.media_type.kind() {
        MediaKind::Index | MediaKind::Manifest | MediaKind::Schema1 => {
            let manifest = endpoint.manifest(repository, digest)?;
            let (call, response) = opening.ask(manifest).await?;
            if response.status() == StatusCode::NOT_FOUND {
                // Some registries keep as a mere blob what a tool has pushed as one.
                let (call, response) = opening.ask(blob).await?;
                if response.status() != StatusCode::NOT_FOUND {
                    return opening.begin(call, response).await;
                }
            }
            opening.begin(call, response).await
        }
        MediaKind::ImageConfig | MediaKind::Layer | MediaKind::Other => {
            let (call, response) = opening.ask(blob).await?;
            opening.begin(call, response).await
        }
    }
}

struct Opening<'a> {
    client: &'a RegistryClient,
    endpoint: &'a Endpoint,
    repository: &'a str,
    descriptor: &'a Descriptor,
    offset: u64,
}

impl Opening<'_> {
    async fn ask(&self, url: Url) -> Result<(Call, Response), FetchFailure> {
        let mut call = Call::new(Role::Registry, Method::GET, url);
        // A media type comes from the image and may have characters that no header may have.
        let accept = HeaderValue::from_str(&format!("{}, */*", self.descriptor.media_type));
        call.headers.insert(ACCEPT, accept.unwrap_or(HeaderValue::from_static("*/*")));
        // Digests and ranges are about the bytes as they are stored.
        call.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if self.offset > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.offset))
        {
            call.headers.insert(RANGE, range);
        }
        let response = self.client.send(self.endpoint, self.repository, &call).await?;
        Ok((call, response))
    }

    async fn begin(&self, call: Call, response: Response) -> Result<BlobStream, FetchFailure> {
        match start(&call, &response, self.descriptor, self.offset)? {
            Some(Start::Here { skip }) => Ok(stream(call, response, skip)),
            Some(Start::AtTheEnd) => Ok(Box::pin(stream::empty())),
            None => {
                let mut failure = self.client.failure(self.endpoint, &call, response).await;
                if failure.fault == FetchFault::NotFound {
                    failure.hint = Some("the image is incomplete in the registry: push it again".to_owned());
                }
                Err(failure)
            }
        }
    }
}

/// Where the body of an answer begins.
enum Start {
    /// So many bytes before the offset.
    Here { skip: u64 },
    /// There is nothing left to send.
    AtTheEnd,
}

/// `None` if the answer is an error.
fn start(
    call: &Call,
    response: &Response,
    descriptor: &Descriptor,
    offset: u64,
) -> Result<Option<Start>, FetchFailure> {
    match response.status() {
        // A server need not know about ranges.
        StatusCode::OK => Ok(Some(Start::Here { skip: offset })),
        StatusCode::PARTIAL_CONTENT => match range_start(response.headers()) {
            Some(start) if start == offset => Ok(Some(Start::Here { skip: 0 })),
            _ => Err(failure::of_protocol(call, &format!("sent another range than the one from {offset}"))),
        },
        StatusCode::RANGE_NOT_SATISFIABLE if offset == descriptor.size => Ok(Some(Start::AtTheEnd)),
        _ => Ok(None),
    }
}

/// The first position of a `Content-Range` (RFC 9110, section 14.4).
pub(super) fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
    let (unit, range) = text.split_once(' ')?;
    let (start, _) = range.trim_start().split_once('-')?;
    unit.eq_ignore_ascii_case("bytes").then(|| start.parse().ok()).flatten()
}

struct Source {
    call: Call,
    url: Url,
    body: Body,
    skip: u64,
}

fn stream(call: Call, response: Response, skip: u64) -> BlobStream {
    let url = response.url().clone();
    let source = Source { call, url, body: response.into_body(), skip };
    Box::pin(stream::try_unfold(source, |mut source| async move {
        let next = source.next().await?;
        Ok(next.map(|bytes| (bytes, source)))
    }))
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchFailure> {
        loop {
            let chunk = self.body.chunk().await;
            let Some(mut bytes) =
                chunk.map_err(|error| failure::of_transport(&self.call, &self.url, error))?
            else {
                return Ok(None);
            };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            let rest = bytes.split_off(skipped);
            if !rest.is_empty() {
                return Ok(Some(rest));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn start_of(text: &str) -> Option<u64> {
        range_start(&HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_str(text).ok()?)]))
    }

    #[test]
    fn ranges() {
        for (text, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("Bytes 0-9/*", Some(0)),
            ("bytes */10", None),
            ("bytes -5/10", None),
            ("lines 5-9/10", None),
            ("bytes", None),
            ("bytes 99999999999999999999-1/2", None),
        ] {
            assert_eq!(start_of(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_range_can_make_it_panic(text in "(bytes)? ?[0-9*-]{0,25}/?[0-9*]{0,5}") {
            start_of(&text);
        }
    }
}
