//! The same story on the store itself.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use bursar_domain::{Call, Due, Job, Lane, Millis, Next};
use bursar_store::{
    Asked, Claim, ClaimId, Claimed, Commit, Evidence, Known, Operated, Operator, Renewal, Resend, Sends, Submission,
};

use super::picture::ticks;
use super::reference::{Ending, HandedOut, Model, Told};
use super::story::{Handed, KEYS, Order, Outcome, Reply, Step, TICK_MINUTES, Then, Wish};
use crate::scene::{Scene, bill, parse};

const OPERATOR: Operator<'_> = Operator { who: "li", why: "because" };

/// Lets time pass for one lane: everything that it remembers becomes older by so many milliseconds.
const AGE: &str = "
    local base, ms = KEYS[1], tonumber(ARGV[1])
    for _, set in ipairs({ 'to_send', 'to_ask', 'review', 'done' }) do
      for _, key in ipairs(redis.call('ZRANGE', base .. set, 0, -1)) do redis.call('ZINCRBY', base .. set, -ms, key) end
    end
    local function older(hash, field, by)
      if redis.call('HEXISTS', hash, field) == 1 then redis.call('HINCRBY', hash, field, -by) end
    end
    for at = 2, #ARGV do
      local job = base .. 'job:' .. ARGV[at]
      for _, field in ipairs({ 't1', 'o' }) do older(job, field, ms) end
      for hash, field in pairs({ [job] = 'm', [base .. 'held'] = ARGV[at] }) do
        local text = redis.call('HGET', hash, field)
        local function older_time(time) return string.format('%d', time - ms) end
        if text then redis.call('HSET', hash, field, (string.gsub(text, string.rep('%d', 13), older_time))) end
      end
    end
    older(base .. 'lane', 'resumed_at', ms)
    older(base .. 'lane', 'tat', ms * 1000)
    for _, receipt in ipairs({ 'w1', 'w2', 'w3' }) do
      local left = redis.call('PTTL', base .. 'claim:' .. receipt)
      if left > ms then redis.call('PEXPIRE', base .. 'claim:' .. receipt, left - ms)
      elseif left >= 0 then redis.call('DEL', base .. 'claim:' .. receipt) end
    end";

/// A lane of a real Redis.
pub(crate) struct Real {
    pub(crate) scene: Scene,
    /// How things stood before the step that comes next.
    pub(crate) before: Model,
    /// When the step that is under way began, and when the last one was over, in Redis time.
    at_ms: u64,
    over_ms: u64,
    /// The tokens of the claims that were handed out.
    tokens: Mutex<HashMap<(&'static str, u64), String>>,
}

fn tick(ticks: u64) -> Duration {
    Duration::from_secs(ticks * TICK_MINUTES * 60)
}

impl Real {
    pub(crate) async fn new() -> Self {
        let lane: Lane = "main/bill_upload".parse().unwrap();
        let scene = Scene { lane, ..Scene::new().await };
        Self { scene, before: Model::default(), at_ms: 0, over_ms: 0, tokens: Mutex::default() }
    }

    /// Does one step; what it was told. `after` is the reference after the same step.
    pub(crate) async fn does(&mut self, step: &Step, after: &Model) -> Told {
        // No two steps in one millisecond, or which of them came first would be decided by the keys' names.
        while self.at_ms <= self.over_ms {
            self.at_ms = self.scene.now().await;
        }
        let told = self.tells(step, after).await;
        self.over_ms = self.scene.now().await;
        told
    }

    async fn tells(&self, step: &Step, after: &Model) -> Told {
        let (store, lane) = (&self.scene.store, &self.scene.lane);
        match step {
            Step::Submit(orders) => {
                let jobs: Vec<Job> = orders.iter().map(|order| self.job(order)).collect();
                Told::Submitted(store.submit(&jobs).await.unwrap().iter().map(in_words).collect())
            }
            Step::Claim(wish) => self.claim(wish, after).await,
            Step::Unclaim(worker) => {
                Told::Count(store.unclaim(lane, worker, after.workers[worker].claims).await.unwrap())
            }
            Step::Renew(handed, lease) => {
                let renewal = Renewal::new(handed.worker, tick(*lease));
                let renewed = store.renew(lane, &renewal, &[self.id(handed)]).await.unwrap();
                assert!(!renewed.lost_writes, "nothing was lost");
                Told::Keys(renewed.gone.iter().map(|key| known(key)).collect())
            }
            Step::Commit(handed, outcome) => Told::Committed(self.scene.commit(&self.commit(handed, *outcome)).await),
            Step::Release(handed) => Told::Committed(store.release(lane, &[self.id(handed)]).await.unwrap()[0]),
            Step::Operate(key, operation) => {
                let operated = store.operate(lane, &key.parse().unwrap(), *operation, OPERATOR).await.unwrap();
                Told::Operated(match operated {
                    Operated::Done(_) => "done",
                    Operated::Unknown => "unknown",
                    Operated::Held(_) => "held",
                    Operated::Changed => "changed",
                    Operated::Refused(_) => "refused",
                })
            }
            Step::Pause => Told::Changed(store.pause(lane, OPERATOR).await.unwrap()),
            Step::Resume => Told::Changed(store.resume(lane, OPERATOR).await.unwrap()),
            Step::Purge { retention, limit } => Told::Count(store.purge(lane, tick(*retention), *limit).await.unwrap()),
            Step::Wake(key) => Told::Changed(store.wake(lane, &key.parse().unwrap()).await.unwrap()),
            Step::TimePasses(ticks) => {
                let age = redis::Script::new(AGE);
                let mut call = age.key(self.scene.name(""));
                let call = call.arg(tick(*ticks).as_millis() as u64).arg(&KEYS[..]);
                call.invoke_async::<()>(&mut self.scene.raw.clone()).await.unwrap();
                Told::Nothing
            }
        }
    }

