//! Writes the values read from Redis in the Prometheus text format.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bursar_domain::{Call, Millis, Queue, WorkerStatus};
use bursar_store::{BalanceStatus, DeliveryStatus, ImportStatus, OpenProposal, Origin, QueueStatus, Workers};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::demand::Startable;
use crate::families::{Labels, labels, register};
use crate::names::{self, Metric};
use crate::stored::{Read, WatchedBalance};

/// One family of the page.
struct Column<G>(Metric, Family<Labels, G>);

type Whole = Column<Gauge>;
type Fraction = Column<Gauge<f64, AtomicU64>>;

impl Whole {
    fn new(metric: Metric) -> Self {
        Self(metric, Family::default())
    }

    fn put<const N: usize>(&self, values: [&str; N], number: u64) {
        self.put_signed(values, i64::try_from(number).unwrap_or(i64::MAX));
    }

    fn put_signed<const N: usize>(&self, values: [&str; N], number: i64) {
        self.1.get_or_create(&labels(self.0, values)).set(number);
    }
}

impl Fraction {
    fn new(metric: Metric) -> Self {
        Self(metric, Family::default())
    }

    fn put<const N: usize>(&self, values: [&str; N], number: Duration) {
        self.1.get_or_create(&labels(self.0, values)).set(number.as_secs_f64());
    }
}

/// The age of a condition; zero if it does not hold.
fn age(since: Option<Millis>, now: Millis) -> Duration {
    since.map_or(Duration::ZERO, |since| now.since(since))
}

/// The whole text. If nothing was read, it has only the metric that says so.
pub(crate) fn written(read: Option<&Read<'_>>) -> String {
    let mut registry = Registry::default();
    let to = &mut registry;
    let up = Whole::new(names::REDIS_UP);
    up.put([], u64::from(read.is_some()));
    register(to, up.0, up.1);
    let complete = Whole::new(names::REDIS_READ_COMPLETE);
    complete.put([], u64::from(read.is_some_and(|read| read.complete)));
    register(to, complete.0, complete.1);
    write_queues(to, read.map_or(&[], |read| &read.queues));
    write_in_doubt(to, read.map_or(&[], |read| &read.in_doubt));
    write_demand(to, read.and_then(|read| read.demand.as_ref()));
    write_unserved(to, read.map_or(&[], |read| &read.unserved));
    write_workers(to, read.map(|read| &read.workers));
    write_proposals(to, read.map_or(&[], |read| &read.proposals));
    write_origins(to, read.map_or(&[], |read| &read.origins));
    write_import_queues(to, read.map_or(&[], |read| &read.import_queues));
    write_balances(to, read.map_or(&[], |read| &read.balances));
    let mut text = String::new();
    // Only a writer can fail, and a text does not.
    prometheus_client::encoding::prometheus_text::encode(&mut text, &registry).ok();
    text
}

/// True if the queue has any value to write: most queues of many accounts never had a job.
fn is_used(status: &QueueStatus) -> bool {
    status.open_jobs() + status.counts.done + status.all_quarantined() > 0 || status.paused.is_some()
}

fn write_queues(to: &mut Registry, queues: &[(&Queue, QueueStatus)]) {
    let jobs = Whole::new(names::JOBS);
    let (paused, quarantined) = (Whole::new(names::PAUSED), Whole::new(names::QUARANTINED));
    let served = Whole::new(names::QUEUE_SERVED);
    let due_age = Fraction::new(names::DUE_AGE);
    for (queue, status) in queues.iter().filter(|(_, status)| is_used(status)) {
        let queue = queue.to_string();
        for (place, count) in status.counts.by_set() {
            jobs.put([&queue, place], count);
        }
        due_age.put([&queue, Call::Send.as_str()], age(status.next_send, status.now));
        due_age.put([&queue, Call::Query.as_str()], age(status.next_query, status.now));
        paused.put([&queue], u64::from(status.paused.is_some()));
        quarantined.put([&queue], status.all_quarantined());
        served.put([&queue], u64::from(status.is_served()));
    }
    for Column(metric, family) in [jobs, paused, quarantined, served] {
        register(to, metric, family);
    }
    register(to, due_age.0, due_age.1);
}

