//! The same story on the store itself.

use std::collections::HashMap;
use std::time::Duration;

use bursar_domain::{Call, Due, FairBy, FairOrder, HistoryEvent, Job, Millis, Response, ResponseEvidence, Transition};
use bursar_store::{
    Claim, ClaimedJob, Commit, Known, LeasedClaim, Operated, Renewal, Resend, Sends, Submission, fuzzing,
};

use super::picture::ticks;
use super::reference::{Ending, HandedOut, Model, Reported};
use super::story::{Deed, GROUPS, Handed, KEYS, Order, Outcome, QUEUES, Reply, Step, TICK_MINUTES, Then, Wish};
use crate::scene::{OPERATOR, Scene, bill_json, key, parse, pause, resume};

/// Lets time pass for one queue: everything that it remembers becomes older by so many milliseconds.
const AGE: &str = "
    local base, at_queue, ms = KEYS[1], ARGV[1], tonumber(ARGV[2])
    local function name(of) return base .. of .. ':' .. at_queue end
    for _, set in ipairs({ 'due_sends', 'due_queries', 'review', 'done' }) do
      for _, member in ipairs(redis.call('ZRANGE', name(set), 0, -1)) do redis.call('ZINCRBY', name(set), -ms, member) end
    end
    if redis.call('ZSCORE', base .. 'ready', at_queue) then redis.call('ZINCRBY', base .. 'ready', -ms, at_queue) end
    local function older(text)
      local function times(word, time) return word .. string.format('%d', time - ms) end
      text = string.gsub(text, '(_at\":)(%d+)', times)
      return (string.gsub(text, '(\"at\":)(%d+)', times))
    end
    for at = 3, #ARGV do
      local job = name('job') .. ':' .. ARGV[at]
      local text = redis.call('GET', job)
      if text then redis.call('SET', job, older(text)) end
      text = redis.call('HGET', name('claims'), ARGV[at])
      if text then redis.call('HSET', name('claims'), ARGV[at], older(text)) end
    end
    for field, by in pairs({ resumed_at = ms, rate_arrival = ms * 1000 }) do
      if redis.call('HEXISTS', name('queue'), field) == 1 then redis.call('HINCRBY', name('queue'), field, -by) end
    end
    for _, worker in ipairs({ 'w1', 'w2', 'w3' }) do
      local receipt = name('receipt') .. ':' .. worker
      local left = redis.call('PTTL', receipt)
      if left > ms then redis.call('PEXPIRE', receipt, left - ms)
      elseif left >= 0 then redis.call('DEL', receipt) end
    end";

/// The queues of a real Redis, all in one partition.
pub(crate) struct Real {
    pub(crate) scenes: Vec<Scene>,
    /// The state before the next step.
    pub(crate) before: Model,
    /// The time at which the current step began, and at which the last one ended, in Redis time.
    at_ms: u64,
    over_ms: u64,
    /// The claimed jobs, by queue.
    jobs: HashMap<(usize, &'static str, u64), ClaimedJob>,
}

fn tick(ticks: u64) -> Duration {
    Duration::from_secs(ticks * TICK_MINUTES * 60)
}

impl Real {
    pub(crate) async fn new() -> Self {
        let scene = Scene::new().await;
        let order = FairOrder {
            by: FairBy::Payer,
            weights: GROUPS.into_iter().map(|(group, weight)| (group.to_owned(), weight)).collect(),
        };
        let orders = QUEUES.into_iter().map(|at_queue| (at_queue.parse().unwrap(), order.clone())).collect();
        let store = scene.store.clone().with_partitions(1).await.unwrap().with_fair_orders(orders);
        let scene = Scene { store, ..scene };
        let scenes: Vec<Scene> = QUEUES.into_iter().map(|at_queue| scene.on(at_queue)).collect();
        assert_eq!(scenes[0].base(), scenes[1].base(), "one partition");
        Self { scenes, before: Model::default(), at_ms: 0, over_ms: 0, jobs: HashMap::new() }
    }

