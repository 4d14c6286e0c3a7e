//! Refused attempts: failed tokens, failed sign-ins, and answers of 403. Strangers make them, so everything here is bounded: attempts are
//! counted by client and minute, and a minute ends in few events.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use bursar_domain::{Actor, AuditAction, AuditEvent, AuditResult, AuditTarget};
use tokio::time::Instant;

/// The time over which attempts are counted.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Clients with a separate event in one minute. The attempts of all others are counted together, by action.
const NAMED_A_MINUTE: usize = 20;

/// Separate events of clients in one hour: 240 are 2 MB a day.
const NAMED_AN_HOUR: usize = 240;

/// Networks whose failures are counted at a time. All further ones share one count until the minute ends.
const MAX_NETWORKS: usize = 10_000;

/// Ended events that wait for Redis, at most: an hour's.
const MAX_WAITING: usize = 500;

/// Attempts of one client in a minute that each have a line in the log.
const LOGGED: u64 = 5;

/// The address of an event that counts the attempts of many clients.
const MANY: &str = "*";

/// The attempts of the current minute, and the events of earlier ones.
pub(crate) struct Attempts {
    began: Instant,
    hour: Instant,
    named_in_hour: usize,
    counted: HashMap<Alike, AuditEvent>,
    failures: HashMap<IpAddr, u32>,
    /// The failures of networks beyond [`MAX_NETWORKS`].
    other_failures: u32,
    waiting: Vec<AuditEvent>,
}

/// Attempts of one bearer and network at the same action, refused for the same reason, are one event.
type Alike = (Option<String>, String, AuditAction, Option<String>);

/// One refused attempt.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) actor: Actor,
    /// The client's address; `actor` has it as a text.
    pub(crate) address: IpAddr,
    pub(crate) action: AuditAction,
    pub(crate) target: AuditTarget,
    /// The reason, where the action does not say it.
    pub(crate) why: Option<String>,
}

impl Attempts {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            hour: now,
            named_in_hour: 0,
            counted: HashMap::new(),
            failures: HashMap::new(),
            other_failures: 0,
            waiting: Vec::new(),
        }
    }

    /// Counts an attempt. Returns its event if it has a line in the log.
    pub(crate) fn count(&mut self, attempt: Attempt, now: Instant) -> Option<AuditEvent> {
        self.turn(now);
        let Attempt { actor, address, action, target, why } = attempt;
        let network = network(address);
        if [AuditAction::TokenFailed, AuditAction::SignInFailed].contains(&action) {
            self.count_failure(network);
        }
        let key = (actor.name.clone(), network.to_string(), action, why);
        let is_full = self.counted.len() >= NAMED_A_MINUTE || self.named_in_hour >= NAMED_AN_HOUR;
        let (key, actor) = match self.counted.contains_key(&key) || !is_full {
            true => (key, actor),
            false => ((None, MANY.to_owned(), action, None), Actor::stranger(&MANY)),
        };
        let named = &mut self.named_in_hour;
        let why = key.3.clone();
        let event = self.counted.entry(key).or_insert_with(|| {
            *named += 1;
            AuditEvent { count: 0, ..actor.intends(action, target, None).ended(AuditResult::Refused, why) }
        });
        event.count += 1;
        (event.count <= LOGGED).then(|| AuditEvent { count: 1, ..event.clone() })
    }

    /// The time until a client may try a token again, if its network has failed more often in this minute than allowed; 0 is no limit.
    pub(crate) fn must_wait(&mut self, address: IpAddr, per_minute: u32, now: Instant) -> Option<Duration> {
        self.turn(now);
        let failures = self.failures.get(&network(address)).copied().unwrap_or(self.other_failures);
        (per_minute > 0 && failures > per_minute).then(|| (self.began + MINUTE).saturating_duration_since(now))
    }

    /// The events of ended minutes.
    pub(crate) fn take_ended(&mut self, now: Instant) -> Vec<AuditEvent> {
        self.turn(now);
        std::mem::take(&mut self.waiting)
    }

    /// Every event, those of the current minute among them.
    pub(crate) fn take_all(&mut self) -> Vec<AuditEvent> {
        self.end();
        std::mem::take(&mut self.waiting)
    }

    /// Takes events back that could not be written.
    pub(crate) fn release(&mut self, mut events: Vec<AuditEvent>) {
        events.append(&mut self.waiting);
        events.truncate(MAX_WAITING);
        self.waiting = events;
    }

    fn count_failure(&mut self, network: IpAddr) {
        let failures = match self.failures.len() < MAX_NETWORKS || self.failures.contains_key(&network) {
            true => self.failures.entry(network).or_default(),
            false => &mut self.other_failures,
        };
        *failures = failures.saturating_add(1);
    }

    /// Begins another minute if this one is over.
    fn turn(&mut self, now: Instant) {
        if now.saturating_duration_since(self.hour) >= MINUTE * 60 {
            (self.hour, self.named_in_hour) = (now, 0);
        }
        if now.saturating_duration_since(self.began) >= MINUTE {
            self.began = now;
            self.failures.clear();
            self.other_failures = 0;
            self.end();
        }
    }

    fn end(&mut self) {
        let room = MAX_WAITING.saturating_sub(self.waiting.len());
        self.waiting.extend(std::mem::take(&mut self.counted).into_values().take(room));
    }
}

