use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use super::body::Body;
use super::exchange::{Call, Patience, Role};
use super::hosts::Capability;
use super::senders::Sender;
use super::server::Server;
use super::transport::Response;
use super::{RegistryClient, attempts, elsewhere, failure};
use crate::oci::{Descriptor, MediaKind, Reference};
use crate::ports::{BlobStream, FetchFailure, FetchFault};

/// Opens a blob or manifest at `offset`, at the first of the registry's servers that gives it.
///
/// A layer may have other places. Those of a layer that is usually not in the registry are asked first, and
/// those of any other last; wherever it is found, a dead place in front does not matter.
pub(super) async fn open(
    client: &RegistryClient,
    reference: &Reference,
    descriptor: &Descriptor,
    offset: u64,
) -> Result<BlobStream, FetchFailure> {
    let opening = Opening { client, reference, descriptor, offset };
    let places = elsewhere::calls(client, reference, descriptor);
    let mut failures = Vec::new();
    let elsewhere_first = elsewhere::is_foreign(descriptor);
    // Whoever is asked in vain where the layer usually is decides what that means.
    let mut decisive = None;
    if elsewhere_first {
        match opening.elsewhere(&places).await {
            Ok(stream) => return Ok(stream),
            Err(mut more) => failures.append(&mut more),
        }
        decisive = failures.len().checked_sub(1);
    }
    match opening.in_registry().await {
        Ok(stream) => return Ok(stream),
        Err(failure) => {
            decisive.get_or_insert(failures.len());
            failures.push(failure);
        }
    }
    if !elsewhere_first {
        match opening.elsewhere(&places).await {
            Ok(stream) => return Ok(stream),
            Err(mut more) => failures.append(&mut more),
        }
    }
    Err(attempts::of_all(failures, decisive))
}

struct Opening<'a> {
    client: &'a RegistryClient,
    reference: &'a Reference,
    descriptor: &'a Descriptor,
    offset: u64,
}

