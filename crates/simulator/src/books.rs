//! The live books behind the ledger: keys, executions, violations. One lock, held for moments.
//!
//! Every key is kept for the life of the process, with its content: this is a test's witness, not a service. The
//! lists within a key, and the list of violations, are bounded.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock;
use crate::faults::Call;
use crate::ledger::{KeyRecord, Kind, Ledger, Stats, Violation};
use crate::life::{Life, Status};

const MAX_VIOLATIONS: usize = 10_000;
const MAX_TIMES: usize = 64;

/// Something to be executed once under its key.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) scale: Scale,
    pub(crate) method: &'static str,
    pub(crate) key: String,
    pub(crate) bytes: String,
    pub(crate) amount_fen: Option<i64>,
}

/// In which words the state of an order is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Letters,
    Received,
    DivisionState,
}

/// What the gateway does with a key that it has executed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    Recognised,
    Executed,
}

/// What came of a send.
#[derive(Debug)]
pub(crate) enum Outcome {
    Executed(Payment),
    Repeated(Payment),
    /// The key stands for other content.
    Conflict,
}

/// An executed order as the gateway sees it now.
#[derive(Debug)]
pub(crate) struct Payment {
    pub(crate) key: String,
    pub(crate) bytes: String,
    pub(crate) status: Status,
    /// None while its life withholds it.
    pub(crate) trade_no: Option<String>,
    pub(crate) number: String,
    pub(crate) executed_ms: i64,
}

pub(crate) struct Books {
    life_step: Duration,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    entries: HashMap<String, Entry>,
    keys_by_trade_no: HashMap<String, String>,
    violations: Vec<Violation>,
    violations_left_out: u64,
    stats: Stats,
    executed_fen: i64,
}

struct Entry {
    order: Order,
    requests: u64,
    asks: u64,
    in_work: u32,
    times_ms: Vec<i64>,
    execution: Option<Execution>,
}

struct Execution {
    count: u64,
    first: Instant,
    first_ms: i64,
    trade_no: String,
    life: Life,
}

impl Books {
    pub(crate) fn new(life_step: Duration) -> Self {
        Self { life_step, pages: Mutex::default() }
    }

    /// Counts a request in, before anything is known of it.
    pub(crate) fn arrived(&self) {
        let stats = &mut self.lock().stats;
        stats.requests += 1;
        stats.in_flight += 1;
        stats.in_flight_max = stats.in_flight_max.max(stats.in_flight);
    }

    pub(crate) fn left(&self) {
        let stats = &mut self.lock().stats;
        stats.in_flight = stats.in_flight.saturating_sub(1);
    }

    /// Notes that a send arrived and is in work, until [`Books::settled`]. Returns how many came under its key before.
    pub(crate) fn send_arrived(&self, order: &Order) -> u64 {
        let now_ms = clock::now_ms();
        let mut pages = self.lock();
        pages.stats.sends += 1;
        let entry = pages.entries.entry(order.key.clone()).or_insert_with(|| Entry::new(order));
        let number = entry.requests;
        entry.requests += 1;
        entry.in_work += 1;
        if entry.times_ms.len() < MAX_TIMES {
            entry.times_ms.push(now_ms);
        }
        let crowded = entry.in_work > 1;
        let changed = entry.order.bytes != order.bytes;
        if crowded {
            pages.note(now_ms, Some(&order.key), "a second send under this key while one is in work");
        }
        if changed {
            pages.note(now_ms, Some(&order.key), "a second content under this key");
        }
        number
    }

    /// The send is no longer in work.
    pub(crate) fn settled(&self, key: &str) {
        if let Some(entry) = self.lock().entries.get_mut(key) {
            entry.in_work = entry.in_work.saturating_sub(1);
        }
    }

    /// Notes a call that executes no order. Returns how many like it came before about this key, or, where the key is
    /// not in the books, at all.
    pub(crate) fn call_arrived(&self, call: Call, key: Option<&str>) -> u64 {
        let mut pages = self.lock();
        let all = match call {
            Call::Send => &mut pages.stats.sends,
            Call::Ask => &mut pages.stats.asks,
        };
        *all += 1;
        let before = *all - 1;
        match key.and_then(|key| pages.entries.get_mut(key)) {
            Some(entry) => {
                entry.asks += 1;
                entry.asks - 1
            }
            None => before,
        }
    }

    pub(crate) fn fault_injected(&self) {
        self.lock().stats.faulty += 1;
    }

    pub(crate) fn bound(&self) -> u64 {
        let stats = &mut self.lock().stats;
        stats.bound += 1;
        stats.bound
    }

