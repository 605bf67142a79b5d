use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use url::{Position, Url};

use super::hosts::{HostEndpoint, Scheme, hub, is_loopback};
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// The API of one server of a registry.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    scheme: Scheme,
    /// Host name with its port, if one was given.
    host: String,
    /// Path in front of every repository, without a slash at its end.
    prefix: String,
    /// The registry that the server stands for, if it has another name.
    namespace: Option<String>,
    fallback: Option<Fallback>,
}

/// Permission to use plain HTTP with a server that does not speak TLS.
#[derive(Clone, Debug)]
pub(super) struct Fallback {
    /// The server's host and port, as in URLs.
    authority: String,
    /// Whether the server was found to speak plain HTTP. Found out once, not with every request.
    is_plain: Arc<AtomicBool>,
}

impl Endpoint {
    /// A server that stands for the registry `namespace`.
    pub(super) fn new(namespace: &str, server: &HostEndpoint) -> Result<Self, FetchFailure> {
        // A URL has brackets around an IPv6 address, even if the name had none.
        let host = match server.host.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => server.host.clone(),
        };
        let is_itself = namespace.eq_ignore_ascii_case(&server.host)
            || (hub::is_without_api(namespace) && hub::is_api(&server.host));
        let mut endpoint = Self {
            scheme: server.scheme,
            host,
            prefix: server.path.trim_end_matches('/').to_owned(),
            namespace: (!is_itself).then(|| namespace.to_owned()),
            fallback: None,
        };
        if server.http_fallback {
            let authority = authority(&endpoint.root()?).to_owned();
            endpoint.fallback = Some(Fallback { authority, is_plain: Arc::default() });
        }
        Ok(endpoint)
    }

    /// A server that another one redirects to.
    pub(super) fn redirected(url: &Url) -> Self {
        let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        let mut host = authority(url).to_owned();
        if scheme == Scheme::Http && url.port().is_none() {
            // Credentials without a port are for the port of HTTPS.
            host.push_str(":80");
        }
        Self { scheme, host, prefix: "/v2".to_owned(), namespace: None, fallback: None }
    }

    /// The registry itself, with no directory for it.
    #[cfg(test)]
    pub(super) fn of(reference: &dray_core::oci::Reference, plain_http: super::settings::PlainHttp) -> Self {
        let settings = super::hosts::HostsSettings { plain_http, ..Default::default() };
        let servers = super::hosts::host_endpoints(reference.domain(), &settings).unwrap();
        Self::new(reference.domain(), &servers[0]).unwrap()
    }

    /// Host name with its port, if one was given.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The scheme in use, as far as known by now.
    pub(super) fn scheme(&self) -> Scheme {
        match &self.fallback {
            Some(fallback) if fallback.is_plain() => Scheme::Http,
            _ => self.scheme,
        }
    }

    /// Whether it is another server in place of the registry.
    pub(super) fn is_mirror(&self) -> bool {
        self.namespace.is_some()
    }

    /// Whether it is spoken with over the network without TLS.
    pub(super) fn is_exposed(&self) -> bool {
        self.scheme() == Scheme::Http && !is_loopback(&self.host)
    }

    /// The permission to use plain HTTP, if there is any.
    pub(super) fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }

    /// Whether plain HTTP may also be used with `other`, a server that this one names. That needs plain HTTP here. If
    /// it is used here only within the machine, `other` must be on this machine too.
    pub(super) fn allows_plain(&self, other: &Url) -> bool {
        let is_local = is_loopback(&self.host);
        let is_plain = self.scheme() == Scheme::Http || (is_local && self.fallback.is_some());
        is_plain && (!is_local || other.host_str().is_some_and(is_loopback))
    }

    /// URL of a manifest by tag or digest.
    pub(super) fn manifest(&self, repository: &str, name: &str) -> Result<Url, FetchFailure> {
        self.url(&format!("/{repository}/manifests/{name}"))
    }

    /// URL of a blob.
    pub(super) fn blob(&self, repository: &str, digest: &str) -> Result<Url, FetchFailure> {
        self.url(&format!("/{repository}/blobs/{digest}"))
    }

    /// URL that tells whether the server speaks the API.
    pub(super) fn root(&self) -> Result<Url, FetchFailure> {
        self.url("/")
    }

    /// URL of the API's base. It differs from the root if the prefix leads into the API, as to the project of a
    /// mirror in `https://mirror/v2/project`.
    pub(super) fn base(&self) -> Result<Url, FetchFailure> {
        self.at(&format!("{}/", self.api().0))
    }

    /// The server's own name for a repository.
    pub(super) fn name_of(&self, repository: &str) -> String {
        match self.api() {
            (_, "") => repository.to_owned(),
            (_, project) => format!("{project}/{repository}"),
        }
    }

    /// The path of the API, and the path between it and a repository.
    fn api(&self) -> (&str, &str) {
        match self.prefix.find("/v2/") {
            Some(at) if !self.prefix.ends_with("/v2") => {
                (&self.prefix[..at + "/v2".len()], &self.prefix[at + "/v2/".len()..])
            }
            _ => (&self.prefix, ""),
        }
    }

    fn url(&self, path: &str) -> Result<Url, FetchFailure> {
        self.at(&format!("{}{path}", self.prefix))
    }

    fn at(&self, path: &str) -> Result<Url, FetchFailure> {
        let host = &self.host;
        let parsed = Url::parse(&format!("{}://{host}{path}", self.scheme()));
        let mut url = parsed.map_err(|source| {
            let message = format!("`{host}` is not an address that a registry can have");
            FetchFailure::new(FetchFault::Configuration, message)
                .with_reason(FetchReason::RegistryAddress)
                .with_source(source)
        })?;
        if let Some(namespace) = &self.namespace {
            url.query_pairs_mut().append_pair("ns", namespace);
        }
        Ok(url)
    }
}

