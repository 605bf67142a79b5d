use super::address::Address;
use super::address::Scheme;
use super::capabilities::Capabilities;
use super::directory::RegistryDirectory;
use super::endpoint::{HostEndpoint, HostsSettings};
use super::file::Entry;
use super::{hub, name};
use crate::settings::PlainHttp;

/// The servers of a registry in the order of requests: the mirrors, then the registry itself or its replacement in
/// the file.
pub(super) fn in_order(host: &str, loaded: RegistryDirectory, settings: &HostsSettings) -> Vec<HostEndpoint> {
    let RegistryDirectory { mirrors, server, file, .. } = loaded;
    let is_named = server.address.is_some();
    let server = completed(host, server);
    let mut endpoints: Vec<HostEndpoint> =
        mirrors.into_iter().chain([server]).filter_map(|entry| endpoint(entry, settings)).collect();
    if !is_named && let Some(registry) = endpoints.last_mut() {
        without_address(registry, settings);
    }
    for endpoint in &mut endpoints {
        endpoint.file.clone_from(&file);
    }
    endpoints
}

/// Applies the user's settings to servers whose scheme no file fixes. Docker Hub always speaks TLS.
fn without_address(registry: &mut HostEndpoint, settings: &HostsSettings) {
    if hub::is_api(&registry.host) {
        return;
    }
    if settings.plain_http == PlainHttp::Everywhere {
        registry.scheme = Scheme::Http;
        registry.http_fallback = false;
    } else if registry.scheme == Scheme::Https && settings.insecure {
        registry.http_fallback = true;
    }
}

/// The last server with an address. If the file names none, it is the registry, and the path and capabilities in the
/// file do not apply to it.
fn completed(host: &str, mut server: Entry) -> Entry {
    if server.address.is_some() {
        return server;
    }
    let (_, port) = name::split(host);
    let mut scheme = Scheme::Https;
    if name::is_loopback(host) {
        if !matches!(port, None | Some("443")) {
            scheme = Scheme::Http;
        }
        // No authority issues certificates for loopback. Any setting about TLS makes the port ambiguous.
        if port != Some("80") {
            server.skip_verify.get_or_insert(true);
        }
    }
    let host = if hub::is_without_api(host) { hub::API } else { host };
    server.address = Some(Address { scheme, host: host.to_owned(), path: "/v2".to_owned() });
    server.capabilities = Capabilities::default();
    server.override_path = false;
    server
}

fn endpoint(entry: Entry, settings: &HostsSettings) -> Option<HostEndpoint> {
    // Accepting any certificate is a setting about TLS too.
    let configures_tls = entry.configures_tls() || settings.insecure;
    let Address { scheme, host, path } = entry.address?;
    let is_ambiguous = scheme == Scheme::Http && configures_tls && name::split(&host).1 != Some("80");
    let scheme = if is_ambiguous { Scheme::Https } else { scheme };
    Some(HostEndpoint {
        scheme,
        host,
        path,
        capabilities: entry.capabilities,
        skip_verify: entry.skip_verify.unwrap_or(settings.insecure),
        http_fallback: is_ambiguous,
        ca: entry.ca.unwrap_or_default(),
        client: entry.client,
        headers: entry.headers,
        override_path: entry.override_path,
        dial_timeout: entry.dial_timeout,
        file: None,
    })
}
