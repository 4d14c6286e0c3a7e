//! What values must be. Each rule makes the narrower type of a value, or says in words what it breaks.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bursar_domain::{Fen, PartyTypes};
use bursar_store::Settings;
use bursar_webhooks::IpNet;
use url::Url;

use super::source::{Raw, Value};
use super::{PlainHttp, RedisUrl};

/// The longest text of any key, in characters.
const MAX_TEXT_CHARS: usize = 2_048;

/// The most entries of any list.
const MAX_LIST: usize = 100;

/// The longest name of a queue, in characters: it stands in front of every one of its keys.
const MAX_QUEUE_CHARS: usize = 256;

type Read<T> = Result<T, String>;

/// The shortest part of a message that is believed to mean something: `验签失败` has four characters.
const MIN_PART_CHARS: usize = 4;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The shortest wait that is one: a millisecond.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// Text that is neither empty nor padded.
pub(super) fn text(value: &Value) -> Read<String> {
    plain_text(&value.raw)
}

fn plain_text(raw: &Raw) -> Read<String> {
    let text = match raw {
        Raw::Text(text) | Raw::Environment(text) => text,
        Raw::Number(_) => return Err("must be a text: write it in quotes".into()),
        Raw::Flag(_) | Raw::List(_) | Raw::Other => return Err("must be a text".into()),
    };
    if text.is_empty() {
        return Err("must not be empty".into());
    }
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(format!("must be at most {MAX_TEXT_CHARS} characters long"));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err("must hold no control characters and no white space at its ends".into());
    }
    if let Some(hidden) = bursar_domain::invisible_character(text) {
        return Err(format!(
            "must hold no invisible or direction-changing characters, and holds U+{:04X}",
            u32::from(hidden)
        ));
    }
    Ok(text.clone())
}

/// A list of texts; in the environment separated by commas, and empty for none.
pub(super) fn texts(value: &Value) -> Read<Vec<String>> {
    list(&value.raw, "must be a list of texts", plain_text)
}

/// Parts of a gateway's messages, each long enough to say something.
pub(super) fn parts_of_messages(value: &Value) -> Read<Vec<String>> {
    let parts = texts(value)?;
    match parts.iter().position(|part| part.chars().count() < MIN_PART_CHARS) {
        Some(short) => Err(format!("entry {}: must be at least {MIN_PART_CHARS} characters long", short + 1)),
        None => Ok(parts),
    }
}

/// Types of account as transfers write them.
pub(super) fn party_types(value: &Value) -> Read<PartyTypes> {
    let digits = texts(value)?;
    PartyTypes::read(&digits).ok_or_else(|| "must be a list of digits, each a text: [\"1\", \"2\"]".into())
}

/// What is put behind a gateway's address: `/api/division/query`.
pub(super) fn path(value: &Value) -> Read<String> {
    let path = text(value)?;
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    if path.len() < 2 || !path.starts_with('/') || !path.bytes().all(sane) {
        return Err("must be a path of letters, digits, -, _ and ., like /api/division/query".into());
    }
    Ok(path)
}

/// Names of queues of apalis-redis, each once.
pub(super) fn queues(value: &Value) -> Read<Vec<String>> {
    let queues = texts(value)?;
    if let Some(long) = queues.iter().find(|queue| queue.chars().count() > MAX_QUEUE_CHARS) {
        return Err(format!("must be names of at most {MAX_QUEUE_CHARS} characters: {long} is longer"));
    }
    let mut once = std::collections::BTreeSet::new();
    match queues.iter().find(|queue| !once.insert(*queue)) {
        Some(twice) => Err(format!("must name each queue once: {twice} stands twice")),
        None => Ok(queues),
    }
}

fn list<T>(raw: &Raw, rule: &str, item: impl Fn(&Raw) -> Read<T>) -> Read<Vec<T>> {
    let items = match raw {
        Raw::List(items) => items.clone(),
        Raw::Environment(text) if text.is_empty() => Vec::new(),
        Raw::Environment(text) => text.split(',').map(|item| Raw::Environment(item.trim().to_owned())).collect(),
        Raw::Text(_) | Raw::Number(_) | Raw::Flag(_) | Raw::Other => return Err(rule.to_owned()),
    };
    if items.len() > MAX_LIST {
        return Err(format!("must have at most {MAX_LIST} entries"));
    }
    items
        .iter()
        .enumerate()
        .map(|(index, raw)| item(raw).map_err(|rule| format!("entry {}: {rule}", index + 1)))
        .collect()
}

/// One of a few words, each with its meaning.
pub(super) fn word<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Value) -> Read<T> {
    move |value| {
        let given = match &value.raw {
            Raw::Text(text) | Raw::Environment(text) => text.as_str(),
            Raw::Number(_) | Raw::Flag(_) | Raw::List(_) | Raw::Other => "",
        };
        let meaning = words.iter().find(|(word, _)| *word == given).map(|(_, meaning)| *meaning);
        meaning.ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            format!("must be {}", words.join(" or "))
        })
    }
}

pub(super) fn flag(value: &Value) -> Read<bool> {
    match &value.raw {
        Raw::Flag(flag) => Ok(*flag),
        Raw::Environment(text) if text == "true" => Ok(true),
        Raw::Environment(text) if text == "false" => Ok(false),
        Raw::Environment(_) | Raw::Text(_) | Raw::Number(_) | Raw::List(_) | Raw::Other => {
            Err("must be true or false".into())
        }
    }
}

