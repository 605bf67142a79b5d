use std::sync::Arc;

use reqwest::Proxy;
use url::Url;

use super::no_proxy::NoProxy;
use crate::settings::ProxySettings;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// The proxies, and the hosts that need none.
#[derive(Clone)]
pub(super) struct Proxies(Arc<Rules>);

struct Rules {
    https: Option<Url>,
    http: Option<Url>,
    none_for: NoProxy,
}

impl Proxies {
    pub(super) fn new(settings: &ProxySettings) -> Result<Self, FetchFailure> {
        let parse = |value: &Option<String>, name| {
            let value = value.as_deref().unwrap_or_default().trim();
            if value.is_empty() { Ok(None) } else { parse(value, name).map(Some) }
        };
        Ok(Self(Arc::new(Rules {
            https: parse(&settings.https, "HTTPS")?,
            http: parse(&settings.http, "HTTP")?,
            none_for: NoProxy::parse(settings.no_proxy.as_deref().unwrap_or_default()),
        })))
    }

    /// The proxy for a URL.
    pub(super) fn proxy_for(&self, url: &Url) -> Option<&Url> {
        let Rules { https, http, none_for } = &*self.0;
        let proxy = if url.scheme() == "https" { https } else { http };
        proxy.as_ref().filter(|_| !none_for.excepts(url))
    }

    /// The same for the HTTP client, which would otherwise apply rules of its own.
    pub(super) fn for_client(&self) -> Proxy {
        let own = self.clone();
        Proxy::custom(move |url| own.proxy_for(url).cloned())
    }
}

/// Parses the address of a proxy as Go does: the scheme is optional. A SOCKS proxy always resolves names, because it
/// may know more of them than this machine.
fn parse(value: &str, name: &'static str) -> Result<Url, FetchFailure> {
    let has_scheme = value.contains("://");
    let parsed = if has_scheme { Url::parse(value) } else { Url::parse(&format!("http://{value}")) };
    let mut url = parsed.map_err(|error| unusable(name).with_source(error))?;
    if url.scheme() == "socks5" {
        url.set_scheme("socks5h").map_err(|()| unusable(name))?;
    }
    if !matches!(url.scheme(), "http" | "https" | "socks5h") {
        return Err(unusable(name));
    }
    Ok(url)
}

fn unusable(name: &'static str) -> FetchFailure {
    let message = format!("the address of the {name} proxy cannot be used");
    FetchFailure::new(FetchFault::Configuration, message)
        .with_reason(FetchReason::ProxyAddress { scheme: name })
}
