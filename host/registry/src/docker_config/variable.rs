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
    let document: Document = match json::object(text.as_bytes()) {
        Ok(document) => document,
        Err(error) => {
            let failure = origin.not_json(&error);
            let place = failure.source.map(|place| format!(": {place}")).unwrap_or_default();
            tracing::warn!("{} and is ignored{place}", failure.message);
            return Auths::default();
        }
    };
    let mut unused = document.unused;
    let mut entries = BTreeMap::new();
    for (key, Json(Only { auth, unused: more })) in document.auths {
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

#[derive(Default)]
struct Document {
    auths: BTreeMap<String, Json<Only>>,
    unused: BTreeSet<String>,
}

#[derive(Default)]
struct Only {
    auth: Option<String>,
    unused: BTreeSet<String>,
}

impl json::Object for Document {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        written: &str,
        value: &mut A,
    ) -> Result<(), A::Error> {
        if name == "auths" {
            return json::add(&mut self.auths, value);
        }
        self.unused.insert(written.to_owned());
        json::skip(value)
    }
}

impl json::Object for Only {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        written: &str,
        value: &mut A,
    ) -> Result<(), A::Error> {
        if name == "auth" {
            return json::take(&mut self.auth, value);
        }
        self.unused.insert(written.to_owned());
        json::skip(value)
    }
}
