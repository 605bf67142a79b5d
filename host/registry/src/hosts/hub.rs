//! Docker Hub, whose API has another name than the images in it.

/// The name in references.
pub(crate) const NAME: &str = "docker.io";

/// The name of the API.
pub(crate) const API: &str = "registry-1.docker.io";

/// A name from the first years, under which the API cannot be reached and credentials are still kept.
pub(crate) const OLD_NAME: &str = "index.docker.io";

/// Whether a host is a name of Docker Hub under which its API cannot be reached.
pub(crate) fn is_without_api(host: &str) -> bool {
    [NAME, OLD_NAME].iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Whether a host is the one that has the API.
pub(crate) fn is_api(host: &str) -> bool {
    API.eq_ignore_ascii_case(host)
}

/// Whether a host is any of its names.
pub(crate) fn is_hub(host: &str) -> bool {
    is_api(host) || is_without_api(host)
}
