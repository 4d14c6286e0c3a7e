//! The live books behind the ledger: keys, executions, violations. One lock, taken for moments.
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

/// Eleven digits follow the day in a number.
const TRADE_NUMBERS_A_DAY: u64 = 100_000_000_000;

/// A thousand for each millisecond of the day: a simulator that was started again gives no number a second time.
fn first_number(now_ms: i64) -> u64 {
    const DAY_MS: i64 = 86_400_000;
    u64::try_from(now_ms.rem_euclid(DAY_MS)).unwrap_or_default() * 1_000
}

/// Something to be executed once under its key.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) name: Name,
    pub(crate) scale: Scale,
    pub(crate) method: &'static str,
    pub(crate) bytes: String,
    pub(crate) amount_fen: Option<i64>,
}

/// The identity of an order: two kinds may use one key for two things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) key: String,
}

/// The words for the state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Letters,
    Received,
    DivisionState,
}

/// The gateway's reaction to a key that it has executed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    Recognised,
    Executed,
}

/// The result of a send.
#[derive(Debug)]
pub(crate) enum Outcome {
    Executed(Payment),
    Repeated(Payment),
    /// The key belongs to other content.
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
    entries: BTreeMap<Kind, HashMap<String, Entry>>,
    names_by_trade_no: HashMap<String, Name>,
    violations: Vec<Violation>,
    violations_left_out: u64,
    stats: Stats,
    executed_fen: i64,
    /// The first number of executions.
    numbers_from: u64,
}

struct Entry {
    order: Order,
    requests: u64,
    queries: u64,
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
        let pages = Pages { numbers_from: first_number(clock::now_ms()), ..Pages::default() };
        Self { life_step, pages: Mutex::new(pages) }
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

    /// Counts a send as in flight until [`Books::settled`]. Returns the number of earlier sends of its key.
    pub(crate) fn send_arrived(&self, order: &Order) -> u64 {
        let now_ms = clock::now_ms();
        let mut pages = self.lock();
        pages.stats.sends += 1;
        let entry = pages.entry(order);
        let number = entry.requests;
        entry.requests += 1;
        entry.in_work += 1;
        if entry.times_ms.len() < MAX_TIMES {
            entry.times_ms.push(now_ms);
        }
        let crowded = entry.in_work > 1;
        let changed = entry.order.bytes != order.bytes;
        if crowded {
            pages.note(now_ms, Some(&order.name.key), "a second send under this key while one is in work");
        }
        if changed {
            pages.note(now_ms, Some(&order.name.key), "a second content under this key");
        }
        number
    }

    /// The send is no longer in work.
    pub(crate) fn settled(&self, name: &Name) {
        if let Some(entry) = self.lock().find_mut(name) {
            entry.in_work = entry.in_work.saturating_sub(1);
        }
    }

    /// Counts a call that executes no order. Returns the number of earlier calls of that type about the same order, or,
    /// if the order is not in the books, of all earlier ones.
    pub(crate) fn call_arrived(&self, call: Call, about: Option<&Name>) -> u64 {
        let mut pages = self.lock();
        let all = match call {
            Call::Send => &mut pages.stats.sends,
            Call::Query => &mut pages.stats.queries,
        };
        *all += 1;
        let before = *all - 1;
        match about.and_then(|name| pages.find_mut(name)) {
            Some(entry) => {
                entry.queries += 1;
                entry.queries - 1
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

    /// Executes the order, or not: see [`Repeats`]. `life` is its future from its first execution on.
    pub(crate) fn execute(&self, order: &Order, repeats: Repeats, life: Life) -> Outcome {
        let now_ms = clock::now_ms();
        let mut pages = self.lock();
        let entry = pages.entry(order);
        if let Some(execution) = &entry.execution
            && repeats == Repeats::Recognised
        {
            let same = entry.order.bytes == order.bytes;
            let payment = execution.payment(&entry.order, self.life_step);
            return if same { Outcome::Repeated(payment) } else { Outcome::Conflict };
        }
        let trade_no = pages.count_execution(order, now_ms);
        Outcome::Executed(pages.entry(order).execute(order, trade_no, life, now_ms, self.life_step))
    }

    /// The order that `trade_no` was given to.
    pub(crate) fn name_of(&self, trade_no: &str) -> Option<Name> {
        self.lock().names_by_trade_no.get(trade_no).cloned()
    }

    pub(crate) fn payment(&self, name: &Name) -> Option<Payment> {
        let pages = self.lock();
        let entry = pages.entries.get(&name.kind)?.get(&name.key)?;
        Some(entry.execution.as_ref()?.payment(&entry.order, self.life_step))
    }

    /// For the orders of every kind under this key.
    pub(crate) fn change_life(&self, key: &str, life: &Life) {
        let mut pages = self.lock();
        let entries = pages.entries.values_mut().filter_map(|entries| entries.get_mut(key));
        for execution in entries.filter_map(|entry| entry.execution.as_mut()) {
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
        let mut keys = BTreeMap::new();
        for (kind, entries) in &pages.entries {
            let records: Vec<(&str, KeyRecord)> = match only {
                Some(only) => {
                    only.iter().filter_map(|key| Some((*key, entries.get(*key)?.record(self.life_step)))).collect()
                }
                None => entries.iter().map(|(key, entry)| (key.as_str(), entry.record(self.life_step))).collect(),
            };
            for (key, record) in records {
                let taken = keys.contains_key(key);
                keys.insert(if taken { format!("{kind}:{key}") } else { key.to_owned() }, record);
            }
        }
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
    fn entry(&mut self, order: &Order) -> &mut Entry {
        let entries = self.entries.entry(order.name.kind).or_default();
        entries.entry(order.name.key.clone()).or_insert_with(|| Entry::new(order))
    }

    fn find_mut(&mut self, name: &Name) -> Option<&mut Entry> {
        self.entries.get_mut(&name.kind)?.get_mut(&name.key)
    }

    /// Returns the number of the execution: the day and eleven digits, as in the page's "2025062413293980461".
    fn count_execution(&mut self, order: &Order, now_ms: i64) -> String {
        self.stats.executed += 1;
        self.executed_fen = self.executed_fen.saturating_add(order.amount_fen.unwrap_or(0));
        let number = self.numbers_from.wrapping_add(self.stats.executed) % TRADE_NUMBERS_A_DAY;
        let trade_no = format!("{}{number:011}", clock::day(now_ms));
        self.names_by_trade_no.insert(trade_no.clone(), order.name.clone());
        trade_no
    }

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
        Self { order: order.clone(), requests: 0, queries: 0, in_work: 0, times_ms: Vec::new(), execution: None }
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

    fn record(&self, step: Duration) -> KeyRecord {
        let execution = self.execution.as_ref();
        KeyRecord {
            kind: self.order.name.kind,
            method: self.order.method.to_owned(),
            executions: execution.map_or(0, |execution| execution.count),
            requests: self.requests,
            queries: self.queries,
            bytes: self.order.bytes.clone(),
            status: execution.map(|execution| self.order.scale.text(execution.status(step))),
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
            key: order.name.key.clone(),
            bytes: order.bytes.clone(),
            status,
            trade_no: (!self.life.withholds_trade_no(status)).then(|| self.trade_no.clone()),
            number: self.trade_no.clone(),
            executed_ms: self.first_ms,
        }
    }
}

impl Scale {
    fn text(self, status: Status) -> String {
        match self {
            Self::Letters => status.letter().to_owned(),
            Self::Received => "received".to_owned(),
            Self::DivisionState => status.division_state().to_string(),
        }
    }
}
