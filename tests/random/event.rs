//! The events that can happen in a seed.

use std::time::Duration;

use bursar_producer::Queue;
use bursar_test_support::Fault;

use crate::renaming::{Cut, Ending};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// SIGKILL.
    Kill(usize),
    /// The worker is replaced by one that ends when it reaches this point for the given time.
    Arm(usize, &'static str, u32),
    /// The worker is replaced by one that stops at this point until it is thawed.
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
    /// SIGKILL to Redis, which then loses its last writes: so many thousandths of all that it wrote since every job
    /// was submitted.
    LoseWrites(u64),
    /// `FLUSHALL`: Redis lives, and is empty.
    Wipe,
    /// All workers end in the given way, and the configuration gives the account its other name.
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
    /// Redis has memory again.
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
    /// An operator's action on one of the jobs that it fits; the number chooses the job.
    Operate(Order, usize),
}

impl Event {
    /// The name under which the event is counted; `None` for the end of another event.
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

/// The actions of operators on jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Cancel,
    Query,
    /// A job in review; only where the gateway honours keys.
    Send,
    /// A job in review, by the gateway's own record.
    Resolve,
}

/// The place of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wire {
    /// Between this worker and Redis.
    Redis(usize),
    /// Between this worker and the gateway.
    Gateway(usize),
    /// Between the producers and Redis.
    Producers,
    /// Between the dispatchers and this receiver.
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
