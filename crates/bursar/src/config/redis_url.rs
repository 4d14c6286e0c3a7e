//! Addresses that hold secrets, and how they are shown without them.

use std::fmt;

const MASK: &str = "***";

/// Redis's address. It may hold a password, so it is masked wherever it is shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct RedisUrl(String);

impl RedisUrl {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// True if it asks for TLS.
    pub(super) fn is_tls(&self) -> bool {
        ["rediss:", "valkeys:", "rediss+sentinel:"].iter().any(|scheme| self.0.starts_with(scheme))
    }

    /// True if it names sentinels: a list of hosts, which other URLs do not have.
    pub(crate) fn is_sentinel(&self) -> bool {
        self.0.starts_with("redis+sentinel://") || self.0.starts_with("rediss+sentinel://")
    }

    /// True if a part of it is masked where it is shown.
    pub(crate) fn has_secret(&self) -> bool {
        self.to_string() != self.0
    }

    /// The URL with its password: for connecting, never for showing.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// The address of a receiver. It may hold a password or a token, so it is masked wherever it is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ReceiverUrl(String);

impl ReceiverUrl {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The whole URL: for posting, never for showing.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReceiverUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for ReceiverUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Parameters of a URL that hold no secret.
const OPEN_PARAMETERS: [&str; 4] = ["db", "protocol", "sentinel_user", "user"];

/// A URL without its secrets. A password that was not percent-encoded holds anything, so all up to the last `@` is hidden but the
/// user's name, and everything where even that tells nothing of the password's end.
fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return MASK.to_owned() };
    let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
    if user.is_some_and(|user| user.contains(['?', '#'])) || place.contains('#') {
        return format!("{scheme}://{MASK}");
    }
    let user = match user.map(|user| user.split_once(':')) {
        None => String::new(),
        Some(None) => format!("{MASK}@"),
        Some(Some((name, _))) => format!("{name}:{MASK}@"),
    };
    let (place, query) = place.split_once('?').map_or((place, None), |(place, query)| (place, Some(query)));
    let mut shown = format!("{scheme}://{user}{place}");
    for (number, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if number == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if OPEN_PARAMETERS.contains(&name) => shown.push_str(pair),
            Some((name, _)) => shown.push_str(&format!("{name}={MASK}")),
            None => shown.push_str(MASK),
        }
    }
    shown
}
