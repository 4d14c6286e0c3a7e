//! Reads a page's fields by a table: every wrong field is named with its rule, and what is right comes out in the
//! table's order, ready to be written as the canonical content.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::Millis;
use crate::identifier::{identifier_fault, padding_fault};
use crate::kinds::wire_rule;
use crate::money::whole_number;
use crate::share::{decimal, millionths};
use crate::suggest::nearest_name;

/// The rule for a time.
pub(crate) const RFC_3339: &str = "must be an RFC 3339 time with an offset, for example 2026-01-01T08:00:00+08:00";

/// As much of an unknown field's name as a message repeats; every known one is shorter.
const MAX_SHOWN_CHARS: usize = 64;

/// The fields of a job outside its body, as far as a body might have them.
const JOB_FIELDS: [&str; 5] = ["account", "kind", "run_at", "callback_url", "traceparent"];

/// One thing wrong with a submission.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct FieldError {
    /// Where: `platform_no`, `body.total_amount`, `body.receivers[1].receiverId`.
    pub field: String,
    /// The rule that it breaks: `must be a positive integer of fen`.
    pub rule: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.field, self.rule)
    }
}

/// The rule for a field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rule {
    /// Text of 1 to `n` characters, to be read by people.
    Text(usize),
    /// Text of 1 to `n` characters that names something: two that look the same are the same.
    Id(usize),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A positive amount in fen.
    Amount,
    /// An amount in fen that may be zero: goods are given away and fees waived.
    Price,
    /// A whole number from `low` to `high`.
    Whole { low: i64, high: i64 },
    /// A positive whole number, written as a text.
    Number,
    /// A share above 0 and at most 1, written as a decimal in a text.
    Share,
    /// `yyyyMMddHHmmss`, an existing moment.
    Stamp14,
    /// RFC 3339, with an offset.
    Moment,
}

/// One row of a page's table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub name: &'static str,
    pub rule: Rule,
    pub required: bool,
    /// True if a screen shows its value whole: it names no person and no account.
    pub shown: bool,
}

pub(crate) const fn required(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, required: true, shown: false }
}

pub(crate) const fn optional(name: &'static str, rule: Rule) -> Field {
    Field { name, rule, required: false, shown: false }
}

impl Field {
    /// The same field, which a screen shows whole.
    pub(crate) const fn shown(self) -> Self {
        Self { shown: true, ..self }
    }
}

/// Fields in the order in which they will be written.
pub(crate) type Written = Vec<(String, Value)>;