fn digits(raw: &Raw) -> Option<&str> {
    match raw {
        Raw::Number(text) | Raw::Environment(text) => Some(text),
        Raw::Text(_) | Raw::Flag(_) | Raw::List(_) | Raw::Other => None,
    }
}

pub(super) fn whole(range: RangeInclusive<u32>) -> impl Fn(&Value) -> Read<u32> {
    move |value| {
        let number = digits(&value.raw).and_then(|digits| digits.parse().ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

pub(super) fn number(range: RangeInclusive<f64>) -> impl Fn(&Value) -> Read<f64> {
    move |value| {
        let number = digits(&value.raw).and_then(|digits| digits.parse().ok());
        number
            .filter(|number| range.contains(number))
            .ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
    }
}

/// A number that somebody else gave out.
pub(super) fn id(value: &Value) -> Read<i64> {
    let number = digits(&value.raw).and_then(|digits| digits.parse().ok());
    number.filter(|id| *id > 0).ok_or_else(|| "must be a positive whole number".into())
}

/// An amount of money.
pub(super) fn fen(value: &Value) -> Read<Fen> {
    let number = digits(&value.raw).and_then(|digits| digits.parse().ok());
    number.and_then(Fen::new).ok_or_else(|| "must be a positive whole number of fen".into())
}

pub(super) fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Value) -> Read<Duration> {
    move |value| one_duration(&value.raw, &range)
}

/// A list of durations that is not empty.
pub(super) fn durations(range: RangeInclusive<Duration>) -> impl Fn(&Value) -> Read<Vec<Duration>> {
    move |value| {
        let rule = "must be a list of durations, for example [\"5s\", \"1m\"]";
        let durations = list(&value.raw, rule, |raw| one_duration(raw, &range))?;
        if durations.is_empty() { Err("must not be empty".into()) } else { Ok(durations) }
    }
}

fn one_duration(raw: &Raw, range: &RangeInclusive<Duration>) -> Read<Duration> {
    let written = match raw {
        Raw::Text(text) | Raw::Environment(text) => humantime::parse_duration(text).ok(),
        Raw::Number(_) | Raw::Flag(_) | Raw::List(_) | Raw::Other => None,
    };
    written.filter(|duration| range.contains(duration)).ok_or_else(|| {
        let (low, high) = (duration_text(*range.start()), duration_text(*range.end()));
        format!("must be a duration from \"{low}\" to \"{high}\"")
    })
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

/// A file, relative to the configuration file's folder, or to the current one when an environment variable names it.
pub(super) fn file(value: &Value) -> Read<PathBuf> {
    Ok(value.origin.folder().join(text(value)?))
}

pub(super) fn listen(value: &Value) -> Read<SocketAddr> {
    text(value)?.parse().map_err(|_| "must be IP:PORT, for example \"127.0.0.1:8080\"".into())
}

/// A list of networks: `10.0.0.0/8`, or one address.
pub(super) fn networks(value: &Value) -> Read<Vec<IpNet>> {
    let rule = "must be a list of networks, for example [\"10.20.0.0/16\"]";
    list(&value.raw, rule, |raw| {
        let text = plain_text(raw)?;
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| "must be a network, for example \"10.20.0.0/16\"".into())
    })
}

/// A name that stands in Redis: a part of every key, say, where braces would break the hash tags.
pub(super) fn name(value: &Value) -> Read<String> {
    let name = text(value)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if name.len() > 64 || !name.bytes().all(allowed) {
        return Err("must be 1 to 64 letters, digits, - _ . or :".into());
    }
    Ok(name)
}

/// A URL that the Redis client understands.
pub(super) fn redis_url(value: &Value) -> Read<RedisUrl> {
    const SCHEMES: [&str; 7] = ["redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix", "unix"];
    let text = text(value)?;
    // A path, a query and a fragment have none; a socket's path may.
    let rest = text.split_once("://").filter(|(scheme, _)| !scheme.contains("unix")).map_or("", |(_, rest)| rest);
    if rest.find(['/', '?', '#']).is_some_and(|at| rest[at..].contains('@')) {
        return Err("must have its password percent-encoded: @ is %40, / is %2F, # is %23, ? is %3F".into());
    }
    if RedisUrl::is_sentinels(&text) {
        return match Settings::check_url(&text) {
            Ok(()) => Ok(RedisUrl::new(text)),
            Err(_) => Err("must be redis+sentinel://[user:pass@]host1:port1,host2:port2/name[/db]".into()),
        };
    }
    match Url::parse(&text) {
        Ok(url) if SCHEMES.contains(&url.scheme()) && text.contains("://") => Ok(RedisUrl::new(text)),
        Ok(_) | Err(_) => Err("must be a Redis URL: redis://, rediss://, redis+unix:// or redis+sentinel://".into()),
    }
}

/// Where something is told.
pub(super) fn http_url(value: &Value) -> Read<String> {
    let text = text(value)?;
    let url = Url::parse(&text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
    url.map(|_| text).ok_or_else(|| "must be an http or https URL".into())
}

/// Where a gateway is. Signatures protect its answers from change, only TLS protects them from other eyes.
pub(super) fn base_url(plain: PlainHttp) -> impl Fn(&Value) -> Read<String> {
    move |value| {
        let text = text(value)?;
        let url = Url::parse(&text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
        let Some(url) = url else { return Err("must be an http or https URL".into()) };
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no user, no query and no fragment".into());
        }
        if url.scheme() == "http" && plain == PlainHttp::LoopbackOnly && !is_loopback(&url) {
            return Err("must be https unless it is on this machine (or allow_http = true)".into());
        }
        Ok(text)
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}
