//! URLs outside of any registry that an image names for a layer.

use http::Method;
use url::Url;

use super::RegistryClient;
use super::call::{Call, Patience, Role};
use super::exchange::Exchange;
use super::hosts::is_loopback;
use super::settings::PlainHttp;
use super::transport::TransportSettings;
use dray_core::oci::{Descriptor, Reference};
use dray_ports::FetchFailure;

/// Whether a layer is usually not in the registry, because its licence restricts its distribution.
pub(super) fn is_foreign(descriptor: &Descriptor) -> bool {
    let text = descriptor.media_type.as_str();
    text.starts_with("application/vnd.docker.image.rootfs.foreign.")
        || text.starts_with("application/vnd.oci.image.layer.nondistributable.")
}

/// The exchange for these URLs: without credentials and without header fields of a registry.
///
/// The author of the image chose the URLs, so only public addresses are asked. If the registry is on this machine,
/// any address is allowed.
pub(super) fn exchange(client: &RegistryClient, reference: &Reference) -> Result<Exchange, FetchFailure> {
    let settings =
        TransportSettings { public_only: !is_loopback(reference.domain()), ..TransportSettings::default() };
    Ok(Exchange::anonymous(client.shared.transports.get(&settings)?, client.shared.timing))
}

/// Calls for the URLs that may be asked: by HTTPS, and by plain HTTP if the user allows it or the host is this
/// machine. The bytes are verified in any case.
pub(super) fn calls(client: &RegistryClient, reference: &Reference, descriptor: &Descriptor) -> Vec<Call> {
    let allowed = |url: &Url| match url.scheme() {
        "https" => true,
        "http" => {
            client.hosts.plain_http == PlainHttp::Everywhere
                || (is_loopback(reference.domain()) && url.host_str().is_some_and(is_loopback))
        }
        _ => false,
    };
    let parsed = descriptor.urls.iter().filter_map(|text| Url::parse(text).ok());
    let mut calls = Vec::new();
    for mut url in parsed.filter(allowed) {
        // A user in the URL would become an authorization.
        if url.set_username("").and_then(|()| url.set_password(None)).is_ok() {
            url.set_fragment(None);
            let call = Call::new(Role::LayerUrl, Method::GET, url);
            calls.push(Call { patience: Patience::Hurried, ..call });
        }
    }
    calls
}
