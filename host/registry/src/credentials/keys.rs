use crate::hosts::{hub, split};

/// The name under which `docker login` keeps the credentials of Docker Hub.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// The spellings under which credentials of a host may be kept, best first. The order is that of nerdctl, whose
/// `login` always writes the port. For Docker Hub, spellings that people write by hand come last.
///
/// Case does not matter in the name of a host, but it does to a helper: the helper is asked for the host as written,
/// then in lower case.
pub(super) fn of(host: &str) -> Vec<String> {
    let (name, port) = split(host);
    let port = port.unwrap_or("443");
    if port == "443" && hub::is_hub(name) {
        return spellings(hub::API, port, true);
    }
    let mut keys = spellings(name, port, false);
    let usual = name.to_ascii_lowercase();
    if usual != name {
        keys.extend(spellings(&usual, port, false));
    }
    keys
}

fn spellings(name: &str, port: &str, is_hub: bool) -> Vec<String> {
    let mut keys = vec![format!("{name}:{port}")];
    if is_hub {
        keys.push(HUB_KEY.to_owned());
    }
    keys.extend([format!("https://{name}:{port}"), format!("http://{name}:{port}")]);
    if port == "443" {
        keys.extend([name.to_owned(), format!("https://{name}"), format!("http://{name}")]);
    }
    if is_hub {
        keys.extend([hub::OLD_NAME, hub::NAME].map(str::to_owned));
    }
    keys
}

/// The name that a helper knows a key by. `docker login` stores one name for Docker Hub, whatever the user typed.
pub(super) fn for_helper(key: &str) -> &str {
    if hub::is_without_api(key) { HUB_KEY } else { key }
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
        assert_eq!(of("Host:5000"), [of("Host:5000"), of("host:5000")].concat()[..6]);
        assert_eq!(of("Host:5000")[2..4], ["http://Host:5000", "host:5000"]);
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
        for name in ["index.docker.io", "Docker.IO", "registry-1.docker.io", "registry-1.docker.io:443"] {
            assert_eq!(of(name), keys, "{name}");
        }
        assert_eq!(of("docker.io:5000")[0], "docker.io:5000");
    }
}
