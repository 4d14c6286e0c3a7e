//! The choice of a request's fault: first the rules that were set, then the profile's seeded chance.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chance;
use crate::fault::{Execution, Fault};

/// Rules that wait at one time; more is a mistake of the caller's.
const MAX_RULES: usize = 10_000;
const THOUSAND: u64 = 1_000;

/// The frequency and the kinds of faults without a rule.
///
/// A correct client survives every fault of a profile without paying twice and without giving up a payment.
/// `invalid-timestamp`, `refused` and `not-paid` are in no profile, because a client may rightly stop on them. After a
/// lost answer to a division, only an operator can find out its outcome: BeingFi has no query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultProfile {
    /// No faults.
    #[default]
    None,
    /// One request in ten.
    Mild,
    /// Four requests in ten.
    Hostile,
}

/// A profile's name that is none of `none`, `mild`, `hostile`.
#[derive(Debug, thiserror::Error)]
#[error("a fault profile is none, mild or hostile; this is {0:?}")]
pub struct UnknownProfile(String);

impl FromStr for FaultProfile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        match name {
            "none" => Ok(Self::None),
            "mild" => Ok(Self::Mild),
            "hostile" => Ok(Self::Hostile),
            _ => Err(UnknownProfile(name.to_owned())),
        }
    }
}

impl fmt::Display for FaultProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Mild => "mild",
            Self::Hostile => "hostile",
        })
    }
}

impl FaultProfile {
    fn faulty_per_thousand(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Mild => 100,
            Self::Hostile => 400,
        }
    }

    fn mixture(self) -> &'static [(Fault, u32)] {
        match self {
            Self::None => &[],
            Self::Mild => MILD,
            Self::Hostile => HOSTILE,
        }
    }
}

const MILD: &[(Fault, u32)] = &[
    (Fault::LostAnswer, 25),
    (Fault::ResetBefore, 15),
    (Fault::BadGatewayBefore, 10),
    (Fault::BadGatewayAfter, 10),
    (Fault::Busy, 15),
    (Fault::GatewayTimeout, 10),
    (Fault::TruncatedJson, 5),
    (Fault::OddShape, 10),
];

const HOSTILE: &[(Fault, u32)] = &[
    (Fault::LostAnswer, 16),
    (Fault::ClosedWithoutAnswer, 6),
    (Fault::ResetBefore, 8),
    (Fault::LateExecution, 4),
    (Fault::HangBefore, 2),
    (Fault::HangAfter, 4),
    (Fault::BadGatewayBefore, 4),
    (Fault::BadGatewayAfter, 6),
    (Fault::Html, 3),
    (Fault::TruncatedJson, 4),
    (Fault::CutBody, 4),
    (Fault::BadSignature, 4),
    (Fault::MissingSignature, 4),
    (Fault::ForgedBusy, 4),
    (Fault::Busy, 6),
    (Fault::GatewayTimeout, 6),
    (Fault::UnknownErrorBefore, 3),
    (Fault::UnknownErrorAfter, 4),
    (Fault::UnknownRefusal, 2),
    (Fault::OtherKey, 2),
    (Fault::OtherAmount, 2),
    (Fault::UnknownStatus, 1),
    (Fault::OddShape, 3),
    (Fault::Trickle, 2),
    (Fault::Redirect, 1),
    (Fault::Oversized, 1),
];

/// The two sorts of calls: one may move money, one never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Call {
    Send,
    Query,
}

/// A requested fault.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rule {
    /// The key it is for; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// The sort of call it is for; both when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) on: Option<Call>,
    pub(crate) fault: Fault,
    /// The number of requests that it still applies to; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
    /// The length of silence, lateness and trickling; see [`Injected::span`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ms: Option<u64>,
}

/// The fault that befalls one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Injected {
    pub(crate) fault: Fault,
    /// Its length; without one it lasts for as long as the client waits.
    pub(crate) span: Option<Duration>,
}

impl Injected {
    /// The delay of the execution; `hang` if the rule names no time.
    pub(crate) fn late_by(&self, hang: Duration) -> Duration {
        match self.fault.execution() {
            Execution::Late => self.span.unwrap_or(hang),
            Execution::Never | Execution::AtOnce => Duration::ZERO,
        }
    }
}

/// The facts about a request from which its fault is chosen.
pub(crate) struct Occasion<'a> {
    pub(crate) key: &'a str,
    pub(crate) call: Call,
    /// The number of earlier requests with this key.
    pub(crate) number: u64,
}

