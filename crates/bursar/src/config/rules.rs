//! The rules of values. A rule makes the narrower type of a value or says what it must be, shows a value as the file would have it,
//! and describes itself for documents.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::Value as Toml;

use super::source::{Raw, Value};

/// A value by its rule, or what it must be: a text to be read after the key. An empty text means: as the rule's words say.
pub(super) type Read<T> = Result<T, String>;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The shortest wait that is one: a millisecond.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// The most entries of any list.
const MAX_LIST: usize = 100;

type Reader<T> = Box<dyn Fn(&Value) -> Read<T>>;

/// The rule of one key.
pub(super) struct Rule<T> {
    /// The rule in words, to be read after "must be".
    pub(super) words: Cow<'static, str>,
    read: Reader<T>,
    show: Box<dyn Fn(&T) -> Toml>,
}

impl<T> Rule<T> {
    pub(super) fn new(
        words: impl Into<Cow<'static, str>>,
        read: impl Fn(&Value) -> Read<T> + 'static,
        show: impl Fn(&T) -> Toml + 'static,
    ) -> Self {
        Self { words: words.into(), read: Box::new(read), show: Box::new(show) }
    }

    /// The value, or what it must be.
    pub(super) fn read(&self, value: &Value) -> Read<T> {
        (self.read)(value).map_err(|rule| if rule.is_empty() { format!("must be {}", self.words) } else { rule })
    }

    /// The value as the file would have it.
    pub(super) fn show(&self, value: &T) -> Toml {
        (self.show)(value)
    }
}

/// The error of a value that has no more to say than its rule.
pub(super) fn as_described<T>(value: Option<T>) -> Read<T> {
    value.ok_or_else(String::new)
}

/// A number by its digits. In the environment everything is text.
fn parsed<T: FromStr>(value: &Value) -> Option<T> {
    match &value.raw {
        Raw::Number(text) | Raw::Environment(text) => text.parse().ok(),
        Raw::Text(_) | Raw::Flag(_) | Raw::List(_) | Raw::Other => None,
    }
}

pub(super) fn whole<T>(range: RangeInclusive<T>) -> Rule<T>
where
    T: FromStr + PartialOrd + Display + Copy + TryInto<i64> + 'static,
{
    Rule::new(
        format!("a whole number from {} to {}", range.start(), range.end()),
        move |value| as_described(parsed(value).filter(|number| range.contains(number))),
        |number| (*number).try_into().unwrap_or(i64::MAX).into(),
    )
}

pub(super) fn number(range: RangeInclusive<f64>) -> Rule<f64> {
    Rule::new(
        format!("a number from {} to {}", range.start(), range.end()),
        move |value| as_described(parsed(value).filter(|number| range.contains(number))),
        // `10`, not `10.0`.
        |number| number.to_string().parse::<i64>().map_or((*number).into(), Into::into),
    )
}

/// A positive whole number with a specific meaning: an amount, an id.
pub(super) fn positive<T>(
    words: &'static str,
    make: impl Fn(i64) -> Option<T> + 'static,
    number: impl Fn(&T) -> i64 + 'static,
) -> Rule<T> {
    let read = move |value: &Value| as_described(parsed(value).filter(|number| *number > 0).and_then(&make));
    Rule::new(words, read, move |value| number(value).into())
}

pub(super) fn duration(range: RangeInclusive<Duration>) -> Rule<Duration> {
    Rule::new(
        format!("a duration from \"{}\" to \"{}\"", duration_text(*range.start()), duration_text(*range.end())),
        move |value| as_described(one_duration(&value.raw).filter(|duration| range.contains(duration))),
        |duration| duration_text(*duration).into(),
    )
}

fn one_duration(raw: &Raw) -> Option<Duration> {
    match raw {
        Raw::Text(text) | Raw::Environment(text) => humantime::parse_duration(text).ok(),
        Raw::Number(_) | Raw::Flag(_) | Raw::List(_) | Raw::Other => None,
    }
}

/// A duration in the largest unit that needs no fraction: `90s`, `5m`, `1d`.
pub(super) fn duration_text(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (unit, word) = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (SECOND, "s")]
        .into_iter()
        .find(|(unit, _)| millis > 0 && millis.is_multiple_of(unit.as_millis()))
        .unwrap_or((SHORTEST, "ms"));
    format!("{}{word}", millis / unit.as_millis())
}

/// A list of durations that is not empty.
pub(super) fn durations(range: RangeInclusive<Duration>) -> Rule<Vec<Duration>> {
    let item = duration(range.clone()).words;
    let read = move |value: &Value| {
        let one = |raw: &Raw| one_duration(raw).filter(|duration| range.contains(duration));
        let durations = list(&value.raw, |raw| one(raw).ok_or_else(|| format!("must be {item}")))?;
        if durations.is_empty() { Err("must not be empty".into()) } else { Ok(durations) }
    };
    let show = |durations: &Vec<Duration>| durations.iter().copied().map(duration_text).collect::<Vec<_>>().into();
    Rule::new("a list of durations, for example [\"5s\", \"1m\"]", read, show)
}

/// A list by the rule of its items; in the environment separated by commas, and empty for none.
pub(super) fn list<T>(raw: &Raw, item: impl Fn(&Raw) -> Read<T>) -> Read<Vec<T>> {
    let items = match raw {
        Raw::List(items) => items.clone(),
        Raw::Environment(text) if text.is_empty() => Vec::new(),
        Raw::Environment(text) => text.split(',').map(|item| Raw::Environment(item.trim().to_owned())).collect(),
        Raw::Text(_) | Raw::Number(_) | Raw::Flag(_) | Raw::Other => return as_described(None),
    };
    if items.len() > MAX_LIST {
        return Err(format!("must have at most {MAX_LIST} entries"));
    }
    let one = |(index, raw)| item(raw).map_err(|rule| format!("entry {}: {rule}", index + 1));
    items.iter().enumerate().map(one).collect()
}

/// One of a few words, each with its meaning.
pub(super) fn word<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Rule<T> {
    let find = move |given: &str| words.iter().find(|(word, _)| *word == given).map(|(_, meaning)| *meaning);
    Rule::new(
        words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or "),
        move |value| match &value.raw {
            Raw::Text(text) | Raw::Environment(text) => as_described(find(text)),
            Raw::Number(_) | Raw::Flag(_) | Raw::List(_) | Raw::Other => as_described(None),
        },
        move |value| words.iter().find(|(_, meaning)| meaning == value).map_or("", |(word, _)| word).into(),
    )
}

/// `true` or `false`, each with its meaning.
pub(super) fn flag<T: Copy + PartialEq + 'static>(yes: T, no: T) -> Rule<T> {
    let read = move |value: &Value| match &value.raw {
        Raw::Flag(flag) => Ok(if *flag { yes } else { no }),
        Raw::Environment(text) if text == "true" => Ok(yes),
        Raw::Environment(text) if text == "false" => Ok(no),
        Raw::Environment(_) | Raw::Text(_) | Raw::Number(_) | Raw::List(_) | Raw::Other => as_described(None),
    };
    Rule::new("true or false", read, move |value| (*value == yes).into())
}