impl Opening<'_> {
    async fn in_registry(&self) -> Result<BlobStream, FetchFailure> {
        let digest = &self.descriptor.digest;
        let mut attempts = self.client.attempts(self.reference, &[Capability::Pull]).await?;
        while let Some((server, patience)) = attempts.next() {
            if server.was_wrong_about(digest) {
                let message =
                    format!("host `{}` has sent something else as this blob", server.endpoint().host());
                attempts.skipped(message);
                continue;
            }
            match self.at(&server, patience).await {
                Ok(stream) => {
                    self.client.senders.note(digest, Sender::Server(server), self.offset);
                    return Ok(stream);
                }
                Err(failure) => attempts.failed(&server, failure),
            }
        }
        Err(attempts.into_failure())
    }

    async fn at(&self, server: &Arc<Server>, patience: Patience) -> Result<BlobStream, FetchFailure> {
        let (endpoint, repository) = (server.endpoint(), self.reference.path());
        let digest = self.descriptor.digest.as_str();
        let blob = endpoint.blob(repository, digest)?;
        match self.descriptor.media_type.kind() {
            MediaKind::Index | MediaKind::Manifest | MediaKind::Schema1 => {
                let manifest = endpoint.manifest(repository, digest)?;
                let (call, response) = self.ask(server, patience, manifest).await?;
                if response.status() == StatusCode::NOT_FOUND {
                    // Some registries keep as a mere blob what a tool has pushed as one.
                    let (call, response) = self.ask(server, patience, blob).await?;
                    if response.status() != StatusCode::NOT_FOUND {
                        return self.begin(server, call, response).await;
                    }
                }
                self.begin(server, call, response).await
            }
            MediaKind::ImageConfig | MediaKind::Layer | MediaKind::Other => {
                let (call, response) = self.ask(server, patience, blob).await?;
                self.begin(server, call, response).await
            }
        }
    }

    /// The layer from one of its other places, or what each of them said.
    async fn elsewhere(&self, places: &[Call]) -> Result<BlobStream, Vec<FetchFailure>> {
        let mut failures = Vec::new();
        if places.is_empty() {
            return Err(failures);
        }
        let exchange = elsewhere::exchange(self.client, self.reference).map_err(|failure| vec![failure])?;
        let (senders, digest) = (&self.client.senders, &self.descriptor.digest);
        for call in places {
            if senders.was_wrong(digest, &call.url) {
                let message =
                    format!("`{}` has sent something else as this blob", failure::display(&call.url));
                failures.push(attempts::not_asked(message));
                continue;
            }
            let mut call = call.clone();
            self.complete(&mut call);
            let response = match exchange.send(&call).await {
                Ok(response) => response,
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            };
            match start(&call, &response, self.offset) {
                Ok(Some(start)) => {
                    senders.note(digest, Sender::Place(call.url.clone()), self.offset);
                    return Ok(self.stream(None, call, response, &start));
                }
                Ok(None) => failures.push(failure::of_status(&call, response).await),
                Err(failure) => failures.push(failure),
            }
        }
        Err(failures)
    }

    async fn ask(
        &self,
        server: &Server,
        patience: Patience,
        url: Url,
    ) -> Result<(Call, Response), FetchFailure> {
        let mut call = Call::new(Role::Registry, Method::GET, url);
        call.patience = patience;
        self.complete(&mut call);
        let response = server.send(self.reference.path(), &mut call).await?;
        Ok((call, response))
    }

    /// Adds what a request for stored bytes needs, from the offset on.
    fn complete(&self, call: &mut Call) {
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
    }

    async fn begin(
        &self,
        server: &Arc<Server>,
        call: Call,
        response: Response,
    ) -> Result<BlobStream, FetchFailure> {
        if let Some(start) = start(&call, &response, self.offset)? {
            return Ok(self.stream(Some(Arc::clone(server)), call, response, &start));
        }
        let mut failure = server.failure(&call, response).await;
        if failure.fault == FetchFault::NotFound {
            failure.hint = Some("the image is incomplete in the registry: push it again".to_owned());
        }
        Err(failure)
    }

    fn stream(
        &self,
        server: Option<Arc<Server>>,
        call: Call,
        response: Response,
        start: &Start,
    ) -> BlobStream {
        let Start::Here { skip } = *start else { return Box::pin(stream::empty()) };
        let expected = self.descriptor.size.saturating_sub(self.offset);
        let url = response.url().clone();
        let source = Source { server, call, url, body: response.into_body(), skip, expected };
        Box::pin(stream::try_unfold(source, |mut source| async move {
            let next = source.next().await?;
            Ok(next.map(|bytes| (bytes, source)))
        }))
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
fn start(call: &Call, response: &Response, offset: u64) -> Result<Option<Start>, FetchFailure> {
    match response.status() {
        // A server need not know about ranges.
        StatusCode::OK => Ok(Some(Start::Here { skip: offset })),
        StatusCode::PARTIAL_CONTENT => match range_start(response.headers()) {
            Some(start) if start == offset => Ok(Some(Start::Here { skip: 0 })),
            _ => Err(failure::of_content(call, &format!("sent another range than the one from {offset}"))),
        },
        // The blob ends here, whether or not that is where it should end.
        StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => Ok(Some(Start::AtTheEnd)),
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
    /// The server of the registry that sends, which should hear of it when it stops too early.
    server: Option<Arc<Server>>,
    call: Call,
    url: Url,
    body: Body,
    skip: u64,
    /// Bytes that are still to come.
    expected: u64,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchFailure> {
        loop {
            let mut bytes = match self.body.chunk().await {
                Ok(Some(bytes)) => bytes,
                Ok(None) => {
                    if self.expected > 0 {
                        self.note(&failure::of_protocol(&self.call, "ended too early"));
                    }
                    return Ok(None);
                }
                Err(error) => {
                    let failure = failure::of_transport(&self.call, &self.url, error);
                    self.note(&failure);
                    return Err(failure);
                }
            };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            let rest = bytes.split_off(skipped);
            if !rest.is_empty() {
                self.expected = self.expected.saturating_sub(rest.len() as u64);
                return Ok(Some(rest));
            }
        }
    }

    /// Whoever opens the rest should ask another server first.
    fn note(&self, failure: &FetchFailure) {
        if let Some(server) = &self.server {
            server.note(failure);
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