    /// Executes the order, or not: see [`Repeats`]. `life` is what awaits it on its first execution.
    pub(crate) fn execute(&self, order: &Order, repeats: Repeats, life: Life) -> Outcome {
        let now_ms = clock::now_ms();
        let mut pages = self.lock();
        let entry = pages.entries.entry(order.key.clone()).or_insert_with(|| Entry::new(order));
        if entry.execution.is_some() && repeats == Repeats::Recognised {
            if entry.order.bytes != order.bytes {
                return Outcome::Conflict;
            }
            return match entry.payment(self.life_step) {
                Some(payment) => Outcome::Repeated(payment),
                None => Outcome::Conflict,
            };
        }
        let number = pages.stats.executed;
        pages.stats.executed += 1;
        pages.executed_fen = pages.executed_fen.saturating_add(order.amount_fen.unwrap_or(0));
        // Day and eleven digits, as in the page's "2025062413293980461".
        let trade_no = format!("{}{:011}", clock::day(now_ms), number + 1);
        pages.keys_by_trade_no.insert(trade_no.clone(), order.key.clone());
        let entry = pages.entries.entry(order.key.clone()).or_insert_with(|| Entry::new(order));
        Outcome::Executed(entry.execute(order, trade_no, life, now_ms, self.life_step))
    }

    /// The key that `trade_no` was given to.
    pub(crate) fn key_of(&self, trade_no: &str) -> Option<String> {
        self.lock().keys_by_trade_no.get(trade_no).cloned()
    }

    pub(crate) fn payment(&self, key: &str) -> Option<Payment> {
        self.lock().entries.get(key)?.payment(self.life_step)
    }

    pub(crate) fn change_life(&self, key: &str, life: &Life) {
        if let Some(execution) = self.lock().entries.get_mut(key).and_then(|entry| entry.execution.as_mut()) {
            execution.life = life.clone();
        }
    }

    pub(crate) fn violation(&self, key: Option<&str>, text: &str) {
        self.lock().note(clock::now_ms(), key, text);
    }

    pub(crate) fn executed_fen(&self) -> i64 {
        self.lock().executed_fen
    }

    pub(crate) fn stats(&self) -> Stats {
        self.lock().stats
    }

    /// The ledger of all keys, or of those named.
    pub(crate) fn read(&self, only: Option<&[&str]>) -> Ledger {
        let pages = self.lock();
        let record = |key: &str| Some((key.to_owned(), pages.entries.get(key)?.record(self.life_step)));
        let keys: BTreeMap<String, KeyRecord> = match only {
            Some(only) => only.iter().copied().filter_map(record).collect(),
            None => pages.entries.keys().map(String::as_str).filter_map(record).collect(),
        };
        Ledger {
            keys,
            violations: pages.violations.clone(),
            violations_left_out: pages.violations_left_out,
            executed: pages.stats.executed,
            requests: pages.stats.requests,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn note(&mut self, time_ms: i64, key: Option<&str>, text: &str) {
        if self.violations.len() >= MAX_VIOLATIONS {
            self.violations_left_out += 1;
            return;
        }
        self.violations.push(Violation { time_ms, key: key.map(str::to_owned), text: text.to_owned() });
    }
}

impl Entry {
    fn new(order: &Order) -> Self {
        Self { order: order.clone(), requests: 0, asks: 0, in_work: 0, times_ms: Vec::new(), execution: None }
    }

    fn execute(&mut self, order: &Order, trade_no: String, life: Life, now_ms: i64, step: Duration) -> Payment {
        let execution = match self.execution.take() {
            Some(earlier) => Execution { count: earlier.count + 1, trade_no, ..earlier },
            None => {
                self.order = order.clone();
                Execution { count: 1, first: Instant::now(), first_ms: now_ms, trade_no, life }
            }
        };
        let payment = execution.payment(&self.order, step);
        self.execution = Some(execution);
        payment
    }

    fn payment(&self, step: Duration) -> Option<Payment> {
        Some(self.execution.as_ref()?.payment(&self.order, step))
    }

    fn record(&self, step: Duration) -> KeyRecord {
        let execution = self.execution.as_ref();
        KeyRecord {
            kind: self.order.kind,
            method: self.order.method.to_owned(),
            executions: execution.map_or(0, |execution| execution.count),
            requests: self.requests,
            asks: self.asks,
            bytes: self.order.bytes.clone(),
            status: execution.map(|execution| self.order.scale.told(execution.status(step))),
            trade_no: execution.map(|execution| execution.trade_no.clone()),
            amount: self.order.amount_fen,
            request_times_ms: self.times_ms.clone(),
        }
    }
}

impl Execution {
    fn status(&self, step: Duration) -> Status {
        self.life.at(self.first.elapsed(), step)
    }

    fn payment(&self, order: &Order, step: Duration) -> Payment {
        let status = self.status(step);
        Payment {
            key: order.key.clone(),
            bytes: order.bytes.clone(),
            status,
            trade_no: (!self.life.withholds_trade_no(status)).then(|| self.trade_no.clone()),
            number: self.trade_no.clone(),
            executed_ms: self.first_ms,
        }
    }
}

impl Scale {
    fn told(self, status: Status) -> String {
        match self {
            Self::Letters => status.letter().to_owned(),
            Self::Received => "received".to_owned(),
            Self::DivisionState => status.division_state().to_string(),
        }
    }
}
