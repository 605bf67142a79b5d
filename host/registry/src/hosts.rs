//! Which servers stand for a registry, and how each is to be spoken with.
//!
//! The answer comes from the directories that containerd's clients use, `certs.d` with a `hosts.toml` or with
//! certificates in it, and is read as containerd reads it. Nothing here asks the network, and no certificate
//! is opened. `directory` finds and reads, `file` understands, `list` puts in order.

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

/// The servers that stand for the registry `host`, such as `docker.io` or `localhost:5000`, in the order tried.
///
/// # Errors
///
/// Fails if `host` cannot be the name of a registry, or if a directory or file of the settings cannot be read
/// or has an error. Nothing is silently left out.
pub fn host_endpoints(host: &str, settings: &HostsSettings) -> Result<Vec<HostEndpoint>, FetchFailure> {
    let host = name::checked(host)?;
    let found = match directory::find(&settings.directories, host)? {
        Some(directory) => directory::load(&directory)?,
        None => directory::Loaded::default(),
    };
    for warning in &found.warnings {
        tracing::warn!("{}", super::display::text(warning));
    }
    Ok(list::in_order(host, found, settings))
}
