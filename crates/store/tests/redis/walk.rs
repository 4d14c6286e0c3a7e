//! A long random walk over all scripts, with workers that die, stall, repeat themselves and lose replies. After each step:
//! no job is forgotten, and none is called unsent that may have been sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bursar_domain::{Call, Due, Millis, Operation, State};
use bursar_store::{Claim, Claimed, Commit, Operator};

use crate::scene::{LEASE, Scene, asked, held, sent};

const STEPS: usize = 1_500;
/// Keys in play at a time; they move on, for jobs end.
const KEYS: u64 = 10;
const STEPS_A_KEY: u64 = 40;
const SETS: [&str; 4] = ["to_send", "to_ask", "review", "done"];
const OPERATOR: Operator<'_> = Operator { who: "li", why: "because" };

/// xorshift: a walk can be walked again by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

struct Walk {
    scene: Scene,
    dice: Dice,
    /// Claims that some worker believes to hold; it may be long wrong.
    believed: Vec<Claimed>,
    /// Fences under which the bytes may have left: claimed for a send, and neither given back nor certainly not executed.
    maybe_sent: BTreeMap<String, BTreeSet<u64>>,
    steps: u64,
    /// What was committed or given back, to be repeated.
    commits: Vec<Commit>,
    releases: Vec<(String, u64)>,
    trail: Vec<String>,
}

impl Walk {
    fn key(&mut self) -> String {
        format!("k{}", self.steps / STEPS_A_KEY + self.dice.below(KEYS))
    }

    async fn step(&mut self) {
        self.steps += 1;
        match self.dice.below(16) {
            0 | 1 => {
                let key = self.key();
                self.scene.store.submit(&[crate::scene::transfer(&key)]).await.unwrap();
            }
            2..=4 => self.claim().await,
            5..=7 => self.finish().await,
            8 => self.give_back().await,
            9 => self.let_one_come_due().await,
            10 => self.repeat().await,
            11 => self.operate().await,
            12 => {
                let names: Vec<_> = self.believed.iter().map(held).collect();
                self.scene.store.renew(&self.scene.lane, "w0", LEASE, &names).await.unwrap();
            }
            13 => {
                let key = self.key().parse().unwrap();
                self.scene.store.wake(&self.scene.lane, &key).await.unwrap();
            }
            14 => {
                // The worker dies: nobody believes in these any more.
                let dead = self.dice.below(3);
                self.believed.retain(|job| job.fence % 3 != dead);
            }
            _ => {
                self.scene.store.purge(&self.scene.lane, Duration::ZERO, 1).await.unwrap();
            }
        }
    }

    async fn claim(&mut self) {
        let worker = format!("w{}", self.dice.below(3));
        let wish = Claim { slots: self.dice.below(4) as usize, ..self.scene.wish(&worker, 0) };
        let claims = self.scene.store.claim(&self.scene.lane, &wish).await.unwrap();
        assert!(claims.orphans.is_empty(), "{:?}", claims.orphans);
        if self.dice.below(5) == 0 {
            self.trail.push(format!("lost claim of {:?}", crate::scene::keys(&claims)));
            let given_back = self.scene.store.unclaim(&self.scene.lane, &worker, wish.number).await.unwrap();
            assert_eq!(given_back, claims.jobs.len());
            return;
        }
        for job in claims.jobs {
            self.trail.push(format!("{worker} claims {} to {:?}, fence {}", job.key, job.call, job.fence));
            if job.call == Call::Send {
                self.maybe_sent.entry(job.key.to_string()).or_default().insert(job.fence);
            }
            self.believed.push(job);
        }
    }

    fn pick(&mut self) -> Option<Claimed> {
        if self.believed.is_empty() {
            return None;
        }
        let at = self.dice.below(self.believed.len() as u64) as usize;
        Some(self.believed.swap_remove(at))
    }

    async fn finish(&mut self) {
        let Some(job) = self.pick() else { return };
        let later = Millis(if self.dice.below(2) == 0 { 1 } else { 99_999_999_999_999 });
        let unsent = job.call == Call::Send && self.dice.below(3) == 0;
        let commit = match (job.call, job.state) {
            (Call::Send, State::Queued) if unsent => sent(&job, State::Queued, Due::Send(later)),
            (Call::Send, state) if unsent => sent(&job, state, Due::Send(later)),
            (Call::Ask, state) if state.is_terminal() => asked(&job, state, Due::Never),
            (call, _) => {
                let (state, due) = match self.dice.below(6) {
                    0 => (State::InDoubt, Due::Ask(later)),
                    1 => (State::InDoubt, Due::Send(later)),
                    2 => (State::Pending, Due::Ask(later)),
                    3 => (State::NeedsReview, Due::Never),
                    4 => (State::Succeeded, Due::Never),
                    _ => (State::Refunded, Due::Never),
                };
                if call == Call::Send { sent(&job, state, due) } else { asked(&job, state, due) }
            }
        };
        self.trail
            .push(format!("commits {} fence {} as {} {:?}", job.key, job.fence, commit.next.state, commit.next.due));
        self.scene.commit(&commit).await;
        if unsent {
            self.never_left(job.key.as_str(), job.fence);
        }
        self.commits.push(commit);
    }

