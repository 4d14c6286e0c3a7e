//! Query strings. An unknown parameter is an error: a mistyped `stat=` would list everything.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use bursar_domain::{FieldError, Millis};

use crate::http::problem::Problem;
use crate::state::Shared;

/// The longest name in a filter, in characters.
pub(crate) const MAX_NAME_CHARS: usize = 256;

/// Names without control characters and without the replacement character of bytes that are no text.
pub(crate) const NAME_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f\ufffd]+$";

/// The parameters of one request, with the errors found so far.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

/// A route without parameters: with `?wait=` at a POST, a client would expect a wait that does not happen.
pub(crate) struct NoQuery;

impl FromRequestParts<Shared> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Problem> {
        Query::of(&parts.uri).finish().map(|()| Self)
    }
}

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let text = uri.query().unwrap_or_default();
        Self { pairs: form_urlencoded::parse(text.as_bytes()).into_owned().collect(), errors: Vec::new() }
    }

    /// The same of a form: a browser sends every field, empty ones among them, and people leave blanks around what they paste.
    pub(crate) fn of_form(uri: &Uri) -> Self {
        let mut query = Self::of(uri);
        for (_, value) in &mut query.pairs {
            *value = value.trim().to_owned();
        }
        query.pairs.retain(|(_, value)| !value.is_empty());
        query
    }

    /// Completes times that a browser's field has without seconds and offset, `2026-01-01T08:00`: they are in UTC.
    pub(crate) fn complete_times(&mut self, names: &[&str]) {
        const MINUTES: usize = 16;
        for (_, value) in
            self.pairs.iter_mut().filter(|(name, value)| names.contains(&name.as_str()) && value.len() == MINUTES)
        {
            value.push_str(":00Z");
        }
    }

    /// The value of `name` by `rule`; `None` if it is left out, or an error names it.
    pub(crate) fn take<T>(&mut self, name: &str, rule: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let mut values = Vec::new();
        self.pairs.retain_mut(|(given, value)| {
            let meant = given == name;
            if meant {
                values.push(std::mem::take(value));
            }
            !meant
        });
        match values.as_slice() {
            [] => None,
            [value] => rule(value).map_err(|rule| self.wrong(name, rule)).ok(),
            _ => {
                self.wrong(name, "must be given once".into());
                None
            }
        }
    }

    /// The value of `name` as its type reads it.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        self.take(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// The value of `name` as a time.
    pub(crate) fn time(&mut self, name: &str) -> Option<Millis> {
        let rule = "must be an RFC 3339 time with an offset: 2026-01-01T08:00:00+08:00";
        self.take(name, |text| Millis::parse_bound(text).ok_or_else(|| rule.to_owned()))
    }

    /// The value of `limit`, at most `max`.
    pub(crate) fn limit(&mut self, max: usize) -> Option<usize> {
        self.take("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
            limit.ok_or_else(|| format!("must be a whole number from 1 to {max}"))
        })
    }

    fn wrong(&mut self, name: &str, rule: String) {
        self.errors.push(FieldError { field: name.to_owned(), rule });
    }

    /// # Errors
    /// A problem that names every wrong and every unknown parameter.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let shown: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
            self.wrong(&shown, "is not a parameter of this route".into());
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&self.errors)) }
    }
}

/// A name of something that is looked for. The names of queues of apalis-redis have few rules, and those of quarantined keys none.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let is_fit = |character: char| !character.is_control() && character != char::REPLACEMENT_CHARACTER;
    let is_name = (1..=MAX_NAME_CHARS).contains(&text.chars().count()) && text.chars().all(is_fit);
    is_name.then(|| text.to_owned()).ok_or_else(|| format!("must be a text of 1 to {MAX_NAME_CHARS} characters"))
}