/// More rules than there may be.
#[derive(Debug, thiserror::Error)]
#[error("at most {MAX_RULES} rules wait at one time")]
pub struct TooManyRules;

pub(crate) struct Faults {
    seed: u64,
    /// The length of the profile's own silences.
    hang: Duration,
    set: Mutex<Set>,
}

/// The active faults, as `GET /_faults` shows them.
#[derive(Clone, Serialize)]
pub(crate) struct Set {
    pub(crate) profile: FaultProfile,
    pub(crate) rules: Vec<Rule>,
}

impl Faults {
    pub(crate) fn new(profile: FaultProfile, seed: u64, hang: Duration) -> Self {
        Self { seed, hang, set: Mutex::new(Set { profile, rules: Vec::new() }) }
    }

    pub(crate) fn in_force(&self) -> Set {
        self.lock().clone()
    }

    pub(crate) fn profile(&self) -> FaultProfile {
        self.lock().profile
    }

    pub(crate) fn set_profile(&self, profile: FaultProfile) {
        self.lock().profile = profile;
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Set { profile: FaultProfile::None, rules: Vec::new() };
    }

    pub(crate) fn add(&self, rule: Rule) -> Result<(), TooManyRules> {
        let mut set = self.lock();
        if set.rules.len() >= MAX_RULES {
            return Err(TooManyRules);
        }
        set.rules.push(rule);
        Ok(())
    }

    /// The first rule that matches, else a draw from the profile.
    pub(crate) fn pick(&self, occasion: &Occasion<'_>) -> Option<Injected> {
        let mut set = self.lock();
        if let Some(index) = set.rules.iter().position(|rule| rule.fits(occasion)) {
            return Some(set.take(index));
        }
        self.drawn(set.profile, occasion)
    }

    fn drawn(&self, profile: FaultProfile, occasion: &Occasion<'_>) -> Option<Injected> {
        let about = match occasion.call {
            Call::Send => "send",
            Call::Query => "query",
        };
        let chance = chance::draw(self.seed, about, occasion.key, occasion.number);
        if chance % THOUSAND >= profile.faulty_per_thousand() {
            return None;
        }
        let fault = *chance::weighted(profile.mixture(), chance / THOUSAND)?;
        Some(Injected { fault, span: Some(self.hang) })
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Set {
    /// Uses the rule up by one.
    fn take(&mut self, index: usize) -> Injected {
        let rule = &mut self.rules[index];
        let injected = Injected { fault: rule.fault, span: rule.ms.map(Duration::from_millis) };
        if let Some(times) = &mut rule.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.rules.remove(index);
            }
        }
        injected
    }
}

impl Rule {
    fn fits(&self, occasion: &Occasion<'_>) -> bool {
        self.key.as_deref().is_none_or(|key| key == occasion.key) && self.on.is_none_or(|call| call == occasion.call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(profile: FaultProfile) -> usize {
        let faults = Faults::new(profile, 42, Duration::from_secs(1));
        (0..10_000)
            .filter(|n| {
                let key = format!("K{n}");
                faults.pick(&Occasion { key: &key, call: Call::Send, number: 0 }).is_some()
            })
            .count()
    }

    #[test]
    fn a_profile_spoils_as_many_requests_as_it_says() {
        assert_eq!(faulty(FaultProfile::None), 0);
        assert!((900..1_100).contains(&faulty(FaultProfile::Mild)));
        assert!((3_800..4_200).contains(&faulty(FaultProfile::Hostile)));
    }

    #[test]
    fn a_rule_is_used_up_and_is_only_for_what_it_names() {
        let faults = Faults::new(FaultProfile::None, 0, Duration::ZERO);
        faults
            .add(Rule {
                key: Some("K1".to_owned()),
                on: Some(Call::Query),
                fault: Fault::Busy,
                times: Some(1),
                ms: None,
            })
            .unwrap();
        let pick = |key, call| faults.pick(&Occasion { key, call, number: 0 }).map(|injected| injected.fault);
        assert_eq!(pick("K2", Call::Query), None);
        assert_eq!(pick("K1", Call::Send), None);
        assert_eq!(pick("K1", Call::Query), Some(Fault::Busy));
        assert_eq!(pick("K1", Call::Query), None);
    }

    #[test]
    fn profiles_leave_out_what_a_client_may_rightly_stop_on() {
        for (fault, _) in MILD.iter().chain(HOSTILE) {
            assert!(!matches!(fault, Fault::InvalidTimestamp | Fault::Refused | Fault::NotPaid), "{fault:?}");
        }
    }
}
