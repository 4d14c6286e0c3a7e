//! A producer's trace, by the header that carries it: <https://www.w3.org/TR/trace-context/>, read 2026-11-25.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::IdError;

/// `00-` trace id (32 digits) `-` parent id (16 digits) `-` flags (2 digits), all hexadecimal in lower case.
const WIDTHS: [usize; 4] = [2, 32, 16, 2];

/// The version that is written here, whatever later one was read.
const VERSION: &str = "00";

/// The version that is none.
const NO_VERSION: &str = "ff";

/// Where a job's story begins at its producer: what `traceparent` says. No part of the job's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(String);

impl TraceParent {
    /// As it is written in a header: 55 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceParent {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refused =
            || IdError::new("must be a W3C traceparent: 00-, 32 digits, -, 16 digits, -, 2 digits, in lower case");
        let mut parts = text.splitn(WIDTHS.len() + 1, '-');
        let hexadecimal = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let mut next = |width| parts.next().filter(|part| part.len() == width && hexadecimal(part));
        let [version, trace, parent, flags] = WIDTHS.map(&mut next);
        let (Some(version), Some(trace), Some(parent), Some(flags)) = (version, trace, parent, flags) else {
            return Err(refused());
        };
        // Later versions add parts behind a dash, which are not for us; the first version has no further part.
        let more = parts.next().is_some();
        let none = |id: &str| id.bytes().all(|byte| byte == b'0');
        if version == NO_VERSION || (version == VERSION && more) || none(trace) || none(parent) {
            return Err(refused());
        }
        Ok(Self(format!("{VERSION}-{trace}-{parent}-{flags}")))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The form that is written here. A later version may say more, and is read as far as it is known.
impl JsonSchema for TraceParent {
    fn schema_name() -> Cow<'static, str> {
        "TraceParent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let [_, trace, parent, flags] = WIDTHS;
        json_schema!({
            "description": "A W3C traceparent: the producer's span that the job is shown in.",
            "type": "string",
            "pattern": format!("^{VERSION}-[0-9a-f]{{{trace}}}-[0-9a-f]{{{parent}}}-[0-9a-f]{{{flags}}}$"),
            "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn read(text: &str) -> Option<String> {
        text.parse::<TraceParent>().ok().map(|parent| parent.to_string())
    }

    #[test]
    fn it_is_read_as_it_is_written() {
        for flags in ["00", "01", "ff"] {
            let text = format!("00-{TRACE}-{PARENT}-{flags}");
            assert_eq!(read(&text), Some(text));
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let known = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(read(&format!("cc-{TRACE}-{PARENT}-01")), Some(known.clone()));
        assert_eq!(read(&format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings")), Some(known));
    }

    #[test]
    fn anything_else_is_refused() {
        let (no_trace, no_parent) = ("0".repeat(32), "0".repeat(16));
        for text in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-001"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("0-{TRACE}-{PARENT}-01"),
            format!("00-{no_trace}-{PARENT}-01"),
            format!("00-{TRACE}-{no_parent}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{}-{PARENT}-01", TRACE.replace('4', "g")),
            format!(" 00-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01\n"),
        ] {
            assert_eq!(read(&text), None, "{text:?}");
        }
    }
}