    async fn give_back(&mut self) {
        let Some(job) = self.pick() else { return };
        self.trail.push(format!("gives back {} fence {}", job.key, job.fence));
        self.scene.store.release(&self.scene.lane, &[held(&job)]).await.unwrap();
        if job.call == Call::Send {
            self.never_left(job.key.as_str(), job.fence);
        }
        self.releases.push(held(&job));
    }

    fn never_left(&mut self, key: &str, fence: u64) {
        self.maybe_sent.entry(key.to_owned()).or_default().remove(&fence);
    }

    async fn let_one_come_due(&mut self) {
        let key = self.key();
        let set = if self.dice.below(2) == 0 { "to_send" } else { "to_ask" };
        self.scene.let_come_due(set, &key).await;
    }

    /// Replies get lost, and their calls are made again, however late.
    async fn repeat(&mut self) {
        if !self.commits.is_empty() {
            let at = self.dice.below(self.commits.len() as u64) as usize;
            self.scene.commit(&self.commits[at].clone()).await;
        }
        if !self.releases.is_empty() {
            let at = self.dice.below(self.releases.len() as u64) as usize;
            self.scene.store.release(&self.scene.lane, &[self.releases[at].clone()]).await.unwrap();
        }
    }

    async fn operate(&mut self) {
        let operations = [Operation::Ask, Operation::Send, Operation::Cancel, Operation::Resolve(State::Succeeded)];
        let operation = operations[self.dice.below(4) as usize];
        let key = self.key();
        let outcome =
            self.scene.store.operate(&self.scene.lane, &key.parse().unwrap(), operation, OPERATOR).await.unwrap();
        if matches!(outcome, bursar_store::Operated::Done(_)) {
            self.trail.push(format!("{operation:?} on {key}"));
        }
    }

    async fn check(&self) {
        let keys: Vec<String> = (0..self.steps / STEPS_A_KEY + KEYS).map(|number| format!("k{number}")).collect();
        let mut look = redis::Pipeline::new();
        for key in &keys {
            look.hgetall(self.scene.name(&format!("job:{key}")));
            for set in SETS {
                look.zscore(self.scene.name(set), key);
            }
        }
        let replies: Vec<redis::Value> = look.query_async(&mut self.scene.raw.clone()).await.unwrap();
        for (key, reply) in keys.iter().zip(replies.chunks(1 + SETS.len())) {
            let record: HashMap<String, Vec<u8>> = redis::from_redis_value(reply[0].clone()).unwrap();
            let record = record.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
            let sets: Vec<&str> = SETS
                .into_iter()
                .zip(&reply[1..])
                .filter(|(_, due)| **due != redis::Value::Nil)
                .map(|(set, _)| set)
                .collect();
            let may_be_paid = self.maybe_sent.get(key).is_some_and(|fences| !fences.is_empty());
            self.check_job(key, &record.collect(), &sets, may_be_paid);
        }
    }

    fn check_job(&self, key: &str, record: &HashMap<String, String>, sets: &[&str], may_be_paid: bool) {
        let tell = || format!("{key}: {record:?} in {sets:?}\n{}", self.trail.join("\n"));
        if record.is_empty() || record.contains_key("z") {
            assert!(sets.is_empty(), "{}", tell());
            assert!(!record.is_empty() || !may_be_paid, "forgotten: {}", tell());
            return;
        }
        let state: State = record["s"].parse().unwrap();
        let allowed: &[&[&str]] = match state {
            _ if record.contains_key("w") => &[&["to_ask"], &["to_ask", "done"]],
            State::Queued => &[&["to_send"]],
            State::InDoubt | State::Pending => &[&["to_send"], &["to_ask"]],
            State::NeedsReview => &[&["review"]],
            State::Succeeded => &[&["done"], &["to_ask", "done"]],
            State::Failed | State::Refunded | State::Cancelled => &[&["done"]],
        };
        assert!(allowed.contains(&sets), "{}", tell());
        let says_unsent = [State::Queued, State::Cancelled, State::Failed].contains(&state);
        assert!(!(says_unsent && may_be_paid), "a maybe has become a no: {}", tell());
    }
}

#[tokio::test]
async fn whatever_dies_stalls_or_repeats_no_job_is_forgotten_and_no_maybe_becomes_a_no() {
    let seed = std::env::var("BURSAR_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = seed.map_or_else(|| vec![1, 7, 4_242, std::process::id().into()], |seed| vec![seed]);
    for seed in seeds {
        println!("BURSAR_SEED={seed}");
        let mut walk = Walk {
            scene: Scene::new().await,
            dice: Dice(seed * 2 + 1),
            believed: Vec::new(),
            maybe_sent: BTreeMap::new(),
            steps: 0,
            commits: Vec::new(),
            releases: Vec::new(),
            trail: Vec::new(),
        };
        for step in 0..STEPS {
            walk.step().await;
            if step % 3 == 0 {
                walk.check().await;
            }
        }
        walk.check().await;
    }
}
