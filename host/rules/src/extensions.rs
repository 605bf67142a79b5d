use std::collections::HashSet;

use crate::Pairs;
use crate::error::{Part, RuleError, at_most};
use crate::limits::{EXTENSION_BYTES, EXTENSIONS};

/// Checks form and size of extensions. `list` is the part that has them, `pair` is one of them.
///
/// What the pairs mean is not checked: this version of the interface defines none.
pub(crate) fn check_extensions(pairs: &Pairs, list: Part, pair: Part) -> Result<(), RuleError> {
    at_most(list, pairs.len(), EXTENSIONS)?;
    let mut seen = HashSet::with_capacity(pairs.len());
    for (key, value) in pairs {
        at_most(pair, key.len() + value.len(), EXTENSION_BYTES)?;
        let is_named = key.split_once('/').is_some_and(|(owner, name)| !owner.is_empty() && !name.is_empty());
        if !is_named || key.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(RuleError::ExtensionKey { part: list });
        }
        if !seen.insert(key) {
            return Err(RuleError::RepeatedExtension { part: list });
        }
    }
    Ok(())
}
