//! The rules of texts: names, files, addresses, and lists of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use bursar_domain::{ApprovalAction, PartyTypes, Zone};
use bursar_server::IpNet;
use bursar_store::Settings;
use bursar_webhooks::AllowedNetwork;
use toml::Value as Toml;
use url::{Host, Url};

use super::redis_url::{ReceiverUrl, RedisUrl};
use super::rules::{Read, Rule, as_described, list};
use super::source::{Raw, Value};

/// The longest text of any key, in characters.
const MAX_TEXT_CHARS: usize = 2_048;

/// The longest name of a queue, in characters: each of the queue's keys in Redis begins with it.
const MAX_QUEUE_CHARS: usize = 256;

/// The shortest part of a message that is believed to mean something: `验签失败` has four characters.
const MIN_PART_CHARS: usize = 4;

/// The most ports that receivers of webhooks may have: each has a client.
const MAX_PORTS: usize = 32;

/// The rule of `ca_only`.
pub(super) const CA_ONLY: &str = "has no meaning without ca_file";

/// A text that is neither empty nor padded and holds nothing invisible.
fn plain(raw: &Raw) -> Read<String> {
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
        let code = u32::from(hidden);
        return Err(format!("must hold no invisible or direction-changing characters, and holds U+{code:04X}"));
    }
    Ok(text.clone())
}

/// A text that `parse` takes.
pub(super) fn parsed<T>(
    words: &'static str,
    parse: impl Fn(String) -> Read<T> + 'static,
    show: impl Fn(&T) -> Toml + 'static,
) -> Rule<T> {
    Rule::new(words, move |value| parse(plain(&value.raw)?), show)
}

/// A text that has the form that `fits` checks.
fn fitting(words: &'static str, fits: impl Fn(&str) -> bool + 'static) -> Rule<String> {
    parsed(words, move |text| as_described(fits(&text).then_some(text)), |text| text.as_str().into())
}

pub(super) fn text() -> Rule<String> {
    fitting("a text", |_| true)
}

/// A name that is part of keys in Redis, where braces would break the hash tags.
pub(super) fn name() -> Rule<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    fitting("1 to 64 letters, digits, - _ . or :", move |name| name.len() <= 64 && name.bytes().all(allowed))
}

/// The part of an address behind the host: `/api/division/query`.
pub(super) fn path() -> Rule<String> {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
    fitting("a path of letters, digits, -, _ and ., like /api/division/query", move |path| {
        path.len() >= 2 && path.starts_with('/') && path.bytes().all(sane)
    })
}

/// A time zone of the IANA database.
pub(super) fn time_zone() -> Rule<Zone> {
    let words = "a time zone's IANA name, for example \"Asia/Shanghai\"";
    parsed(words, |text| as_described(Zone::read(&text)), |zone: &Zone| zone.name().into())
}

pub(super) fn listen() -> Rule<SocketAddr> {
    let words = "IP:PORT, for example \"127.0.0.1:8080\"";
    parsed(words, |text| as_described(text.parse().ok()), |address: &SocketAddr| address.to_string().into())
}

/// A file, relative to the configuration file's folder, or to the current one when an environment variable names it.
pub(super) fn file() -> Rule<PathBuf> {
    let read = |value: &Value| Ok(value.origin.folder().join(plain(&value.raw)?));
    Rule::new("a path", read, |path| path.display().to_string().into())
}

fn http(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"))
}

/// An address that messages are posted to. It may hold a secret.
pub(super) fn receiver_url() -> Rule<ReceiverUrl> {
    let parse = |text: String| as_described(http(&text).map(|_| ReceiverUrl::new(text)));
    parsed("an http or https URL", parse, |url| url.to_string().into())
}

/// An address that paths are added to.
pub(super) fn base_url() -> Rule<String> {
    let parse = |text: String| match http(&text) {
        None => as_described(None),
        Some(url) if url.query().is_some() || url.fragment().is_some() || url.authority().contains('@') => {
            Err("must hold no user, no query and no fragment".into())
        }
        Some(_) => Ok(text),
    };
    parsed("an http or https URL", parse, |url| url.as_str().into())
}

/// An address that secrets and people's names go to.
pub(super) fn https_url() -> Rule<String> {
    let parse = |text: String| match http(&text) {
        Some(url) if !is_exposed(&text) && url.fragment().is_none() && !url.authority().contains('@') => Ok(text),
        Some(_) | None => as_described(None),
    };
    parsed("an https URL, or an http URL of this machine, without user and fragment", parse, |url| url.as_str().into())
}

