//! Places outside of any registry that an image names for a layer.

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

/// Whether a layer is usually not in the registry, because its licence says who may give it away.
pub(super) fn is_foreign(descriptor: &Descriptor) -> bool {
    let text = descriptor.media_type.as_str();
    text.starts_with("application/vnd.docker.image.rootfs.foreign.")
        || text.starts_with("application/vnd.oci.image.layer.nondistributable.")
}

/// How the places are asked: without credentials and without any header field of a registry.
///
/// Whoever made the image chose them, so that only places are asked that everybody can reach. Only where the
/// registry is on this machine, and so in the same hands, may they be anywhere.
pub(super) fn exchange(client: &RegistryClient, reference: &Reference) -> Result<Exchange, FetchFailure> {
    let settings =
        TransportSettings { public_only: !is_loopback(reference.domain()), ..TransportSettings::default() };
    Ok(Exchange::anonymous(client.shared.transports.get(&settings)?, client.shared.timing))
}

/// The places, as far as they may be asked: by HTTPS, or without where the user wants that or nobody can
/// listen in. The bytes are verified in any case.
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
        // A user in the address would become an authorization.
        if url.set_username("").and_then(|()| url.set_password(None)).is_ok() {
            url.set_fragment(None);
            let call = Call::new(Role::LayerUrl, Method::GET, url);
            calls.push(Call { patience: Patience::Hurried, ..call });
        }
    }
    calls
}
