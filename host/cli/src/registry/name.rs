use crate::failure::{Failure, Kind, REGISTRY_NAME_HINT};
use dray::registry::is_registry_name;

/// Refuses an invalid name of a registry, as a fault of the command line.
pub(super) fn check_name(host: &str) -> Result<(), Failure> {
    if is_registry_name(host) {
        return Ok(());
    }
    let failure = Failure::new(Kind::Usage, format!("`{host}` cannot be the name of a registry"));
    Err(failure.hint(REGISTRY_NAME_HINT))
}
