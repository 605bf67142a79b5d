//! The servers that stand for a registry, and how to connect to each.
//!
//! They are read from the directories that containerd's clients use: `certs.d` with a `hosts.toml` or with
//! certificates for each registry, in containerd's reading. Nothing here uses the network or opens a certificate.
//! `directory` finds and reads the files, `file` parses `hosts.toml`, `list` puts the servers in order.

mod address;
mod capabilities;
mod directory;
mod duration;
mod endpoint;
mod file;
mod header;
pub(super) mod hub;
mod list;
mod name;
#[cfg(test)]
mod tests;
mod values;

use dray_ports::FetchFailure;

pub use self::address::Scheme;
pub use self::capabilities::{Capabilities, Capability};
pub use self::endpoint::{ClientPair, HostEndpoint, HostsSettings};
pub use self::file::{HostsFile, parse_hosts_file};
pub use self::header::HostHeaders;
pub use self::name::is_registry_name;
pub(super) use self::name::{is_loopback, split, without_port};
pub use self::values::HostsFileError;

/// The servers that stand for the registry `host`, such as `docker.io` or `localhost:5000`, in the order of requests.
///
/// # Errors
///
/// Fails if `host` cannot be the name of a registry, or if a directory or file of the settings cannot be read or has
/// an error. No error is skipped.
pub fn host_endpoints(host: &str, settings: &HostsSettings) -> Result<Vec<HostEndpoint>, FetchFailure> {
    let host = name::checked(host)?;
    let found = match directory::find(&settings.directories, host)? {
        Some(directory) => directory::load(&directory)?,
        None => directory::RegistryDirectory::default(),
    };
    for warning in &found.warnings {
        tracing::warn!("{}", super::display::text(warning));
    }
    Ok(list::in_order(host, found, settings))
}