    /// Runs one step; returns the store's reply. `after` is the reference after the same step.
    pub(crate) async fn does(&mut self, step: &Step, after: &Model) -> Reported {
        // No two steps in one millisecond, or which of them came first would be decided by the keys' names.
        while self.at_ms <= self.over_ms {
            self.at_ms = self.scenes[0].now().await;
        }
        let reported = self.report(step, after).await;
        self.over_ms = self.scenes[0].now().await;
        reported
    }

    async fn report(&mut self, Step { at_queue, deed }: &Step, after: &Model) -> Reported {
        let scene = &self.scenes[*at_queue];
        let (store, queue) = (&scene.store, &scene.queue);
        match deed {
            Deed::Submit(orders) => {
                let jobs: Vec<Job> = orders.iter().map(|order| self.job(*at_queue, order)).collect();
                Reported::Submitted(store.submit(&jobs).await.unwrap().iter().map(in_words).collect())
            }
            Deed::Claim(wish) => self.claim(*at_queue, wish, after).await,
            Deed::Recover(worker) => {
                let number = after.queues[*at_queue].workers[worker].claims;
                Reported::Count(store.recover_claim(queue, worker, number).await.unwrap())
            }
            Deed::Renew(handed, lease) => {
                let renewal = Renewal::new(handed.worker, tick(*lease));
                let job = &self.jobs[&(*at_queue, handed.key, handed.fence)];
                let claim = LeasedClaim { key: job.key.to_string(), fence: job.fence, token: job.token.clone() };
                let renewed = store.renew(queue, &renewal, &[claim]).await.unwrap();
                assert!(!renewed.lost_writes, "nothing was lost");
                Reported::Keys(renewed.gone.iter().map(|key| known(key)).collect())
            }
            Deed::Commit(handed, outcome) => {
                let commit = self.commit(*at_queue, handed, *outcome);
                Reported::Committed(store.commit(queue, &[commit]).await.unwrap()[0])
            }
            Deed::Release(handed) => {
                let job = &self.jobs[&(*at_queue, handed.key, handed.fence)];
                Reported::Count(store.release(queue, &[job]).await.unwrap())
            }
            Deed::Withdraw(handed) => {
                let job = &self.jobs[&(*at_queue, handed.key, handed.fence)];
                Reported::Changed(store.withdraw(queue, job).await.unwrap())
            }
            Deed::Operate(name, operation) => {
                let operated = store.operate(queue, &key(name), *operation, OPERATOR).await.unwrap();
                Reported::Operated(match operated {
                    Operated::Done(_) => "done",
                    Operated::Unknown => "unknown",
                    Operated::Unreadable(_) => "unreadable",
                    Operated::Claimed(_) => "claimed",
                    Operated::Changed => "changed",
                    Operated::Refused(_) => "refused",
                    Operated::NeedsSecond(_) => "proposed",
                })
            }
            Deed::Pause => Reported::Changed(store.pause(queue, &pause()).await.unwrap()),
            Deed::Resume => Reported::Changed(store.resume(queue, &resume()).await.unwrap()),
            Deed::Purge { retention, limit } => {
                Reported::Count(store.purge(queue, tick(*retention), *limit).await.unwrap())
            }
            Deed::Wake(name) => Reported::Changed(store.wake(queue, &key(name)).await.unwrap()),
            Deed::TimePasses(ticks) => {
                for scene in &self.scenes {
                    let age = redis::Script::new(AGE);
                    let mut call = age.key(scene.base());
                    call.arg(scene.queue.to_string()).arg(tick(*ticks).as_millis() as u64).arg(&KEYS[..]);
                    call.invoke_async::<()>(&mut scene.raw()).await.unwrap();
                }
                let jobs = std::mem::take(&mut self.jobs).into_iter();
                self.jobs = jobs.map(|(name, job)| (name, fuzzing::older(job, tick(*ticks)))).collect();
                Reported::Nothing
            }
        }
    }

