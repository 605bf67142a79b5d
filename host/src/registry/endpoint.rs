use std::net::IpAddr;

use url::Url;

use super::settings::PlainHttp;
use crate::oci::Reference;
use crate::ports::{FetchFailure, FetchFault};

/// Where the API of a registry is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    scheme: Scheme,
    /// Host name with its port, if one was given.
    host: String,
    /// Path in front of every repository.
    prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

impl Endpoint {
    /// The endpoint of a reference's registry.
    pub(super) fn of(reference: &Reference, plain_http: PlainHttp) -> Self {
        // Docker Hub's API has another name than the images in it.
        let host = match reference.domain() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let plain = plain_http == PlainHttp::Everywhere || is_loopback(reference.host());
        Self {
            scheme: if plain { Scheme::Http } else { Scheme::Https },
            host: host.to_owned(),
            prefix: "/v2".to_owned(),
        }
    }

    /// Host name with its port, if one was given.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Whether plain HTTP may also be spoken with `other`, a server that this one names: only if it is spoken
    /// here, and not over a network if it is spoken here within the machine.
    pub(super) fn allows_plain(&self, other: &Url) -> bool {
        let loopback = |host: &str| is_loopback(host.trim_start_matches('[').trim_end_matches(']'));
        let name = match self.host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => name,
            _ => &self.host,
        };
        self.scheme == Scheme::Http && (!loopback(name) || other.host_str().is_some_and(loopback))
    }

    /// Address of a manifest by tag or digest.
    pub(super) fn manifest(&self, repository: &str, name: &str) -> Result<Url, FetchFailure> {
        self.url(repository, "manifests", name)
    }

    /// Address of a blob.
    pub(super) fn blob(&self, repository: &str, digest: &str) -> Result<Url, FetchFailure> {
        self.url(repository, "blobs", digest)
    }

    fn url(&self, repository: &str, kind: &str, name: &str) -> Result<Url, FetchFailure> {
        let Self { scheme, host, prefix } = self;
        let scheme = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        Url::parse(&format!("{scheme}://{host}{prefix}/{repository}/{kind}/{name}")).map_err(|source| {
            FetchFailure {
                fault: FetchFault::Configuration,
                message: format!("`{host}` is not an address that a registry can have"),
                hint: Some("check the part of the image's name before the first `/`".to_owned()),
                retry_after: None,
                source: Some(source.into()),
            }
        })
    }
}

/// Whether a host name without its port names this machine, so that nobody can listen in.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, plain_http, expected) in [
            ("debian", PlainHttp::Loopback, "https://registry-1.docker.io/v2/library/debian/manifests/x"),
            ("ghcr.io/a/b", PlainHttp::Loopback, "https://ghcr.io/v2/a/b/manifests/x"),
            ("host:5000/a", PlainHttp::Loopback, "https://host:5000/v2/a/manifests/x"),
            ("host:5000/a", PlainHttp::Everywhere, "http://host:5000/v2/a/manifests/x"),
            ("localhost/a", PlainHttp::Loopback, "http://localhost/v2/a/manifests/x"),
            ("localhost:443/a", PlainHttp::Loopback, "http://localhost:443/v2/a/manifests/x"),
            ("127.8.9.1:5000/a", PlainHttp::Loopback, "http://127.8.9.1:5000/v2/a/manifests/x"),
            ("128.0.0.1:5000/a", PlainHttp::Loopback, "https://128.0.0.1:5000/v2/a/manifests/x"),
            ("[::1]:5000/a", PlainHttp::Loopback, "http://[::1]:5000/v2/a/manifests/x"),
            ("localhost.example/a", PlainHttp::Loopback, "https://localhost.example/v2/a/manifests/x"),
        ] {
            let reference = Reference::parse(text).unwrap();
            let endpoint = Endpoint::of(&reference, plain_http);
            assert_eq!(endpoint.manifest(reference.path(), "x").unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn an_impossible_port_is_an_error() {
        let reference = Reference::parse("host:99999/a").unwrap();
        let failure = Endpoint::of(&reference, PlainHttp::Loopback).blob(reference.path(), "x").unwrap_err();
        assert_eq!(failure.to_string(), "`host:99999` is not an address that a registry can have");
    }
}
