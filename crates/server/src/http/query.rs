//! Query strings, taken apart like configuration: what nobody asked for is an error, because a mistyped `stat=` would list
//! everything.

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use bursar_domain::FieldError;

use crate::http::problem::Problem;
use crate::state::Shared;

/// The parameters of one request, with what is wrong about them so far.
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

/// A route that has no parameters: `?wait=` at a POST would be waited for by its client alone.
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

    /// The value of `name` by `rule`; `None` when it was left out, or was wrong and is noted.
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
                self.wrong(name, "stands more than once".into());
                None
            }
        }
    }

    fn wrong(&mut self, name: &str, rule: String) {
        self.errors.push(FieldError { field: name.to_owned(), rule });
    }

    /// # Errors
    /// A problem that names everything that is wrong, what nobody asked for included.
    pub(crate) fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let shown: String = name.chars().filter(|character| !character.is_control()).take(64).collect();
            self.wrong(&shown, "is not a parameter of this route".into());
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(&self.errors)) }
    }
}
