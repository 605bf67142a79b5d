use std::net::{IpAddr, Ipv6Addr};

use super::hub;
use dray_ports::{FetchFailure, FetchFault, FetchReason};

/// Checks the name of a registry, as in a reference, because it becomes part of paths and URLs.
pub(super) fn checked(host: &str) -> Result<&str, FetchFailure> {
    if is_registry_name(host) {
        return Ok(if hub::is_without_api(host) { hub::NAME } else { host });
    }
    let message = format!("`{}` cannot be the name of a registry", crate::display::text(host));
    Err(FetchFailure::new(FetchFault::Configuration, message).with_reason(FetchReason::RegistryName))
}

/// Whether a text can be the name of a registry: a host name or an IP address, with an optional port.
pub fn is_registry_name(host: &str) -> bool {
    if host.parse::<Ipv6Addr>().is_ok() {
        return true;
    }
    let (name, port) = split(host);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_host = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.len() <= 253 && name.split('.').all(is_label),
    };
    is_host && port.is_none_or(is_port)
}

/// Host and port. The brackets of an IPv6 address stay.
pub(crate) fn split(host: &str) -> (&str, Option<&str>) {
    if host.parse::<Ipv6Addr>().is_ok() {
        return (host, None);
    }
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// The host alone. The brackets of an IPv6 address stay.
pub(crate) fn without_port(host: &str) -> &str {
    split(host).0
}

/// Whether a host, with or without a port, is this machine, so that no other machine can listen in.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = without_port(host).trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_registries_are_checked() {
        for name in
            ["docker.io", "localhost:5000", "A.b", "10.0.0.1:1", "[::1]:5000", "[::1]", "::1", "a:443"]
        {
            assert!(is_registry_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../a",
            "a..b",
            "_default",
            "a:",
            "a:99999",
            "a:b",
            "a b",
            "https://a",
            "a@b",
            "[a]",
            "-a",
            "a:+1",
        ] {
            assert!(!is_registry_name(name), "{name}");
        }
        for name in ["docker.io", "index.docker.io", "Docker.IO"] {
            assert_eq!(checked(name).unwrap(), "docker.io");
        }
        assert_eq!(checked("a/b\n").unwrap_err().message, "`a/b` cannot be the name of a registry");
    }

    #[test]
    fn loopback_hosts_are_recognised() {
        for host in ["localhost", "LOCALHOST:5000", "127.0.0.254:5000", "[::1]:5000", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        assert_eq!(without_port("[::1]:5000"), "[::1]");
        assert_eq!(without_port("a:5000"), "a");
        for host in ["localhost.example", "128.0.0.1", "example.com:5000", "::2"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
