//! The usage of this process, Redis, a child and all other processes between two moments.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::cpu;
use crate::observed::Observed;

/// A measurement under way.
pub(crate) struct Span {
    children: Vec<u32>,
    from: Counters,
}

/// The usage.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    pub(crate) wall: Duration,
    /// Processor time of this process: the worker or the producer.
    pub(crate) own: Duration,
    pub(crate) redis: Duration,
    /// Of the other processes that are part of the run.
    pub(crate) child: Duration,
    /// Cores that were busy with something else.
    pub(crate) other_cores: f64,
    /// The number of calls of each command in Redis, scripts' own commands included.
    pub(crate) commands: BTreeMap<String, u64>,
}

struct Counters {
    at: Instant,
    own: Duration,
    redis: Duration,
    child: Duration,
    machine: Duration,
    commands: BTreeMap<String, u64>,
}

impl Span {
    /// Begins; `children` are other processes that are part of the run.
    pub(crate) async fn begin(redis: &mut Observed, children: impl IntoIterator<Item = u32>) -> anyhow::Result<Self> {
        let children: Vec<u32> = children.into_iter().collect();
        Ok(Self { from: Counters::read(redis, &children).await?, children })
    }

    pub(crate) async fn end(self, redis: &mut Observed) -> anyhow::Result<Usage> {
        let (from, to) = (self.from, Counters::read(redis, &self.children).await?);
        let wall = to.at - from.at;
        let (own, redis, child) =
            (to.own.saturating_sub(from.own), to.redis.saturating_sub(from.redis), to.child.saturating_sub(from.child));
        let other = to.machine.saturating_sub(from.machine).saturating_sub(own + redis + child);
        let since = |(name, count): (String, u64)| {
            let more = count - from.commands.get(&name).copied().unwrap_or_default();
            (more > 0).then_some((name, more))
        };
        Ok(Usage {
            wall,
            own,
            redis,
            child,
            other_cores: other.as_secs_f64() / wall.as_secs_f64(),
            commands: to.commands.into_iter().filter_map(since).collect(),
        })
    }
}

impl Usage {
    /// Commands in Redis, those inside scripts included.
    pub(crate) fn command_count(&self) -> u64 {
        self.commands.values().sum()
    }

    /// Round trips: scripts are all that a worker or a producer calls while it works.
    pub(crate) fn calls(&self) -> u64 {
        self.commands.get("evalsha").copied().unwrap_or_default()
    }
}

impl Counters {
    async fn read(redis: &mut Observed, children: &[u32]) -> anyhow::Result<Self> {
        let info = redis.info().await?;
        Ok(Self {
            at: Instant::now(),
            own: cpu::own(),
            redis: info.cpu(),
            child: children.iter().copied().map(cpu::of_process).sum(),
            machine: cpu::of_machine(),
            commands: info.commands(),
        })
    }
}