/// True for plain http to another machine.
pub(super) fn is_exposed(base_url: &str) -> bool {
    let is_loopback = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    Url::parse(base_url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}

/// A URL that the Redis client understands.
pub(super) fn redis_url() -> Rule<RedisUrl> {
    const SCHEMES: [&str; 7] = ["redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix", "unix"];
    let parse = |text: String| {
        // A path, a query and a fragment hold no @; a socket's path may.
        let rest = text.split_once("://").filter(|(scheme, _)| !scheme.contains("unix")).map_or("", |(_, rest)| rest);
        if rest.find(['/', '?', '#']).is_some_and(|at| rest[at..].contains('@')) {
            return Err("must have its password percent-encoded: @ is %40, / is %2F, # is %23, ? is %3F".into());
        }
        let url = RedisUrl::new(text);
        if url.is_sentinel() {
            let rule = "must be redis+sentinel://[user:pass@]host1:port1,host2:port2/name[/db]";
            return Settings::check_url(url.expose()).map_err(|_| rule.to_owned()).map(|()| url);
        }
        let is_known = Url::parse(url.expose()).is_ok_and(|parsed| SCHEMES.contains(&parsed.scheme()));
        as_described((is_known && url.expose().contains("://")).then_some(url))
    };
    let words = "a Redis URL: redis://, rediss://, redis+unix:// or redis+sentinel://";
    parsed(words, parse, |url| url.to_string().into())
}

/// A list of texts that `make` takes.
pub(super) fn listed<T>(
    words: &'static str,
    make: impl Fn(Vec<String>) -> Read<T> + 'static,
    show: impl Fn(&T) -> Vec<String> + 'static,
) -> Rule<T> {
    Rule::new(words, move |value| make(list(&value.raw, plain)?), move |value| show(value).into())
}

pub(super) fn texts() -> Rule<Vec<String>> {
    listed("a list of texts", Ok, Vec::clone)
}

/// Parts of a gateway's messages. A part of one or two characters would fit any of them.
pub(super) fn parts_of_messages() -> Rule<Vec<String>> {
    let make = |parts: Vec<String>| match parts.iter().position(|part| part.chars().count() < MIN_PART_CHARS) {
        Some(short) => Err(format!("entry {}: must be at least {MIN_PART_CHARS} characters long", short + 1)),
        None => Ok(parts),
    };
    listed("a list of texts", make, Vec::clone)
}

/// Names of queues of apalis-redis, each once.
pub(super) fn queues() -> Rule<Vec<String>> {
    let make = |queues: Vec<String>| {
        if let Some(long) = queues.iter().find(|queue| queue.chars().count() > MAX_QUEUE_CHARS) {
            return Err(format!("must be names of at most {MAX_QUEUE_CHARS} characters: {long} is longer"));
        }
        let mut once = BTreeSet::new();
        match queues.iter().find(|queue| !once.insert(*queue)) {
            Some(twice) => Err(format!("must name each queue once: {twice} is there twice")),
            None => Ok(queues),
        }
    };
    listed("a list of texts", make, Vec::clone)
}

/// Actions that can need two operators, each once.
pub(super) fn approval_actions() -> Rule<Vec<ApprovalAction>> {
    let make = |words: Vec<String>| {
        let mut actions: Vec<ApprovalAction> = Vec::new();
        for word in &words {
            let action = ApprovalAction::ALL.into_iter().find(|action| action.as_str() == word);
            match action.filter(|action| !actions.contains(action)) {
                Some(action) => actions.push(action),
                None => return as_described(None),
            }
        }
        if actions.is_empty() { Err("must not be empty: set approvals = 1 instead".into()) } else { Ok(actions) }
    };
    let words = "a list of \"send\", \"resolve\", \"resume_lost_writes\" and \"quarantine_drop\", each at most once";
    listed(words, make, |actions| actions.iter().map(|action| action.as_str().to_owned()).collect())
}

/// Networks: `10.0.0.0/8`, or one address.
pub(super) fn networks() -> Rule<Vec<IpNet>> {
    let network = |(index, text): (usize, String)| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| format!("entry {}: must be a network, for example \"10.20.0.0/16\"", index + 1))
    };
    let make = move |texts: Vec<String>| texts.into_iter().enumerate().map(network).collect();
    let show = |networks: &Vec<IpNet>| networks.iter().map(ToString::to_string).collect();
    listed("a list of networks, for example [\"10.20.0.0/16\"]", make, show)
}

/// Networks, each with its ports: `10.0.0.0/8`, `10.0.0.0/8:8443`, or one address.
pub(super) fn networks_with_ports() -> Rule<Vec<AllowedNetwork>> {
    let network = |(index, text): (usize, String)| {
        text.parse::<AllowedNetwork>().map_err(|error| format!("entry {}: {error}", index + 1))
    };
    let make = move |texts: Vec<String>| {
        let networks: Vec<AllowedNetwork> = texts.into_iter().enumerate().map(network).collect::<Read<_>>()?;
        let ports: BTreeSet<u16> = networks.iter().flat_map(AllowedNetwork::named_ports).collect();
        if ports.len() > MAX_PORTS {
            return Err(format!("must name at most {MAX_PORTS} ports: \":*\" is all"));
        }
        Ok(networks)
    };
    let show = |networks: &Vec<AllowedNetwork>| networks.iter().map(ToString::to_string).collect();
    listed("a list of networks, for example [\"10.20.0.0/16:8443\"]", make, show)
}

/// Types of account as transfers write them.
pub(super) fn party_types() -> Rule<PartyTypes> {
    let make = |digits: Vec<String>| as_described(PartyTypes::read(&digits));
    listed("a list of digits, each a text: [\"1\", \"2\"]", make, |types| types.list())
}
