//! JSON as Go's `encoding/json` reads it. Docker's configuration and the answers of credential helpers and token
//! servers are written for it.
//!
//! Go ignores the case of member names, treats `null` as an absent value, uses the last of several members of one
//! name, replaces text that is not UTF-8, and reads only the first value.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// An object some of whose members are used.
pub(super) trait Object: Default {
    /// Receives the value of a member. The name is given in lower case and as written.
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        written: &str,
        value: &mut A,
    ) -> Result<(), A::Error>;
}

/// Parses the object at the start of a text. `null` or an empty text is an object without members.
pub(super) fn object<T: Object>(text: &[u8]) -> Result<T, serde_json::Error> {
    if text.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    let text = String::from_utf8_lossy(text);
    let mut reader = serde_json::Deserializer::from_str(&text);
    Ok(Json::deserialize(&mut reader)?.0)
}

/// Stores a value, unless it is `null`.
pub(super) fn take<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    place: &mut T,
    value: &mut A,
) -> Result<(), A::Error> {
    if let Some(given) = value.next_value::<Option<T>>()? {
        *place = given;
    }
    Ok(())
}

/// Adds entries to the existing ones.
pub(super) fn add<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    entries: &mut BTreeMap<String, T>,
    value: &mut A,
) -> Result<(), A::Error> {
    entries.extend(value.next_value::<Option<BTreeMap<String, T>>>()?.unwrap_or_default());
    Ok(())
}

/// Skips a value of any kind.
pub(super) fn skip<'de, A: MapAccess<'de>>(value: &mut A) -> Result<(), A::Error> {
    value.next_value::<IgnoredAny>().map(drop)
}

/// An object inside a document.
pub(super) struct Json<T>(pub(super) T);

impl<'de, T: Object> Deserialize<'de> for Json<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members(PhantomData)).map(Self)
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Object> Visitor<'de> for Members<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(written) = members.next_key::<String>()? {
            object.member(&written.to_ascii_lowercase(), &written, &mut members)?;
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Name {
        first: String,
        last: Option<String>,
    }

    impl Object for Name {
        fn member<'de, A: MapAccess<'de>>(
            &mut self,
            name: &str,
            _: &str,
            value: &mut A,
        ) -> Result<(), A::Error> {
            match name {
                "first" => take(&mut self.first, value),
                "last" => take(&mut self.last, value),
                _ => skip(value),
            }
        }
    }

    #[test]
    fn json_is_read_as_go_reads_it() {
        for (text, first, last) in [
            (&br#"{"first":"a","Last":"b"}"#[..], "a", Some("b")),
            (br#"{"FIRST":"a","first":"b","first":null}"#, "b", None),
            (br#"{"first":"a"} and more {"#, "a", None),
            (b"{\"first\":\"\xe9\"}", "\u{fffd}", None),
            (br#"{"other":[1e400,"\ud800",{"a":1,"a":2}],"last":"b"}"#, "", Some("b")),
            (b"null", "", None),
            (b" \n", "", None),
            (b"", "", None),
        ] {
            let expected = Name { first: first.to_owned(), last: last.map(str::to_owned) };
            assert_eq!(object::<Name>(text).unwrap(), expected, "{}", String::from_utf8_lossy(text));
        }
        for text in ["[]", "1", "\"a\"", "{\"first\":1}", "{\"first\"", "a"] {
            assert!(object::<Name>(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!(r#"{{"other":{}{},"first":"a"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(object::<Name>(deep.as_bytes()).unwrap().first, "a");
    }
}
