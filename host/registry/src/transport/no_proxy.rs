use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

/// Servers that are reached without a proxy: loopback ones, and those in the value of `NO_PROXY`.
///
/// The rules are those of Go (`golang.org/x/net/http/httpproxy`), which the other tools follow. Brackets around an
/// address are allowed without a port. An invalid entry has no effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy {
    everything: bool,
    exceptions: Vec<Exception>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    /// `10.0.0.0/8`
    Network(IpNet),
    /// `10.0.0.1`, `10.0.0.1:5000`, `fd00::1`, `[fd00::1]:5000`
    Address { address: IpAddr, port: Option<String> },
    /// `corp`, `corp:5000` with all subdomains; `.corp`, `*.corp` only subdomains.
    Domain { name: String, itself: bool, port: Option<String> },
}

impl NoProxy {
    pub(super) fn parse(value: &str) -> Self {
        let mut exceptions = Vec::new();
        for entry in value.split(',') {
            let entry = entry.trim().to_lowercase();
            if entry == "*" {
                return Self { everything: true, exceptions: Vec::new() };
            }
            exceptions.extend(Exception::parse(&entry));
        }
        Self { everything: false, exceptions }
    }

    /// Whether a URL is reached without a proxy.
    pub(super) fn excepts(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return true };
        let port = port.to_string();
        let has_port = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| *wanted == port);
        match host {
            Host::Domain("localhost") => true,
            Host::Domain(host) => {
                self.everything
                    || self.exceptions.iter().any(|exception| match exception {
                        Exception::Domain { name, itself, port } => {
                            is_below(host, name, *itself) && has_port(port)
                        }
                        _ => false,
                    })
            }
            Host::Ipv4(address) => self.excepts_address(address.into(), has_port),
            Host::Ipv6(address) => self.excepts_address(IpAddr::from(address).to_canonical(), has_port),
        }
    }

    fn excepts_address(&self, host: IpAddr, has_port: impl Fn(&Option<String>) -> bool) -> bool {
        host.is_loopback()
            || self.everything
            || self.exceptions.iter().any(|exception| match exception {
                Exception::Network(network) => network.contains(&host),
                Exception::Address { address, port } => *address == host && has_port(port),
                Exception::Domain { .. } => false,
            })
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if let Ok(network) = entry.parse() {
            return Some(Self::Network(network));
        }
        let (host, port) = split(entry);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address { address: address.to_canonical(), port });
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        let (name, itself) = host.strip_prefix('.').map_or((host, true), |name| (name, false));
        if host.is_empty() {
            return None;
        }
        let name = match Host::parse(name) {
            Ok(Host::Domain(ascii)) if !name.is_ascii() => ascii,
            _ => name.to_owned(),
        };
        Some(Self::Domain { name, itself, port })
    }
}

/// Splits an entry into host and port. Several colons without brackets are an address without a port.
fn split(entry: &str) -> (&str, Option<String>) {
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, rest) = match bracketed {
        Some((host, "")) => return (host, None),
        Some((host, rest)) if rest.starts_with(':') => (host, &rest[1..]),
        Some(_) => return (entry, None),
        None => match entry.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, port),
            _ => return (entry, None),
        },
    };
    (host, (!rest.is_empty()).then(|| rest.to_owned()))
}

fn is_below(host: &str, name: &str, itself: bool) -> bool {
    match host.strip_suffix(name) {
        Some("") => itself,
        Some(before) => before.ends_with('.'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exceptions_follow_the_rules_of_go() {
        for (value, excepted, proxied) in [
            ("", &["http://localhost/", "https://127.8.9.1:5000/", "http://[::1]/"][..], &["http://a/"][..]),
            ("corp", &["https://corp/", "https://a.b.corp:8443/"], &["https://xcorp/", "https://corp.x/"]),
            ("CORP, other ", &["https://corp/", "https://Other/"], &["https://a/"]),
            (".corp", &["https://a.corp/", "https://a.b.corp/"], &["https://corp/", "https://xcorp/"]),
            ("*.corp", &["https://a.corp/"], &["https://corp/", "https://*corp/"]),
            ("*corp", &[], &["https://corp/", "https://a.corp/"]),
            ("corp:5000", &["http://corp:5000/", "http://a.corp:5000/"], &["http://corp/", "https://corp/"]),
            ("corp:443", &["https://corp/"], &["http://corp/"]),
            (".corp:5000,b", &["http://a.corp:5000/", "http://b/"], &["http://corp:5000/", "http://a.corp/"]),
            ("corp:", &["https://corp/", "https://corp:5000/"], &["https://b/"]),
            ("corp:http", &[], &["http://corp/"]),
            ("*", &["http://a/", "https://203.0.113.9:5000/", "http://[2001:db8::1]/"], &[]),
            ("a,*,b", &["http://c/"], &[]),
            ("203.0.113.9", &["http://203.0.113.9/", "http://203.0.113.9:5000/"], &["http://203.0.113.8/"]),
            ("203.0.113.9:5000", &["http://203.0.113.9:5000/"], &["http://203.0.113.9/"]),
            (
                "203.0.113.0/24",
                &["http://203.0.113.9/", "http://203.0.113.7:5000/"],
                &["http://203.0.114.1/"],
            ),
            ("203.0.113.0/33,a/8", &[], &["http://203.0.113.0/", "http://a/"]),
            ("113.9", &[], &["http://203.0.113.9/"]),
            (
                "2001:db8::1",
                &["http://[2001:db8::1]/", "http://[2001:db8:0::1]:5000/"],
                &["http://[2001:db8::2]/"],
            ),
            ("[2001:db8::1]", &["http://[2001:db8::1]:5000/"], &["http://[2001:db8::2]/"]),
            ("[2001:db8::1]:5000", &["http://[2001:db8::1]:5000/"], &["http://[2001:db8::1]/"]),
            ("2001:db8::/32", &["http://[2001:db8::9]/"], &["http://[2001:db9::9]/"]),
            ("203.0.113.9", &["http://[::ffff:203.0.113.9]/"], &[]),
            ("bücher.example", &["http://xn--bcher-kva.example/"], &["http://bucher.example/"]),
            (",, ,:80,.", &[], &["http://a/", "http://a.b/"]),
        ] {
            let no_proxy = NoProxy::parse(value);
            for (urls, expected) in [(excepted, true), (proxied, false)] {
                for url in urls {
                    assert_eq!(no_proxy.excepts(&url.parse().unwrap()), expected, "`{value}` and {url}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_values_do_not_panic(value in "[]\\[*.:,/a-f0-9é ]{0,20}", host in "[a-f0-9.:]{1,12}") {
            for url in [format!("https://{host}/"), format!("https://[{host}]:5000/")] {
                if let Ok(url) = Url::parse(&url) {
                    NoProxy::parse(&value).excepts(&url);
                }
            }
        }

        #[test]
        fn a_host_is_excepted_by_its_name(host in "[a-z][a-z0-9]{0,8}(\\.[a-z][a-z0-9]{0,8}){0,2}") {
            let url = Url::parse(&format!("https://{host}/")).unwrap();
            let among_others = format!("a.invalid, *.{host}:80 ,{host}:443");
            for value in [host.to_uppercase(), among_others] {
                prop_assert!(NoProxy::parse(&value).excepts(&url), "{}", value);
            }
            let others = format!(".{host},x{host},{host}:80");
            prop_assert!(!NoProxy::parse(&others).excepts(&url) || host == "localhost");
        }
    }
}
