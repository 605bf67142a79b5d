use std::collections::BTreeSet;

use super::imports;

/// Interfaces that an operator grants a plugin beyond those of every plugin: a set of names.
///
/// A grant is given for one plugin, in its table of `dray.toml`. An import that needs a grant which is not given is
/// refused before the component is compiled, and not linked. This version has no interface that needs one, so there is
/// no name yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grants(BTreeSet<&'static str>);

impl Grants {
    /// No grant.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds the grant of this name, if this host has one.
    ///
    /// # Errors
    ///
    /// Fails if no interface of this host needs a grant of this name.
    pub fn add(&mut self, name: &str) -> Result<(), UnknownGrant> {
        let known = imports::grants().find(|grant| *grant == name);
        let grant = known.ok_or_else(|| UnknownGrant { name: name.to_owned() })?;
        self.0.insert(grant);
        Ok(())
    }

    /// Whether the grant of this name is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Grants of a test's own table.
    #[cfg(test)]
    pub(super) fn of<const N: usize>(names: [&'static str; N]) -> Self {
        Self(names.into())
    }
}

/// A name that is no grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no grant `{name}` in this version of dray")]
pub struct UnknownGrant {
    /// The name.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_grant_is_refused() {
        let mut grants = Grants::none();
        assert_eq!(grants.add("content"), Err(UnknownGrant { name: "content".to_owned() }));
        assert_eq!(grants, Grants::none());
    }
}