impl Fallback {
    fn is_plain(&self) -> bool {
        self.is_plain.load(Ordering::Relaxed)
    }

    /// Notes that the server does not speak TLS.
    pub(super) fn note(&self) {
        self.is_plain.store(true, Ordering::Relaxed);
    }

    /// The plain URL for a secure one, if it is of this server.
    pub(super) fn plain(&self, url: &Url) -> Option<Url> {
        if url.scheme() != "https" || authority(url) != self.authority {
            return None;
        }
        let mut plain = url.clone();
        plain.set_scheme("http").ok()?;
        Some(plain)
    }

    /// The same, if the server is known not to speak TLS.
    pub(super) fn known(&self, url: &Url) -> Option<Url> {
        self.is_plain().then(|| self.plain(url)).flatten()
    }
}

/// Host and port, as in a URL.
pub(super) fn authority(url: &Url) -> &str {
    &url[Position::BeforeHost..Position::AfterPort]
}

/// The repository in a URL of a registry's API.
pub(super) fn repository_in(url: &Url) -> Option<&str> {
    let (_, rest) = url.path().split_once("/v2/")?;
    let (repository, _) = rest.rsplit_once("/manifests/").or_else(|| rest.rsplit_once("/blobs/"))?;
    Some(repository).filter(|repository| !repository.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlainHttp;
    use dray_core::oci::Reference;

    #[test]
    fn urls_follow_the_api() {
        for (text, plain_http, expected) in [
            ("debian", PlainHttp::Loopback, "https://registry-1.docker.io/v2/library/debian/manifests/x"),
            ("ghcr.io/a/b", PlainHttp::Loopback, "https://ghcr.io/v2/a/b/manifests/x"),
            ("host:5000/a", PlainHttp::Loopback, "https://host:5000/v2/a/manifests/x"),
            ("host:5000/a", PlainHttp::Everywhere, "http://host:5000/v2/a/manifests/x"),
            ("localhost/a", PlainHttp::Loopback, "https://localhost/v2/a/manifests/x"),
            ("localhost:80/a", PlainHttp::Loopback, "http://localhost/v2/a/manifests/x"),
            ("127.8.9.1:5000/a", PlainHttp::Loopback, "https://127.8.9.1:5000/v2/a/manifests/x"),
            ("[::1]:5000/a", PlainHttp::Loopback, "https://[::1]:5000/v2/a/manifests/x"),
        ] {
            let reference = Reference::parse(text).unwrap();
            let endpoint = Endpoint::of(&reference, plain_http);
            assert_eq!(endpoint.manifest(reference.path(), "x").unwrap().as_str(), expected, "{text}");
        }
    }

    #[test]
    fn a_mirror_gets_the_name_of_its_registry() {
        let reference = Reference::parse("debian").unwrap();
        let settings = crate::HostsSettings::default();
        let mut server = crate::host_endpoints("docker.io", &settings).unwrap().remove(0);
        server.host = "mirror:5000".to_owned();
        server.path = "/hub/".to_owned();
        let endpoint = Endpoint::new("docker.io", &server).unwrap();
        let url = endpoint.blob(reference.path(), "sha256:0").unwrap();
        assert_eq!(url.as_str(), "https://mirror:5000/hub/library/debian/blobs/sha256:0?ns=docker.io");
        server.path = String::new();
        let endpoint = Endpoint::new("mirror:5000", &server).unwrap();
        assert_eq!(endpoint.blob("a", "x").unwrap().as_str(), "https://mirror:5000/a/blobs/x");
    }

    #[test]
    fn a_path_may_lead_into_the_api() {
        let settings = crate::HostsSettings::default();
        let mut server = crate::host_endpoints("mirror", &settings).unwrap().remove(0);
        for (path, base, name) in [
            ("/v2", "https://mirror/v2/", "team/app"),
            ("/us/v2/", "https://mirror/us/v2/", "team/app"),
            ("/v2/project", "https://mirror/v2/", "project/team/app"),
            ("/us/v2/a/b/", "https://mirror/us/v2/", "a/b/team/app"),
            ("/v2/project/v2", "https://mirror/v2/project/v2/", "team/app"),
            ("/hub", "https://mirror/hub/", "team/app"),
            ("", "https://mirror/", "team/app"),
        ] {
            server.path = path.to_owned();
            let endpoint = Endpoint::new("mirror", &server).unwrap();
            assert_eq!(endpoint.base().unwrap().as_str(), base, "{path}");
            assert_eq!(endpoint.name_of("team/app"), name, "{path}");
        }
    }

    #[test]
    fn a_redirect_target_has_the_credentials_of_its_port() {
        for (url, host) in [
            ("https://ghcr.io/v2/a/manifests/1", "ghcr.io"),
            ("https://ghcr.io:443/v2/", "ghcr.io"),
            ("https://ghcr.io:5000/v2/", "ghcr.io:5000"),
            ("http://ghcr.io/v2/", "ghcr.io:80"),
            ("https://[::1]/v2/", "[::1]"),
        ] {
            assert_eq!(Endpoint::redirected(&Url::parse(url).unwrap()).host(), host, "{url}");
        }
    }

    #[test]
    fn a_server_without_tls_is_found_out_once() {
        let endpoint = Endpoint::of(&Reference::parse("localhost:5000/a").unwrap(), PlainHttp::Loopback);
        let fallback = endpoint.fallback().unwrap();
        let secure = endpoint.root().unwrap();
        let other = Url::parse("https://localhost:5001/").unwrap();
        assert_eq!(fallback.known(&secure), None);
        fallback.note();
        assert_eq!(fallback.known(&secure).unwrap().as_str(), "http://localhost:5000/v2/");
        assert_eq!(fallback.known(&other), None);
        assert_eq!(endpoint.clone().root().unwrap().as_str(), "http://localhost:5000/v2/");
    }

    #[test]
    fn the_repository_is_found_in_a_url() {
        for (url, expected) in [
            ("https://ghcr.io/v2/team/app/manifests/1?x=/v2/y/blobs/z", Some("team/app")),
            ("https://ghcr.io/us/v2/app/blobs/sha256:0", Some("app")),
            ("https://ghcr.io/v2/manifests/blobs/manifests/1", Some("manifests/blobs")),
            ("https://ghcr.io/v2/", None),
            ("https://ghcr.io/v2/manifests/1", None),
            ("https://cdn/bucket/sha256:0", None),
        ] {
            assert_eq!(repository_in(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
