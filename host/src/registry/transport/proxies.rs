use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy};
use url::Url;

use super::unusable;
use crate::ports::FetchFailure;
use crate::registry::settings::ProxySettings;

/// The ways around, and for whom.
#[derive(Clone)]
pub(super) struct Proxies {
    pub(super) all: Vec<Proxy>,
    /// The same rules, to be asked: the HTTP client does not tell.
    matcher: Arc<Matcher>,
}

impl Proxies {
    pub(super) fn new(settings: &ProxySettings) -> Result<Self, FetchFailure> {
        let own = settings.no_proxy.as_deref().unwrap_or_default();
        let no_proxy = format!("{own},localhost,127.0.0.0/8,::1");
        let make = |value: &Option<String>, make: fn(&str) -> reqwest::Result<Proxy>, name: &str| {
            let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else { return Ok(None) };
            match make(value) {
                Ok(proxy) => Ok(Some(proxy.no_proxy(NoProxy::from_string(&no_proxy)))),
                Err(error) => {
                    let message = format!("the address of the {name} proxy cannot be used");
                    let mut failure = unusable(&message, error);
                    failure.hint =
                        Some(format!("correct `{name}_PROXY`; it looks like `http://proxy.example:3128`"));
                    Err(failure)
                }
            }
        };
        let https = make(&settings.https, |url| Proxy::https(url), "HTTPS")?;
        let http = make(&settings.http, |url| Proxy::http(url), "HTTP")?;
        let matcher = Matcher::builder()
            .https(settings.https.clone().unwrap_or_default())
            .http(settings.http.clone().unwrap_or_default())
            .no(no_proxy)
            .build();
        Ok(Self { all: https.into_iter().chain(http).collect(), matcher: Arc::new(matcher) })
    }

    /// Whether an address is reached through a proxy.
    pub(super) fn concern(&self, url: &Url) -> bool {
        url.as_str().parse().is_ok_and(|url| self.matcher.intercept(&url).is_some())
    }
}
