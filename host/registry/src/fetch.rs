use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, RANGE};
use http::{HeaderValue, Method, StatusCode};
use url::Url;

use super::body::Body;
use super::call::{Call, Patience, Role};
use super::coding::Coding;
use super::display;
use super::exchange::Exchange;
use super::hosts::Capability;
use super::range::{Part, Start};
use super::senders::Sender;
use super::server::Server;
use super::transport::Response;
use super::{RegistryClient, attempts, failure, layer_urls};
use dray_core::oci::{Descriptor, MediaKind, Reference};
use dray_ports::{BlobStream, FetchFailure, FetchFault, FetchReason};

/// Opens a blob or manifest at `offset`, at the first server of the registry that provides it.
///
/// A layer may have URLs outside of the registry. Those of a foreign layer are asked before the registry, those of
/// any other layer after it. If one of them provides the layer, the failures of the others do not matter.
pub(super) async fn open(
    client: &RegistryClient,
    reference: &Reference,
    descriptor: &Descriptor,
    offset: u64,
) -> Result<BlobStream, FetchFailure> {
    let opening = Opening { client, reference, descriptor, offset };
    let places = layer_urls::calls(client, reference, descriptor);
    let mut failures = Vec::new();
    let urls_first = layer_urls::is_foreign(descriptor);
    // The failure at the layer's usual location decides.
    let mut decisive = None;
    if urls_first {
        match opening.at_urls(&places).await {
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
    if !urls_first {
        match opening.at_urls(&places).await {
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
        let call = |url| Call { patience, ..Call::new(Role::Registry, Method::GET, url) };
        let origin = Origin::Server(server);
        let blob = endpoint.blob(repository, digest)?;
        let answer = match self.descriptor.media_type.kind() {
            MediaKind::Index | MediaKind::Manifest | MediaKind::Schema1 => {
                let manifest = self.ask(origin, call(endpoint.manifest(repository, digest)?)).await?;
                if manifest.is_not_found() {
                    // Some registries store as a plain blob what was pushed as a manifest.
                    let blob = self.ask(origin, call(blob)).await?;
                    if blob.is_not_found() { manifest } else { blob }
                } else {
                    manifest
                }
            }
            MediaKind::ImageConfig | MediaKind::Layer | MediaKind::Other => {
                self.ask(origin, call(blob)).await?
            }
        };
        match answer {
            Answer::Stream(stream) => Ok(stream),
            Answer::Refusal(refusal) => {
                let (call, response) = *refusal;
                let mut failure = server.failure(&call, response).await;
                if failure.fault == FetchFault::NotFound {
                    failure.reason = Some(FetchReason::MissingBlob);
                }
                Err(failure)
            }
        }
    }

    /// The layer from one of its URLs, or the failure of each.
    async fn at_urls(&self, places: &[Call]) -> Result<BlobStream, Vec<FetchFailure>> {
        let mut failures = Vec::new();
        if places.is_empty() {
            return Err(failures);
        }
        let exchange = layer_urls::exchange(self.client, self.reference).map_err(|failure| vec![failure])?;
        let (senders, digest) = (&self.client.senders, &self.descriptor.digest);
        for call in places {
            if senders.was_wrong(digest, &call.url) {
                let message = format!("`{}` has sent something else as this blob", display::url(&call.url));
                failures.push(attempts::not_asked(message));
                continue;
            }
            match self.ask(Origin::Place(&exchange), call.clone()).await {
                Ok(Answer::Stream(stream)) => {
                    senders.note(digest, Sender::Place(call.url.clone()), self.offset);
                    return Ok(stream);
                }
                Ok(Answer::Refusal(refusal)) => {
                    let (call, response) = *refusal;
                    failures.push(failure::of_status(&call, response).await);
                }
                Err(failure) => failures.push(failure),
            }
        }
        Err(failures)
    }

    /// Sends a call for the bytes from the offset on.
    ///
    /// If the server sends no range, the whole blob is requested, and its beginning is skipped.
    async fn ask(&self, origin: Origin<'_>, mut call: Call) -> Result<Answer, FetchFailure> {
        // The media type comes from the image and may have characters that a header field must not have.
        let accept = HeaderValue::from_str(&format!("{}, */*", self.descriptor.media_type));
        call.headers.insert(ACCEPT, accept.unwrap_or(HeaderValue::from_static("*/*")));
        if self.offset > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.offset))
        {
            call.headers.insert(RANGE, range);
        }
        loop {
            let response = self.send(origin, &mut call).await?;
            let is_range = call.headers.contains_key(RANGE);
            let part = Part { size: self.descriptor.size, offset: self.offset, is_range };
            match part.start(response.status(), response.headers()) {
                Start::Here { skip } => return self.stream(origin, call, response, skip).map(Answer::Stream),
                Start::AtTheEnd => return Ok(Answer::Stream(Box::pin(stream::empty()))),
                Start::OnlyAsAWhole => {
                    tracing::debug!(url = display::url(&call.url), "asking for the whole instead of a part");
                    response.discard().await;
                    call.headers.remove(RANGE);
                }
                Start::Nowhere => return Ok(Answer::Refusal(Box::new((call, response)))),
            }
        }
    }

    async fn send(&self, origin: Origin<'_>, call: &mut Call) -> Result<Response, FetchFailure> {
        match origin {
            Origin::Server(server) => server.send(self.reference.path(), call).await,
            Origin::Place(exchange) => exchange.send(call).await,
        }
    }

    fn stream(
        &self,
        origin: Origin<'_>,
        call: Call,
        response: Response,
        skip: u64,
    ) -> Result<BlobStream, FetchFailure> {
        let server = match origin {
            Origin::Server(server) => Some(Arc::clone(server)),
            Origin::Place(_) => None,
        };
        let rest = self.descriptor.size.saturating_sub(self.offset);
        let url = response.url().clone();
        // Some servers take the compression of a layer for a content coding. The size tells the difference.
        let body = match response.coding() {
            _ if response.length() == Some(rest.saturating_add(skip)) => response.into_body_as_sent(),
            Coding::None | Coding::Gzip => response.into_body(),
            Coding::Other(coding) => return Err(failure::of_coding(&call, &coding)),
        };
        let source = Source { server, call, url, body, skip, expected: rest };
        Ok(Box::pin(stream::try_unfold(source, |mut source| async move {
            let next = source.next().await?;
            Ok(next.map(|bytes| (bytes, source)))
        })))
    }
}

/// Where a blob is requested.
#[derive(Clone, Copy)]
enum Origin<'a> {
    Server(&'a Arc<Server>),
    Place(&'a Exchange),
}

enum Answer {
    Stream(BlobStream),
    /// The call, and a response that is not the blob.
    Refusal(Box<(Call, Response)>),
}

impl Answer {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::Refusal(refusal) if refusal.1.status() == StatusCode::NOT_FOUND)
    }
}

struct Source {
    /// The server of the registry that sends. It is told when it stops too early.
    server: Option<Arc<Server>>,
    call: Call,
    url: Url,
    body: Body,
    skip: u64,
    /// Bytes still to come.
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
                // All bytes have come, and the digest will tell whether they are right. TLS connections often end
                // without saying so.
                Err(error) if self.expected == 0 => {
                    tracing::debug!(url = display::url(&self.url), %error, "broken off after the last byte");
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

    /// Notes a failure of the server, so that the next request goes to another one first.
    fn note(&self, failure: &FetchFailure) {
        if let Some(server) = &self.server {
            server.note(failure);
        }
    }
}
