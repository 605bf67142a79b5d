use std::collections::{BTreeMap, BTreeSet};

use serde::de::MapAccess;

use super::{Auths, Entry, Origin, too_long};
use crate::display;
use crate::json::{self, Json};
use dray_core::limits;

/// The variable that holds entries in addition to those of the file.
pub(crate) const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// Parses the value of [`VARIABLE`]. docker uses the `auth` of each entry of `auths` and nothing else.
///
/// Other programs put a whole `config.json` there. Unused members are ignored with a warning. So is a value that is
/// not JSON: docker then uses the file.
pub(crate) fn of_variable(text: &str) -> Auths {
    let origin = Origin::Variable;
    if text.len() as u64 > limits::DOCKER_CONFIG_BYTES {
        tracing::warn!("{origin} {} and is ignored", too_long());
        return Auths::default();
    }
    let Only { used: auths, mut unused } = match json::object::<Only<Entries>>(text.as_bytes()) {
        Ok(document) => document,
        Err(error) => {
            let failure = origin.not_json(&error);
            let place = failure.source.map(|place| format!(": {place}")).unwrap_or_default();
            tracing::warn!("{} and is ignored{place}", failure.message);
            return Auths::default();
        }
    };
    let mut entries = BTreeMap::new();
    for (key, Json(Only { used: auth, unused: more })) in auths {
        unused.extend(more);
        entries.insert(key, Entry { auth, ..Entry::default() });
    }
    if !unused.is_empty() {
        let names: Vec<String> =
            unused.iter().take(NAMES_SHOWN).map(|name| format!("`{}`", display::text(name))).collect();
        let more = if unused.len() > NAMES_SHOWN { " and others" } else { "" };
        tracing::warn!(
            "of {origin} only the `auth` of each entry is used; ignored: {}{more}",
            names.join(", ")
        );
    }
    Auths { entries, origin }
}

/// Maximum number of member names in one warning.
const NAMES_SHOWN: usize = 8;

/// The one member of an object that docker reads, and the names of the others.
#[derive(Default)]
struct Only<T> {
    used: T,
    unused: BTreeSet<String>,
}

/// A value that stands in a member of one name.
trait Used: Default {
    /// The name, in lower case.
    const NAME: &'static str;

    /// Takes the member's value.
    fn take<'de, A: MapAccess<'de>>(&mut self, value: &mut A) -> Result<(), A::Error>;
}

/// The entries, by key.
type Entries = BTreeMap<String, Json<Only<Auth>>>;

impl Used for Entries {
    const NAME: &'static str = "auths";

    fn take<'de, A: MapAccess<'de>>(&mut self, value: &mut A) -> Result<(), A::Error> {
        json::add(self, value)
    }
}

/// The base64 form of `user:password`.
type Auth = Option<String>;

impl Used for Auth {
    const NAME: &'static str = "auth";

    fn take<'de, A: MapAccess<'de>>(&mut self, value: &mut A) -> Result<(), A::Error> {
        json::take(self, value)
    }
}

impl<T: Used> json::Object for Only<T> {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        written: &str,
        value: &mut A,
    ) -> Result<(), A::Error> {
        if name == T::NAME {
            return self.used.take(value);
        }
        self.unused.insert(written.to_owned());
        json::skip(value)
    }
}
