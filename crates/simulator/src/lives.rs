//! The life of each key: the one that was set, else a draw by the active weights.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::chance;
use crate::faults::FaultProfile;
use crate::life::{Life, Status, TradeNo};

pub(crate) struct Lives {
    seed: u64,
    /// The weights at the start; none is the profile's own.
    configured: Option<Vec<(Life, u32)>>,
    set: Mutex<Set>,
}

struct Set {
    given: HashMap<String, Life>,
    weights: Option<Vec<(Life, u32)>>,
}

impl Lives {
    pub(crate) fn new(configured: Option<Vec<(Life, u32)>>, seed: u64) -> Self {
        let set = Mutex::new(Set { given: HashMap::new(), weights: configured.clone() });
        Self { seed, configured, set }
    }

    pub(crate) fn of(&self, key: &str, profile: FaultProfile) -> Life {
        let set = self.lock();
        if let Some(life) = set.given.get(key) {
            return life.clone();
        }
        let chance = chance::draw(self.seed, "life", key, 0);
        let drawn = match &set.weights {
            Some(weights) => chance::weighted(weights, chance).cloned(),
            None => chance::weighted(&customary(profile), chance).cloned(),
        };
        drawn.unwrap_or_else(|| Life::of(&[Status::Succeeded]))
    }

    /// True if the key's life was set to one that begins with a failure.
    pub(crate) fn begins_failed(&self, key: &str) -> bool {
        self.lock().given.get(key).is_some_and(Life::begins_failed)
    }

    pub(crate) fn give(&self, key: &str, life: Life) {
        self.lock().given.insert(key.to_owned(), life);
    }

    pub(crate) fn weigh(&self, weights: Vec<(Life, u32)>) {
        self.lock().weights = Some(weights);
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Set { given: HashMap::new(), weights: self.configured.clone() };
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The default lives of keys, with their weights in hundredths.
fn customary(profile: FaultProfile) -> Vec<(Life, u32)> {
    use Status::{Failed, Processing, Refunded, Succeeded, Waiting};

    let life = Life::of;
    match profile {
        FaultProfile::None => vec![(life(&[Succeeded]), 100)],
        FaultProfile::Mild => vec![
            (life(&[Succeeded]), 50),
            (life(&[Processing, Succeeded]), 30),
            (life(&[Waiting, Processing, Succeeded]), 10),
            (life(&[Processing, Failed]), 5),
            (life(&[Failed]), 5),
        ],
        FaultProfile::Hostile => vec![
            (life(&[Succeeded]), 30),
            (life(&[Processing, Succeeded]), 25),
            (life(&[Waiting, Processing, Succeeded]), 10),
            (life(&[Waiting, Processing, Succeeded]).with_trade_no(TradeNo::WithheldWhileWaiting), 10),
            (life(&[Processing, Failed]), 10),
            (life(&[Failed]), 7),
            (life(&[Processing, Refunded]), 4),
            (life(&[Succeeded, Refunded]), 4),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profiles_lives_weigh_a_hundred() {
        for profile in [FaultProfile::None, FaultProfile::Mild, FaultProfile::Hostile] {
            let total: u32 = customary(profile).iter().map(|(_, weight)| weight).sum();
            assert_eq!(total, 100, "{profile}");
        }
    }

    #[test]
    fn a_key_keeps_the_life_it_was_given() {
        let lives = Lives::new(None, 3);
        assert_eq!(lives.of("K", FaultProfile::None).to_string(), "1");
        lives.give("K", Life::of(&[Status::Waiting, Status::Failed]));
        lives.weigh(vec![(Life::of(&[Status::Refunded]), 1)]);
        assert_eq!(lives.of("K", FaultProfile::None).to_string(), "n-0");
        assert_eq!(lives.of("L", FaultProfile::None).to_string(), "2");
        lives.clear();
        assert_eq!(lives.of("K", FaultProfile::None).to_string(), "1");
    }
}
