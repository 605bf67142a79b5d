use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::body::BodyError;
use super::call::{Call, Patience, Role};
use super::coding::Coding;
use super::display;
use super::hosts::Capability;
use super::server::Server;
use super::transport::Response;
use super::{RegistryClient, failure};
use dray_core::limits;
use dray_core::oci::{Algorithm, Descriptor, Digest, MediaKind, MediaType, Reference};
use dray_core::verify;
use dray_ports::{FetchFailure, FetchFault, FetchReason, Resolved};

/// The order is that of containerd. The last entry keeps registries from refusing content that an error of ours names
/// better.
const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, */*",
);

/// Resolves a reference to a descriptor. A tag is resolved only by servers with the capability `resolve`, a digest by
/// any server that serves blobs. `first` is the method tried first.
pub(super) async fn resolve(
    client: &RegistryClient,
    reference: &Reference,
    first: Method,
) -> Result<Resolved, FetchFailure> {
    let needed: &[Capability] = match reference.digest() {
        Some(_) => &[Capability::Pull],
        None => &[Capability::Pull, Capability::Resolve],
    };
    let mut attempts = client.attempts(reference, needed).await?;
    while let Some((server, patience)) = attempts.next() {
        let resolution = Resolution { server: &server, patience, reference };
        let resolved = if first == Method::HEAD { resolution.run().await } else { resolution.get().await };
        match resolved {
            Ok(resolved) => {
                let (host, digest) = (server.endpoint().host(), &resolved.descriptor.digest);
                tracing::info!(%reference, host, %digest, "the name is resolved");
                return Ok(resolved);
            }
            Err(failure) => attempts.failed(&server, failure),
        }
    }
    Err(attempts.into_failure())
}

struct Resolution<'a> {
    server: &'a Server,
    patience: Patience,
    reference: &'a Reference,
}

impl Resolution<'_> {
    /// Asks with HEAD, which registries do not count against a user's quota. Asks with GET if the answer to HEAD does
    /// not suffice.
    async fn run(&self) -> Result<Resolved, FetchFailure> {
        match self.head().await? {
            Some(descriptor) => Ok(Resolved { descriptor, document: None }),
            None => self.get().await,
        }
    }

    fn call(&self, method: Method) -> Result<Call, FetchFailure> {
        let name = match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => digest.as_str(),
            (None, tag) => tag.unwrap_or("latest"),
        };
        let url = self.server.endpoint().manifest(self.reference.path(), name)?;
        let mut call = Call::new(Role::Registry, method, url);
        call.headers.insert(ACCEPT, ACCEPTED);
        call.patience = self.patience;
        Ok(call)
    }

    async fn send(&self, call: &mut Call) -> Result<Response, FetchFailure> {
        self.server.send(self.reference.path(), call).await
    }

    /// The descriptor, if the header fields of a HEAD response hold all of it. A failed HEAD is repeated as GET,
    /// because an error without a body gives no reason, and because some servers fail only at HEAD.
    async fn head(&self) -> Result<Option<Descriptor>, FetchFailure> {
        let mut call = self.call(Method::HEAD)?;
        let response = match self.send(&mut call).await {
            Ok(response) => response,
            Err(failure) if failure::is_broken(&failure) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        // The length counts compressed bytes.
        if response.status() != StatusCode::OK || response.coding() != Coding::None {
            return Ok(None);
        }
        let headers = response.headers();
        let (Some(stated), Some(size)) = (stated_digest(headers), stated_size(headers)) else {
            return Ok(None);
        };
        let media_type = stated_media_type(headers);
        if !is_usable(&media_type) {
            return Ok(None);
        }
        if size > limits::DOCUMENT_BYTES {
            return Err(too_large(&call, Some(size)));
        }
        let digest = self.digest(&call, stated)?;
        Ok(Some(Descriptor::new(media_type, digest, size)))
    }

    async fn get(&self) -> Result<Resolved, FetchFailure> {
        let mut call = self.call(Method::GET)?;
        let mut tries = 0;
        let (headers, document) = loop {
            tries += 1;
            let response = self.send(&mut call).await?;
            if response.status() != StatusCode::OK {
                let mut failure = self.server.failure(&call, response).await;
                if failure.fault == FetchFault::NotFound && self.reference.digest().is_some() {
                    failure.reason = Some(FetchReason::UnknownDigest);
                }
                return Err(failure);
            }
            if let Coding::Other(coding) = response.coding() {
                return Err(failure::of_coding(&call, &coding));
            }
            let (headers, url) = (response.headers().clone(), response.url().clone());
            let known = self.reference.digest().cloned().or_else(|| stated_digest(&headers));
            let is_all = |bytes: &[u8]| {
                known.is_some_and(|known| verify::digest_of(known.algorithm(), bytes) == known)
            };
            match response.into_body().read_if(limits::DOCUMENT_BYTES, is_all).await {
                Ok(document) => break (headers, document),
                Err(BodyError::TooLong(size)) => return Err(too_large(&call, size)),
                Err(BodyError::Transport(_)) if tries < limits::REQUEST_TRIES => {}
                Err(BodyError::Transport(error)) => {
                    return Err(failure::of_transport(&call, &url, error));
                }
            }
        };
        let media_type = media_type_of(&call, &headers, &document)?;
        let stated = stated_digest(&headers);
        let algorithm = self.reference.digest().or(stated.as_ref());
        let algorithm = algorithm.map_or(Algorithm::Sha256, Digest::algorithm);
        let found = verify::digest_of(algorithm, &document);
        if let Some(stated) = stated.filter(|stated| stated.algorithm() == algorithm && *stated != found) {
            let problem =
                format!("says that the manifest has digest `{stated}`, but its bytes hash to `{found}`");
            return Err(failure::of_content(&call, &problem));
        }
        let digest = self.digest(&call, found)?;
        let descriptor = Descriptor::new(media_type, digest, document.len() as u64);
        Ok(Resolved { descriptor, document: Some(document) })
    }

    /// The digest of the descriptor: the requested one, if there is one. If the registry states a digest of another
    /// algorithm, it cannot be compared, and the fetch verifies the content.
    fn digest(&self, call: &Call, answered: Digest) -> Result<Digest, FetchFailure> {
        match self.reference.digest() {
            None => Ok(answered),
            Some(asked) if asked.algorithm() != answered.algorithm() || *asked == answered => {
                Ok(asked.clone())
            }
            Some(asked) => {
                let problem = format!("was asked for the manifest `{asked}` and has `{answered}`");
                Err(failure::of_content(call, &problem))
            }
        }
    }
}

fn stated_digest(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(headers.get("docker-content-digest")?.to_str().ok()?.trim()).ok()
}

/// Some servers state the length of the body of a HEAD response, which is zero.
fn stated_size(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok().filter(|&size| size > 0)
}

fn stated_media_type(headers: &HeaderMap) -> MediaType {
    MediaType::new(headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default())
}

fn is_usable(media_type: &MediaType) -> bool {
    matches!(media_type.kind(), MediaKind::Index | MediaKind::Manifest)
}

/// A document whose kind the caller can at least name in an error.
fn is_registered(media_type: &MediaType) -> bool {
    media_type.as_str().starts_with("application/vnd.")
}

/// The media type: as the registry states it, or as the document itself states it if the registry does not know, as a
/// plain file server does not.
fn media_type_of(call: &Call, headers: &HeaderMap, document: &Bytes) -> Result<MediaType, FetchFailure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        #[serde(default)]
        media_type: Option<String>,
        #[serde(default)]
        schema_version: Option<u64>,
    }
    let stated = stated_media_type(headers);
    if is_usable(&stated) {
        return Ok(stated);
    }
    let typed: Option<Typed> = serde_json::from_slice(document).ok();
    let own = typed.as_ref().and_then(|typed| typed.media_type.as_deref()).map(MediaType::new);
    if let Some(own) = own.clone().filter(is_usable) {
        return Ok(own);
    }
    if typed.and_then(|typed| typed.schema_version) == Some(1) {
        return Ok(MediaType::new(MediaType::SCHEMA1));
    }
    if let Some(known) = [own, Some(stated.clone())].into_iter().flatten().find(is_registered) {
        return Ok(known);
    }
    let problem = match stated.as_str() {
        "" => "sent a document without a content type that is neither index nor manifest".to_owned(),
        text => format!("sent `{}`, which is neither index nor manifest", display::text(text)),
    };
    Err(failure::of_protocol(call, &problem))
}

fn too_large(call: &Call, size: Option<u64>) -> FetchFailure {
    let limit = limits::DOCUMENT_BYTES;
    let problem = match size {
        Some(size) => format!("has a manifest of {size} bytes, more than the {limit} that are accepted"),
        None => format!("has a manifest of more than the {limit} bytes that are accepted"),
    };
    failure::of_protocol(call, &problem).with_reason(FetchReason::OversizedManifest)
}