/// A JSON object being taken apart; whatever is left at the end is unknown.
pub(crate) struct Reader<'a> {
    prefix: String,
    left: Map<String, Value>,
    errors: &'a mut Vec<FieldError>,
    way_out: &'static str,
    /// The names that were taken out: those that exist.
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// `prefix` goes before each field's name in errors: `body.`.
    pub(crate) fn new(prefix: impl Into<String>, object: Map<String, Value>, errors: &'a mut Vec<FieldError>) -> Self {
        Self { prefix: prefix.into(), left: object, errors, way_out: "", known: Vec::new() }
    }

    pub(crate) fn wrong(&mut self, name: &str, rule: impl Into<String>) {
        self.errors.push(FieldError { field: format!("{}{name}", self.prefix), rule: rule.into() });
    }

    /// The object itself breaks a rule.
    pub(crate) fn wrong_itself(&mut self, rule: impl Into<String>) {
        self.errors.push(FieldError { field: self.prefix.trim_end_matches('.').to_owned(), rule: rule.into() });
    }

    /// Takes a value out. JSON `null` counts as absent, as the pages' own clients send it (and must not: trap 9).
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    /// True if a value is given which was not taken out yet.
    pub(crate) fn gives(&self, name: &str) -> bool {
        self.left.get(name).is_some_and(|value| !value.is_null())
    }

    /// Reads one row of the table into its canonical form.
    pub(crate) fn field(&mut self, field: Field) -> Option<Value> {
        let Some(value) = self.take(field.name) else {
            if field.required {
                self.wrong(field.name, "is required");
            }
            return None;
        };
        self.checked(field.name, field.rule, value)
    }

    /// The canonical form of a value that was taken out.
    pub(crate) fn checked(&mut self, name: &str, rule: Rule, value: Value) -> Option<Value> {
        check(rule, value).map_err(|broken| self.wrong(name, broken)).ok()
    }

    /// Reads the whole table in its order.
    pub(crate) fn table(&mut self, fields: &[Field]) -> Written {
        fields.iter().filter_map(|field| Some((field.name.to_owned(), self.field(*field)?))).collect()
    }

    /// Exactly one of two fields that name the same thing in two ways.
    pub(crate) fn exactly_one(&mut self, first: &'static str, second: &'static str, written: &Written) {
        let given = |name: &str| written.iter().any(|(field, _)| field == name);
        let refused = |name: &str, errors: &[FieldError], prefix: &str| {
            errors.iter().any(|error| error.field.strip_prefix(prefix) == Some(name))
        };
        match (given(first), given(second)) {
            (true, true) => self.wrong(second, format!("must not be given together with {first}: exactly one of them")),
            (false, false)
                if !refused(first, self.errors, &self.prefix) && !refused(second, self.errors, &self.prefix) =>
            {
                self.wrong(first, format!("is required, or {second} instead: exactly one of them"));
            }
            (true, false) | (false, true | false) => {}
        }
    }

    /// Everything as it is, for a method without a page; never a field that Bursar itself writes.
    pub(crate) fn rest(&mut self, written_by_us: &[&str], written: &mut Written) {
        for (name, value) in std::mem::take(&mut self.left) {
            self.undocumented("", written_by_us, name, value, written);
        }
    }

    /// Undocumented fields that some tenants need, written after the documented ones; never one that a table knows.
    pub(crate) fn extra(&mut self, known: &[&str], written: &mut Written) {
        self.way_out = "extra takes further ones";
        let Some(extra) = self.take("extra") else { return };
        let Value::Object(extra) = extra else { return self.wrong("extra", "must be an object of further fields") };
        for (name, value) in extra {
            self.undocumented("extra.", known, name, value, written);
        }
    }

    fn undocumented(&mut self, prefix: &str, known: &[&str], name: String, value: Value, written: &mut Written) {
        let shown = shown(&name);
        if known.contains(&name.as_str()) {
            self.wrong(&format!("{prefix}{shown}"), "has its own place and must not be given here");
        } else if value.is_null() || value == "" {
            self.wrong(&format!("{prefix}{shown}"), "must not be empty: leave it out");
        } else if !keeps_its_digits(&value) {
            self.wrong(
                &format!("{prefix}{shown}"),
                "holds a number with more digits than a number keeps: write it as a text",
            );
        } else {
            written.push((name, value));
        }
    }

    /// Puts a field into the object of this name; false if the object has it already. What is no object stays as it is.
    pub(crate) fn put_into(&mut self, object: &str, name: &str, value: Value) -> bool {
        let object = self.left.entry(object).or_insert(Value::Null);
        if object.is_null() {
            *object = Value::Object(Map::new());
        }
        match object.as_object_mut() {
            Some(fields) if fields.contains_key(name) => false,
            Some(fields) => fields.insert(name.to_owned(), value).is_none(),
            None => true,
        }
    }

    /// Names everything that no rule has taken, and what may have been meant.
    pub(crate) fn finish(self) {
        for name in self.left.keys() {
            let field = format!("{}{}", self.prefix, shown(name));
            self.errors.push(FieldError { field, rule: self.unknown(name) });
        }
    }

    fn unknown(&self, name: &str) -> String {
        let is_body = self.prefix == "body.";
        if is_body && JOB_FIELDS.contains(&name) {
            return "is a field of the job, not of its body".to_owned();
        }
        if let Some(rule) = wire_rule(name).filter(|_| is_body) {
            return rule.to_owned();
        }
        if self.prefix.is_empty() && crate::Kind::ALL.iter().any(|kind| kind.has_body_field(name)) {
            return "is a field of the body: put it into body".to_owned();
        }
        let meant = nearest_name(name, self.known.iter().copied());
        match (meant, self.way_out) {
            (None, "") => "is not a known field".to_owned(),
            (None, way_out) => format!("is not a known field: {way_out}"),
            (Some(meant), "") => format!("is not a known field; did you mean {meant}?"),
            (Some(meant), way_out) => format!("is not a known field; did you mean {meant}? {way_out}"),
        }
    }
}

/// A name that a producer chose, made fit for messages and terminals: bounded, without control characters.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(MAX_SHOWN_CHARS).flat_map(char::escape_debug).collect()
}

