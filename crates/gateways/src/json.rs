//! Received JSON, taken apart one level at a time over the text as it came: signatures cover that text and nothing else.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// One JSON object whose values keep the text they were received in, in the order of the text.
#[derive(Debug)]
pub(crate) struct RawObject<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A field that decides something cannot be read with certainty: it occurs twice, and neither value may win in silence (trap
/// 19), or its value cannot be read, which must not count as its absence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unclear;

impl<'a> RawObject<'a> {
    /// `None` unless `text` is one JSON object and nothing else.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The fields with their received texts.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.get()))
    }

    /// The received text of a field. `null` and absence are the same to the gateways that write these answers.
    pub(crate) fn raw(&self, name: &str) -> Result<Option<&'a str>, Unclear> {
        let mut found = self.fields().filter(|(field, _)| *field == name).map(|(_, text)| text);
        let first = found.next();
        match found.next() {
            Some(_) => Err(Unclear),
            None => Ok(first.filter(|text| *text != "null")),
        }
    }

    /// A field's value. A number beyond all bounds, half a surrogate pair and nesting without end are JSON and no value.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Value>, Unclear> {
        self.raw(name)?.map(|text| serde_json::from_str(text).map_err(|_| Unclear)).transpose()
    }

    /// A text or a number as text; nothing for "". Codes, statuses and numbers of trades come both ways, sometimes on
    /// the same page (traps 7, 11, 13); anything else is no word.
    pub(crate) fn word(&self, name: &str) -> Result<Option<String>, Unclear> {
        match self.value(name)? {
            Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
            Some(Value::Number(_)) => Ok(self.raw(name)?.map(str::to_owned)),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => Err(Unclear),
            Some(Value::Null) | None => Ok(None),
        }
    }
}

impl<'de> Deserialize<'de> for RawObject<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = RawObject<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            fields.push((name, value));
        }
        Ok(RawObject(fields))
    }
}

/// A field's name, borrowed unless it holds escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_as_they_were_received() {
        let object = RawObject::parse(r#"{ "n": 0.30, "o": { "b":1, "a":2 } , "s":"\u6bd4", "\u0061b": 1}"#).unwrap();
        assert_eq!(object.raw("n"), Ok(Some("0.30")));
        assert_eq!(object.raw("o"), Ok(Some(r#"{ "b":1, "a":2 }"#)));
        assert_eq!(object.word("s"), Ok(Some("比".into())));
        assert_eq!(object.word("ab"), Ok(Some("1".into())));
        assert_eq!(object.raw("absent"), Ok(None));
    }

    #[test]
    fn trap_19_a_repeated_field_decides_nothing() {
        let object = RawObject::parse(r#"{"goods_id":"a","goods_id":"b","status":"1"}"#).unwrap();
        assert_eq!(object.word("goods_id"), Err(Unclear));
        assert_eq!(object.word("status"), Ok(Some("1".into())));
    }

    #[test]
    fn what_is_json_and_cannot_be_read_is_not_taken_for_absent() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for unreadable in ["1e999", r#""\ud800""#, &deep] {
            let text = format!(r#"{{"a":{unreadable},"b":1}}"#);
            let object = RawObject::parse(&text).unwrap();
            assert_eq!((object.value("a"), object.word("a")), (Err(Unclear), Err(Unclear)), "{unreadable}");
            assert_eq!(object.word("b"), Ok(Some("1".into())));
        }
        for no_word in ["{}", "[1]", "true"] {
            let text = format!(r#"{{"a":{no_word}}}"#);
            assert_eq!(RawObject::parse(&text).unwrap().word("a"), Err(Unclear), "{no_word}");
        }
    }

    #[test]
    fn what_is_not_exactly_one_object_is_nothing() {
        for wrong in ["", "[]", "{", "{}}", "1", "<html>", r#"{"a":}"#, "\u{feff}{}"] {
            assert!(RawObject::parse(wrong).is_none(), "{wrong}");
        }
    }
}
