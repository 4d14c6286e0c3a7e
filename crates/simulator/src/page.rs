//! Strict parsing of business parameters by a table of the gateway page's fields.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

/// One field of a page.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

/// The values that a field accepts.
pub(crate) enum Shape {
    /// Text that is not empty, of at most so many characters.
    Text(usize),
    /// Text that may be empty.
    AnyText(usize),
    /// Exactly so many digits, as text.
    Digits(usize),
    OneOf(&'static [&'static str]),
    /// A JSON integer not below this.
    Integer(i64),
    /// A positive JSON number of yuan with at most two decimals.
    Yuan,
    /// Any value that a merchant and the platform agreed on.
    Agreed,
}

pub(crate) const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Required }
}

pub(crate) const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Optional }
}

/// Parses the JSON object `text` by `fields`. The error describes the violation for the ledger.
pub(crate) fn read(text: &str, fields: &[Field]) -> Result<Map<String, Value>, String> {
    let Distinct(object) =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object of distinct fields: {error}"))?;
    check(&object, fields)?;
    Ok(object)
}

/// Checks an object that was read already.
pub(crate) fn check(object: &Map<String, Value>, fields: &[Field]) -> Result<(), String> {
    for field in fields {
        match object.get(field.name) {
            Some(value) => field.shape.check(value).map_err(|wrong| format!("{} {wrong}", field.name))?,
            None if field.presence == Presence::Required => return Err(format!("{} is missing", field.name)),
            None => {}
        }
    }
    match object.keys().find(|name| fields.iter().all(|field| field.name != name.as_str())) {
        Some(unknown) => Err(format!("{unknown} is on no page")),
        None => Ok(()),
    }
}

/// Reads an array of objects, each by `fields`.
pub(crate) fn read_all(text: &str, fields: &[Field]) -> Result<Vec<Map<String, Value>>, String> {
    let objects: Vec<Distinct> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON array of objects: {error}"))?;
    objects
        .into_iter()
        .map(|Distinct(object)| {
            check(&object, fields)?;
            Ok(object)
        })
        .collect()
}

/// Exactly one of the two, as the pages say with 二选一.
pub(crate) fn one_of(object: &Map<String, Value>, first: &str, second: &str) -> Result<(), String> {
    match (object.contains_key(first), object.contains_key(second)) {
        (true, false) | (false, true) => Ok(()),
        (true, true) => Err(format!("{first} and {second} are given, only one may be")),
        (false, false) => Err(format!("neither {first} nor {second} is given")),
    }
}

pub(crate) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Shape {
    fn check(&self, value: &Value) -> Result<(), String> {
        match self {
            Self::Text(max) => match value.as_str() {
                Some("") => Err("is empty".to_owned()),
                Some(text) => short_enough(text, *max),
                None => Err("is not a string".to_owned()),
            },
            Self::AnyText(max) => short_enough(value.as_str().ok_or("is not a string")?, *max),
            Self::Digits(count) => match value.as_str() {
                Some(text) if text.len() == *count && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
                Some(_) | None => Err(format!("is not {count} digits")),
            },
            Self::OneOf(values) => match value.as_str() {
                Some(text) if values.contains(&text) => Ok(()),
                Some(_) | None => Err(format!("is none of {}", values.join(", "))),
            },
            Self::Integer(least) => match value.as_i64() {
                Some(number) if number >= *least => Ok(()),
                Some(_) => Err(format!("is below {least}")),
                None => Err("is not an integer".to_owned()),
            },
            Self::Yuan => match value.is_number().then(|| fen(&value.to_string())).flatten() {
                Some(fen) if fen > 0 => Ok(()),
                Some(_) | None => Err("is not a positive number of yuan with at most two decimals".to_owned()),
            },
            Self::Agreed => Ok(()),
        }
    }
}

/// An amount of yuan, written as a decimal, in fen.
pub(crate) fn fen(yuan: &str) -> Option<i64> {
    let (whole, decimals) = yuan.split_once('.').unwrap_or((yuan, ""));
    let is_decimal = decimals.len() <= 2 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let whole: i64 = whole.parse().ok().filter(|whole| is_decimal && *whole >= 0)?;
    let decimals: i64 = format!("{decimals:0<2}").parse().ok()?;
    whole.checked_mul(100)?.checked_add(decimals)
}

fn short_enough(text: &str, max: usize) -> Result<(), String> {
    if text.chars().count() > max {
        return Err(format!("has more than {max} characters"));
    }
    Ok(())
}

/// A JSON object without duplicate names: of two values, neither may win.
struct Distinct(Map<String, Value>);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DistinctVisitor)
    }
}

struct DistinctVisitor;

impl<'de> Visitor<'de> for DistinctVisitor {
    type Value = Distinct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Distinct, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("{name} occurs twice")));
            }
            object.insert(name, value);
        }
        Ok(Distinct(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &[Field] = &[
        required("id", Shape::Text(3)),
        required("amount", Shape::Integer(1)),
        optional("kind", Shape::OneOf(&["a", "b"])),
        optional("time", Shape::Digits(4)),
    ];

    #[test]
    fn what_the_page_says_is_read() {
        assert!(read(r#"{"id":"张三丰","amount":1,"kind":"a","time":"0123"}"#, PAGE).is_ok());
    }

    #[test]
    fn yuan_are_read_to_the_last_fen() {
        for (yuan, read) in [("1.1", Some(110)), ("1", Some(100)), ("0.01", Some(1)), ("1.011", None), ("-1", None)] {
            assert_eq!(fen(yuan), read, "{yuan}");
        }
        let page = [required("amount", Shape::Yuan)];
        assert!(super::read(r#"{"amount":1.1}"#, &page).is_ok());
        for wrong in [r#"{"amount":0}"#, r#"{"amount":"1.1"}"#, r#"{"amount":1.001}"#] {
            assert!(super::read(wrong, &page).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_departure_from_the_page_is_named() {
        for (text, wrong) in [
            (r#"{"id":"K"}"#, "amount is missing"),
            (r#"{"id":"","amount":1}"#, "id is empty"),
            (r#"{"id":"long","amount":1}"#, "id has more than 3 characters"),
            (r#"{"id":"K","amount":"1"}"#, "amount is not an integer"),
            (r#"{"id":"K","amount":1.0}"#, "amount is not an integer"),
            (r#"{"id":"K","amount":0}"#, "amount is below 1"),
            (r#"{"id":"K","amount":1,"kind":"c"}"#, "kind is none of a, b"),
            (r#"{"id":"K","amount":1,"time":"1"}"#, "time is not 4 digits"),
            (r#"{"id":"K","amount":1,"more":1}"#, "more is on no page"),
        ] {
            assert_eq!(read(text, PAGE), Err(wrong.to_owned()), "{text}");
        }
        assert!(read(r#"{"id":"K","amount":1,"id":"L"}"#, PAGE).is_err_and(|wrong| wrong.contains("twice")));
    }
}