    async fn claim(&self, wish: &Wish, after: &Model) -> Told {
        let (store, lane) = (&self.scene.store, &self.scene.lane);
        let (receipt, epoch) = self.before.known(wish.worker);
        let number = after.workers[wish.worker].claims;
        let claim = Claim {
            rate_per_second: wish.every.map_or(0.0, |every| 1.0 / tick(every).as_secs_f64()),
            known: Known { receipt, epoch, era: 0 },
            sends: if wish.sends { Sends::Allowed } else { Sends::NotYet },
            ..Claim::new(wish.worker, number, tick(wish.lease), wish.slots)
        };
        if wish.reply == Reply::IsGivenUpFirst {
            assert_eq!(store.unclaim(lane, wish.worker, number).await.unwrap(), 0, "nothing was given yet");
        }
        let claims = store.claim(lane, &claim).await.unwrap();
        assert!(!claims.lost_writes, "nothing was lost");
        assert_eq!(claims.epoch, after.epoch, "the lane's epoch");
        if wish.reply == Reply::IsLost {
            return Told::Nothing;
        }
        let mut tokens = self.tokens.lock().unwrap();
        tokens.extend(claims.jobs.iter().map(|job| ((known(job.key.as_str()), job.fence), job.token.clone())));
        let now = claims.now;
        let jobs = claims.jobs.iter().map(|job| handed_out(wish.worker, job, now)).collect();
        Told::Claimed(jobs, claims.next_due.map(|due| from_now(due, now)))
    }

    fn job(&self, order: &Order) -> Job {
        let mut json = bill(order.key, order.order);
        json["body"]["order_amount"] = order.fen.into();
        let mut job = parse(&json);
        job.run_at = (order.run_in > 0).then(|| Millis(self.at_ms).plus(tick(order.run_in)));
        job
    }

    fn id(&self, handed: &Handed) -> ClaimId {
        let token = self.tokens.lock().unwrap()[&(handed.key, handed.fence)].clone();
        ClaimId { key: handed.key.to_owned(), fence: handed.fence, token }
    }

    fn commit(&self, handed: &Handed, outcome: Outcome) -> Commit {
        let ending = Ending::of(handed, outcome);
        let due = match ending.then {
            Some(Then::SendIn(ticks)) => Due::Send(Millis(self.at_ms).plus(tick(ticks))),
            Some(Then::AskIn(ticks)) => Due::Ask(Millis(self.at_ms).plus(tick(ticks))),
            None => Due::Never,
        };
        Commit {
            key: handed.key.to_owned(),
            fence: handed.fence,
            token: self.id(handed).token,
            era: 0,
            decided: Millis(0),
            hash: Vec::new(),
            evidence: Evidence::None,
            next: Next { state: ending.state, due, reason: ending.reason, pause_lane: ending.pauses },
            asked: if handed.call == Call::Ask { Asked::Yes } else { Asked::No },
            resend: if ending.never_left { Resend::GivenBack } else { Resend::Counts },
            trade_nos: matches!(outcome, Outcome::Accepted(_)).then(|| vec![format!("T{}", handed.fence)]),
            known_trade_nos: Vec::new(),
            gateway_status: None,
            response: None,
            line: Some(format!(r#"{{"event":"response","at":1,"fence":{}}}"#, handed.fence)),
        }
    }
}

fn handed_out(worker: &'static str, job: &Claimed, now: Millis) -> HandedOut {
    let ago = |moment: Option<Millis>| moment.map(|at| from_now(now, at) as u64);
    HandedOut {
        handed: Handed { worker, key: known(job.key.as_str()), fence: job.fence, call: job.call, state: job.state },
        counts: [job.sends, job.resends, job.asks, job.losses],
        first_sent: ago(job.first_sent),
        last_sent: ago(job.last_sent),
        sent_before: ago(job.sent_before),
        ordered: ago(job.ordered),
        trade_nos: job.trade_nos.clone(),
    }
}

/// In ticks.
fn from_now(at: Millis, now: Millis) -> i64 {
    ticks(at.0.cast_signed() - now.0.cast_signed())
}

fn known(key: &str) -> &'static str {
    KEYS.into_iter().find(|known| *known == key).unwrap()
}

fn in_words(submission: &Submission) -> String {
    match submission {
        Submission::New => "new".into(),
        Submission::Existing(state) => format!("existing {state}"),
        Submission::Conflict { first } => format!("conflict {first}"),
    }
}