/// True if every number in `value` is what its producer wrote: whole numbers beyond these were rounded when they were read,
/// and an id of 27 digits must not go out as another.
fn keeps_its_digits(value: &Value) -> bool {
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().is_some_and(|float| float.abs() < MAX_EXACT),
        Value::Array(items) => items.iter().all(keeps_its_digits),
        Value::Object(fields) => fields.values().all(keeps_its_digits),
        Value::Number(_) | Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The canonical form of `value` under `rule`, or the rule in words.
fn check(rule: Rule, value: Value) -> Result<Value, String> {
    match rule {
        Rule::Text(max) => Ok(text(value, max)?.into()),
        Rule::Id(max) => {
            let id = text(value, max)?;
            identifier_fault(&id).map_or_else(|| Ok(id.into()), Err)
        }
        Rule::OneOf(allowed) => match value.as_str() {
            Some(word) if allowed.contains(&word) => Ok(value),
            _ => Err(one_of(allowed)),
        },
        Rule::Amount => match crate::Fen::read(&value) {
            Some(amount) => Ok(amount.get().into()),
            None => Err("must be a positive integer of fen: 1000 for 10.00 yuan".into()),
        },
        Rule::Price => check(Rule::Whole { low: 0, high: i64::MAX }, value),
        Rule::Whole { low, high } => match whole_number(&value) {
            Some(number) if (low..=high).contains(&number) => Ok(number.into()),
            _ if high == i64::MAX => Err(format!("must be a whole number, {low} or more")),
            _ => Err(format!("must be a whole number from {low} to {high}")),
        },
        Rule::Number => match whole_number(&value) {
            Some(number) if number > 0 => Ok(number.to_string().into()),
            _ => Err("must be a positive whole number".into()),
        },
        Rule::Share => match millionths(&value) {
            Some(share) => Ok(decimal(share).into()),
            None => Err("must be a share above 0 and at most 1, with at most 6 decimals".into()),
        },
        Rule::Moment => match value.as_str().and_then(Millis::parse_rfc3339) {
            Some(_) => Ok(value),
            None => Err(RFC_3339.into()),
        },
        Rule::Stamp14 => match value.as_str() {
            Some(stamp) if is_stamp14(stamp) => Ok(value),
            _ => Err("must be a string with a time, written yyyyMMddHHmmss".into()),
        },
    }
}

/// `must be the string "1" or "2"`.
pub(crate) fn one_of(allowed: &[&str]) -> String {
    let quoted: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
    format!("must be the string {}", quoted.join(" or "))
}

fn text(value: Value, max: usize) -> Result<String, String> {
    let Value::String(text) = value else { return Err("must be a string".into()) };
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    if text.chars().count() > max {
        return Err(format!("must be at most {max} characters long"));
    }
    if text.chars().any(char::is_control) {
        return Err("must hold no control characters".into());
    }
    padding_fault(&text).map_or(Ok(text), Err)
}

fn is_stamp14(stamp: &str) -> bool {
    stamp.len() == 14
        && stamp.bytes().all(|byte| byte.is_ascii_digit())
        && jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", stamp).is_ok()
}

/// Writes fields as one compact JSON object in their order.
pub(crate) fn write_object(fields: &Written) -> String {
    match serde_json::to_string(&Object(fields)) {
        Ok(text) => text,
        Err(error) => unreachable!("what was read as JSON can be written as JSON: {error}"),
    }
}

/// Fields of one JSON object, in their order.
struct Object<'a>(&'a Written);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule_of(rule: Rule, value: Value) -> Result<Value, String> {
        check(rule, value)
    }

    #[test]
    fn texts_are_counted_in_characters() {
        assert!(rule_of(Rule::Text(2), json!("门店")).is_ok());
        assert!(rule_of(Rule::Text(2), json!("门店号")).is_err());
        assert!(rule_of(Rule::Text(2), json!("")).is_err());
        assert!(rule_of(Rule::Text(9), json!(12)).is_err());
        assert!(rule_of(Rule::Text(9), json!("a\u{0}")).is_err());
    }

    #[test]
    fn trap_27_a_14_digit_time_must_exist() {
        assert!(rule_of(Rule::Stamp14, json!("20240301131800")).is_ok());
        for wrong in ["20240230131800", "2024030113180", "2024-03-01 13:18:00", "20240301246000"] {
            assert!(rule_of(Rule::Stamp14, json!(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_object_is_written_in_the_order_of_its_table() {
        let fields = vec![("b".to_owned(), json!("引\"号")), ("a".to_owned(), json!(1))];
        assert_eq!(write_object(&fields), r#"{"b":"引\"号","a":1}"#);
    }
}