    async fn claim(&mut self, at_queue: usize, wish: &Wish, after: &Model) -> Reported {
        let (scene, after) = (&self.scenes[at_queue], &after.queues[at_queue]);
        let (store, queue) = (&scene.store, &scene.queue);
        let (receipt, fence) = self.before.queues[at_queue].known(wish.worker);
        let number = after.workers[wish.worker].claims;
        let claim = Claim {
            rate_per_second: wish.every.map_or(0.0, |every| 1.0 / tick(every).as_secs_f64()),
            known: Known { receipt, fence, era: 0 },
            sends: if wish.sends { Sends::Allowed } else { Sends::NotYet },
            ..Claim::new(wish.worker, number, tick(wish.lease), wish.slots)
        };
        if wish.reply == Reply::IsGivenUpFirst {
            assert_eq!(store.recover_claim(queue, wish.worker, number).await.unwrap(), 0, "nothing was given yet");
        }
        let claimed = store.claim(queue, &claim).await.unwrap();
        assert!(!claimed.lost_writes, "nothing was lost");
        assert_eq!(claimed.fence, after.fence, "the at_queue's fence");
        if wish.reply == Reply::IsLost {
            return Reported::Nothing;
        }
        let now = claimed.now;
        let jobs = claimed.jobs.iter().map(|job| handed_out(wish.worker, job, now)).collect();
        let reported = Reported::Claimed(jobs, claimed.next_due.map(|due| from_now(due, now)));
        self.jobs.extend(claimed.jobs.into_iter().map(|job| ((at_queue, known(job.key.as_str()), job.fence), job)));
        reported
    }

    fn job(&self, at_queue: usize, order: &Order) -> Job {
        let mut json = bill_json(order.key, order.order);
        json["account"] = self.scenes[at_queue].queue.account.to_string().into();
        json["body"]["order_amount"] = order.fen.into();
        json["body"]["store_id"] = order.group.into();
        let mut job = parse(&json);
        job.run_at = (order.run_in > 0).then(|| Millis(self.at_ms).plus(tick(order.run_in)));
        job
    }

    fn commit(&self, at_queue: usize, handed: &Handed, outcome: Outcome) -> Commit {
        let ending = Ending::of(handed, outcome);
        let due = match ending.then {
            Some(Then::SendIn(ticks)) => Due::Send(Millis(self.at_ms).plus(tick(ticks))),
            Some(Then::QueryIn(ticks)) => Due::Query(Millis(self.at_ms).plus(tick(ticks))),
            None => Due::Never,
        };
        let next = Transition { state: ending.state, due, reason: ending.reason.clone(), pause_queue: ending.pauses };
        let job = &self.jobs[&(at_queue, handed.key, handed.fence)];
        Commit {
            reason: ending.reason,
            queried: handed.call == Call::Query,
            resend: if ending.never_left { Resend::NotCounted } else { Resend::Counts },
            trade_nos: if matches!(outcome, Outcome::Accepted(_)) {
                vec![format!("T{}", handed.fence)]
            } else {
                vec![]
            },
            event: Some(response(handed, Millis(self.at_ms))),
            ..Commit::new(job, Millis(self.at_ms), next)
        }
    }
}

/// A response to the call of this claim.
fn response(handed: &Handed, at: Millis) -> HistoryEvent {
    HistoryEvent::Response(Response {
        fence: handed.fence,
        call: handed.call,
        worker: String::new(),
        at,
        ms: 58,
        read: ResponseEvidence {
            outcome: bursar_domain::Outcome::Accepted,
            trade_no: None,
            status: None,
            code: None,
            message: None,
            request_id: None,
            http: None,
            amount: None,
        },
        late: false,
        more: serde_json::Map::new(),
    })
}

fn handed_out(worker: &'static str, job: &ClaimedJob, now: Millis) -> HandedOut {
    let ago = |moment: Option<Millis>| moment.map(|at| from_now(now, at) as u64);
    HandedOut {
        handed: Handed { worker, key: known(job.key.as_str()), fence: job.fence, call: job.call, state: job.state },
        counts: [job.sends, job.resends, job.queries, job.claims_lost],
        first_sent: ago(job.first_sent),
        last_sent: ago(job.last_sent),
        sent_before: ago(job.sent_before),
        ordered: ago(job.ordered),
        trade_nos: job.trade_nos.clone(),
        group: GROUPS.into_iter().map(|(group, _)| group).find(|group| *group == job.group()).unwrap(),
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
        Submission::Conflict { first, .. } => format!("conflict {first}"),
        Submission::Unreadable(why) => format!("unreadable {why}"),
    }
}