fn write_in_doubt(to: &mut Registry, queues: &[(&Queue, usize)]) {
    let in_doubt = Whole::new(names::IN_DOUBT);
    for (queue, count) in queues {
        in_doubt.put([&queue.to_string()], u64::try_from(*count).unwrap_or(u64::MAX));
    }
    register(to, in_doubt.0, in_doubt.1);
}

fn write_demand(to: &mut Registry, demand: Option<&(Vec<(&Queue, Startable)>, u64)>) {
    let (due, workers) = (Whole::new(names::DUE_JOBS), Whole::new(names::WORKERS_WANTED));
    // A missing value leaves an autoscaler where it is; a zero would take workers away.
    if let Some((queues, wanted)) = demand {
        for (queue, startable) in queues {
            let queue = queue.to_string();
            due.put([&queue, Call::Send.as_str()], startable.sends);
            due.put([&queue, Call::Query.as_str()], startable.queries);
        }
        workers.put([], *wanted);
    }
    for Column(metric, family) in [due, workers] {
        register(to, metric, family);
    }
}

fn write_unserved(to: &mut Registry, queues: &[(Queue, QueueStatus)]) {
    let unserved = Whole::new(names::UNSERVED);
    for (queue, status) in queues {
        unserved.put([&queue.to_string()], status.open_jobs() + status.all_quarantined());
    }
    register(to, unserved.0, unserved.1);
}

fn write_workers(to: &mut Registry, workers: Option<&Workers>) {
    let family = Whole::new(names::WORKERS);
    for status in WorkerStatus::ALL {
        let count = workers.map_or(0, |workers| workers.count(status));
        if count > 0 {
            family.put([status.as_str()], u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
    register(to, family.0, family.1);
}

fn write_proposals(to: &mut Registry, proposals: &[OpenProposal]) {
    let waiting = Whole::new(names::PROPOSALS_WAITING);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for open in proposals {
        *counts.entry(open.proposal.queue.to_string()).or_default() += 1;
    }
    for (queue, count) in counts {
        waiting.put([&queue], count);
    }
    register(to, waiting.0, waiting.1);
}

fn write_origins(to: &mut Registry, origins: &[(&Origin, DeliveryStatus)]) {
    let waiting = Whole::new(names::WEBHOOKS_WAITING);
    let (due_age, tried_age) = (Fraction::new(names::WEBHOOK_DUE_AGE), Fraction::new(names::WEBHOOK_TRIED_AGE));
    for (origin, status) in origins.iter().filter(|(_, status)| status.waiting > 0) {
        let origin = origin.to_string();
        waiting.put([&origin], status.waiting);
        due_age.put([&origin], age(status.next_due, status.now));
        tried_age.put([&origin], age(status.first_tried, status.now));
    }
    register(to, waiting.0, waiting.1);
    for Column(metric, family) in [due_age, tried_age] {
        register(to, metric, family);
    }
}

fn write_import_queues(to: &mut Registry, import_queues: &[(&str, ImportStatus)]) {
    let (waiting, dead_letters) = (Whole::new(names::IMPORT_WAITING), Whole::new(names::IMPORT_DEAD_LETTERS));
    for (import_queue, status) in import_queues {
        waiting.put([import_queue], status.waiting);
        dead_letters.put([import_queue], status.dead_letters);
    }
    for Column(metric, family) in [waiting, dead_letters] {
        register(to, metric, family);
    }
}

fn write_balances(to: &mut Registry, balances: &[(&WatchedBalance, BalanceStatus)]) {
    let (balance, low) = (Whole::new(names::BALANCE), Whole::new(names::BALANCE_LOW));
    let (balance_age, every) = (Fraction::new(names::BALANCE_AGE), Fraction::new(names::BALANCE_EVERY));
    for (watched, status) in balances {
        let (account, sub_type) = (watched.account.as_str(), watched.sub_type);
        for (part, fen) in status.parts.named() {
            if let Some(fen) = fen {
                balance.put_signed([account, sub_type, part], fen);
            }
        }
        if let Some(since) = status.answered_at.or(status.since) {
            balance_age.put([account, sub_type], status.now.since(since));
        }
        every.put([account], watched.every);
        if let Some(low_fen) = watched.low {
            low.put_signed([account], low_fen.get());
        }
    }
    for Column(metric, family) in [balance, low] {
        register(to, metric, family);
    }
    for Column(metric, family) in [balance_age, every] {
        register(to, metric, family);
    }
}