/// The network whose attempts are counted together: one IPv4 address, or the 2^64 addresses that one IPv6 client chooses from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str, action: AuditAction) -> Attempt {
        let actor = Actor::stranger(&address);
        let target = AuditTarget::file(&"/v1/jobs");
        Attempt { actor, address: address.parse().unwrap(), action, target, why: None }
    }

    fn failed(address: &str) -> Attempt {
        attempt(address, AuditAction::TokenFailed)
    }

    #[test]
    fn a_minute_of_one_client_is_one_event_with_a_count() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        let logged = (0..1_000).filter_map(|_| attempts.count(failed("192.0.2.1"), now)).count();
        assert_eq!(logged, usize::try_from(LOGGED).unwrap());
        attempts.count(failed("192.0.2.2"), now);
        attempts.count(attempt("192.0.2.1", AuditAction::Forbidden), now);
        assert_eq!(attempts.take_ended(now + MINUTE / 2), []);
        let mut ended = attempts.take_ended(now + MINUTE);
        ended.sort_by_key(|event| std::cmp::Reverse(event.count));
        let of = |event: &AuditEvent| (event.address.clone(), event.action, event.count, event.result);
        assert_eq!(of(&ended[0]), ("192.0.2.1".into(), AuditAction::TokenFailed, 1_000, AuditResult::Refused));
        assert_eq!((ended.len(), ended[1].count, ended[2].count), (3, 1, 1));
        assert_eq!(attempts.take_all(), [], "each event is taken once");
    }

    #[test]
    fn each_reason_of_one_client_is_an_event() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        for why in ["li has no role here", "li has no account here", "li has no role here"] {
            attempts.count(Attempt { why: Some(why.to_owned()), ..failed("192.0.2.1") }, now);
        }
        let mut ended: Vec<_> =
            attempts.take_all().into_iter().map(|event| (event.detail.unwrap(), event.count)).collect();
        ended.sort();
        assert_eq!(ended, [("li has no account here".to_owned(), 1), ("li has no role here".to_owned(), 2)]);
    }

    #[test]
    fn a_crowd_makes_few_events_and_every_attempt_counts() {
        let mut now = Instant::now();
        let mut attempts = Attempts::new(now);
        let (mut events, mut count) = (0, 0);
        for _ in 0..60 {
            for client in 0..500 {
                attempts.count(failed(&format!("198.51.{}.{}", client / 250, client % 250)), now);
            }
            now += MINUTE;
            let ended = attempts.take_ended(now);
            events += ended.len();
            count += ended.iter().map(|event| event.count).sum::<u64>();
        }
        assert_eq!(count, 60 * 500);
        assert!(events <= NAMED_AN_HOUR + 60 + NAMED_A_MINUTE, "{events} events");
    }

    #[test]
    fn a_network_waits_after_too_many_failures_and_no_other_does() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        for _ in 0..30 {
            attempts.count(failed("2001:db8:1:2:3::1"), now);
            attempts.count(attempt("192.0.2.9", AuditAction::Forbidden), now);
        }
        assert_eq!(attempts.must_wait("2001:db8:1:2:9::9".parse().unwrap(), 30, now), None);
        attempts.count(failed("2001:db8:1:2:ffff::"), now);
        let wait = |attempts: &mut Attempts, address: &str, limit, now| {
            attempts.must_wait(address.parse().unwrap(), limit, now)
        };
        assert_eq!(wait(&mut attempts, "2001:db8:1:2:9::9", 30, now + MINUTE / 4), Some(MINUTE * 3 / 4));
        for other in ["2001:db8:1:3::1", "192.0.2.9"] {
            assert_eq!(wait(&mut attempts, other, 30, now), None, "{other}");
        }
        assert_eq!(wait(&mut attempts, "2001:db8:1:2::", 0, now), None, "no limit");
        assert_eq!(wait(&mut attempts, "2001:db8:1:2::", 30, now + MINUTE), None, "another minute");
    }

    #[test]
    fn the_tables_are_bounded() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        for client in 0..u32::try_from(MAX_NETWORKS).unwrap() + 100 {
            let address = IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + client)).to_string();
            attempts.count(failed(&address), now);
        }
        assert_eq!((attempts.failures.len(), attempts.other_failures), (MAX_NETWORKS, 100));
        assert!(attempts.counted.len() <= NAMED_A_MINUTE + 1, "{}", attempts.counted.len());
        let event = Actor::process().intends(AuditAction::Reload, AuditTarget::default(), None);
        attempts.release(vec![event; MAX_WAITING + 100]);
        assert_eq!(attempts.take_all().len(), MAX_WAITING);
    }
}
