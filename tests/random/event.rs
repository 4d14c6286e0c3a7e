//! What can befall the system.

use std::time::Duration;

use bursar_producer::Queue;
use bursar_test_support::Fault;

use crate::renaming::{Cut, Ending};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// SIGKILL.
    Kill(usize),
    /// The worker is replaced by one that ends by itself when it has come by this place so many times.
    Arm(usize, &'static str, u32),
    /// The worker is replaced by one that stands still there, until it is thawed.
    Halt(usize, &'static str, u32),
    /// SIGTERM; another one takes its place.
    Drain(usize),
    /// Starts a worker where none runs.
    Start(usize),
    /// SIGSTOP.
    Freeze(usize),
    /// SIGCONT.
    Thaw(usize),
    /// SIGTERM to Redis.
    StopRedis,
    /// SIGKILL to Redis.
    KillRedis,
    /// SIGKILL to Redis, which then has forgotten what it wrote last: so many thousandths of all that it wrote since every job
    /// was submitted.
    LoseWrites(u64),
    /// `FLUSHALL`: Redis lives, and knows of nothing any more.
    Wipe,
    /// All workers end, each as it is said here, and the configuration gives the account its other name.
    Rename(Vec<Ending>),
    /// `bursar adopt`, as often as it takes; its first runs are cut short.
    Adopt(Vec<Cut>),
    /// Redis comes back with the data it had.
    StartRedis,
    /// SIGSTOP to Redis.
    FreezeRedis,
    /// SIGCONT to Redis.
    ThawRedis,
    /// `CLIENT PAUSE`.
    PauseClients(Duration),
    /// `BGREWRITEAOF`.
    RewriteFile,
    /// Redis has no memory left.
    Fill,
    /// It has.
    Empty,
    /// A fault on a wire.
    Disturb(Wire, Fault),
    /// The wire is sound again.
    Calm(Wire),
    /// Every connection on the wire is reset, once.
    Cut(Wire),
    /// `bursar pause`.
    PauseQueue(Queue),
    /// `bursar resume`.
    ResumeQueue(Queue),
    /// An operator's order to one of the jobs that it fits, whichever this number hits.
    Operate(Order, usize),
}

impl Event {
    /// What it is counted as; `None` when it is the end of something.
    pub(crate) fn word(&self) -> Option<String> {
        Some(match self {
            Self::Kill(_) => "kill".into(),
            Self::Arm(_, point, _) => format!("crash {point}"),
            Self::Halt(_, point, _) => format!("halt {point}"),
            Self::Drain(_) => "drain".into(),
            Self::Freeze(_) => "freeze".into(),
            Self::StopRedis => "stop Redis".into(),
            Self::KillRedis => "kill Redis".into(),
            Self::LoseWrites(_) => "lose writes".into(),
            Self::Wipe => "wipe Redis".into(),
            Self::Rename(_) => "rename".into(),
            Self::Adopt(cuts) if cuts.is_empty() => "adopt".into(),
            Self::Adopt(_) => "adopt cut short".into(),
            Self::FreezeRedis => "freeze Redis".into(),
            Self::PauseClients(_) => "pause clients".into(),
            Self::RewriteFile => "rewrite the file".into(),
            Self::Fill => "fill Redis".into(),
            Self::Disturb(wire, fault) => format!("{} {}", wire.word(), fault_word(*fault)),
            Self::Cut(wire) => format!("{} cut", wire.word()),
            Self::PauseQueue(_) => "pause queue".into(),
            Self::Operate(order, _) => format!("operator {order:?}").to_lowercase(),
            Self::Start(_)
            | Self::Thaw(_)
            | Self::StartRedis
            | Self::ThawRedis
            | Self::Empty
            | Self::Calm(_)
            | Self::ResumeQueue(_) => return None,
        })
    }
}

fn fault_word(fault: Fault) -> &'static str {
    match fault {
        Fault::None => "sound",
        Fault::Latency(_) => "slow",
        Fault::Blackhole => "holds all",
        Fault::Reset => "resets",
        Fault::DropReplies => "drops replies",
        Fault::CutReplyAfter(_) => "cuts replies",
        Fault::Trickle(_) => "trickles",
    }
}

/// What operators do to jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Cancel,
    Query,
    /// A job in review; only where the gateway honours keys.
    Send,
    /// A job in review, as the gateway's own books have it.
    Resolve,
}

/// Where a proxy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    /// Between this worker and Redis.
    Redis(usize),
    /// Between this worker and the gateway.
    Gateway(usize),
    /// Between the producers and Redis.
    Producers,
    /// Between those who tell and this receiver.
    Receiver(usize),
}

impl Wire {
    fn word(self) -> &'static str {
        match self {
            Self::Redis(_) => "Redis wire",
            Self::Gateway(_) => "gateway wire",
            Self::Producers => "producers' wire",
            Self::Receiver(_) => "receiver's wire",
        }
    }
}
