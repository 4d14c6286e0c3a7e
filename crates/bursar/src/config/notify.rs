//! `notify_…` of an account: how the gateway's notifications to it are treated.

use std::time::Duration;

use bursar_domain::Kind;
use bursar_gateways::SignRule;
use toml::{Table, Value as Toml};

use super::rules::{self, DAY, HOUR};
use super::section::Section;
use super::source::Value;

/// How an account's notifications are verified, read and passed on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notify {
    /// The rule of their signatures, once known.
    pub(crate) sign_rule: Option<SignRule>,
    /// What is expected beside bank credits.
    pub(crate) methods: Vec<NotifyMethod>,
    /// Who is told of them.
    pub(crate) callback_url: Option<String>,
    /// The greatest age of a notification that is passed on.
    pub(crate) max_age: Duration,
}

/// A kind of notification that is expected: `METHOD`, or `METHOD KIND POINTER` for one that names a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NotifyMethod {
    /// The method.
    pub(crate) name: String,
    /// Which kind of job it names, and where in its content (a JSON pointer).
    pub(crate) job: Option<(Kind, String)>,
}

/// The keys of an account that this file reads.
pub(super) const KEYS: [&str; 4] = ["notify_sign_rule", "notify_methods", "notify_callback_url", "notify_max_age"];

impl Default for Notify {
    fn default() -> Self {
        Self { sign_rule: None, methods: Vec::new(), callback_url: None, max_age: DAY }
    }
}

impl Notify {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let rules = [("auto", None), ("a", Some(SignRule::A)), ("b", Some(SignRule::B))];
        Self {
            sign_rule: section.read(KEYS[0], rules::word(&rules)).flatten(),
            methods: section.read(KEYS[1], methods).unwrap_or_default(),
            callback_url: section.read(KEYS[2], rules::http_url),
            max_age: section.read(KEYS[3], rules::duration(HOUR..=DAY * 365)).unwrap_or(DAY),
        }
    }

    pub(super) fn shown(&self) -> Table {
        let methods: Vec<Toml> = self.methods.iter().map(|method| method.shown().into()).collect();
        let rule = self.sign_rule.map_or("auto", SignRule::as_str);
        let url = self.callback_url.as_deref().map(|url| (KEYS[2], super::show::masked(url).into()));
        let max_age = rules::duration_text(self.max_age).into();
        let shown = [(KEYS[0], rule.into()), (KEYS[1], methods.into()), (KEYS[3], max_age)].into_iter().chain(url);
        shown.map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl NotifyMethod {
    fn shown(&self) -> String {
        match &self.job {
            Some((kind, pointer)) => format!("{} {kind} {pointer}", self.name),
            None => self.name.clone(),
        }
    }
}

fn methods(value: &Value) -> Result<Vec<NotifyMethod>, String> {
    rules::texts(value)?.iter().map(|text| method(text)).collect()
}

fn method(text: &str) -> Result<NotifyMethod, String> {
    let rule = || {
        format!(
            "{text:?} must be METHOD or METHOD KIND POINTER, for example \"bkfunds.order.notify bill_upload /order_id\""
        )
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [name] => Ok(NotifyMethod { name: (*name).to_owned(), job: None }),
        [name, kind, pointer] if pointer.starts_with('/') => {
            let kind = kind.parse().map_err(|_| rule())?;
            Ok(NotifyMethod { name: (*name).to_owned(), job: Some((kind, (*pointer).to_owned())) })
        }
        _ => Err(rule()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_may_say_where_it_names_which_kind_of_job() {
        let read = method("bkfunds.order.notify bill_upload /data/order_id").unwrap();
        assert_eq!(read.job, Some((Kind::BillUpload, "/data/order_id".into())));
        assert_eq!(method("a.b").unwrap(), NotifyMethod { name: "a.b".into(), job: None });
        assert_eq!(read.shown(), "bkfunds.order.notify bill_upload /data/order_id");
        for wrong in ["", "a bill_upload", "a bill_upload order_id", "a invoice /id", "a transfer /id more"] {
            assert!(method(wrong).is_err(), "{wrong}");
        }
    }
}
