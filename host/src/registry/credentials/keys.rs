/// The name under which `docker login` keeps the credentials of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The host that Docker Hub's API has.
const HUB_HOST: &str = "registry-1.docker.io";

/// Whether a host is one of the names of Docker Hub.
fn is_hub(name: &str) -> bool {
    matches!(name, "docker.io" | "index.docker.io" | HUB_HOST)
}

/// The spellings under which credentials of a host may be kept, best first: the order of nerdctl, whose
/// `login` always writes the port. For Docker Hub those follow that people write by hand.
pub(super) fn of(host: &str) -> Vec<String> {
    let (name, port) = match host.rsplit_once(':') {
        // The last colon of an address in brackets is not before a port.
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, "443"),
    };
    let hub = port == "443" && is_hub(name);
    let name = if hub { HUB_HOST } else { name };
    let mut keys = vec![format!("{name}:{port}")];
    if hub {
        keys.push(HUB_KEY.to_owned());
    }
    keys.extend([format!("https://{name}:{port}"), format!("http://{name}:{port}")]);
    if port == "443" {
        keys.extend([name.to_owned(), format!("https://{name}"), format!("http://{name}")]);
    }
    if hub {
        keys.extend(["index.docker.io", "docker.io"].map(str::to_owned));
    }
    keys
}

/// The name by which a helper knows a key: `docker login` gives it one name for Docker Hub, whatever was typed.
pub(super) fn for_helper(key: &str) -> &str {
    match key {
        "docker.io" | "index.docker.io" => HUB_KEY,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_always_written_first() {
        for (host, expected) in [
            ("host:5000", &["host:5000", "https://host:5000", "http://host:5000"][..]),
            (
                "host",
                &["host:443", "https://host:443", "http://host:443", "host", "https://host", "http://host"],
            ),
            ("[::1]:5000", &["[::1]:5000", "https://[::1]:5000", "http://[::1]:5000"]),
        ] {
            assert_eq!(of(host), expected, "{host}");
        }
        assert_eq!(of("host:443"), of("host"));
        assert_eq!(of("[::1]")[0], "[::1]:443");
    }

    #[test]
    fn docker_hub_is_one_host_with_many_names() {
        let keys = of("docker.io");
        assert_eq!(
            keys,
            [
                "registry-1.docker.io:443",
                "https://index.docker.io/v1/",
                "https://registry-1.docker.io:443",
                "http://registry-1.docker.io:443",
                "registry-1.docker.io",
                "https://registry-1.docker.io",
                "http://registry-1.docker.io",
                "index.docker.io",
                "docker.io",
            ]
        );
        for name in ["index.docker.io", "registry-1.docker.io", "registry-1.docker.io:443"] {
            assert_eq!(of(name), keys, "{name}");
        }
        assert_eq!(of("docker.io:5000")[0], "docker.io:5000");
    }
}
