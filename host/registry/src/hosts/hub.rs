//! Docker Hub, whose API has another host name than its images.

/// The host name in references.
pub(crate) const NAME: &str = "docker.io";

/// The host name of the API.
pub(crate) const API: &str = "registry-1.docker.io";

/// An old name. It does not serve the API, but credentials are still kept under it.
pub(crate) const OLD_NAME: &str = "index.docker.io";

/// Whether a host is a name of Docker Hub that does not serve the API.
pub(crate) fn is_without_api(host: &str) -> bool {
    [NAME, OLD_NAME].iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Whether a host serves Docker Hub's API.
pub(crate) fn is_api(host: &str) -> bool {
    API.eq_ignore_ascii_case(host)
}

/// Whether a host is any name of Docker Hub.
pub(crate) fn is_hub(host: &str) -> bool {
    is_api(host) || is_without_api(host)
}
