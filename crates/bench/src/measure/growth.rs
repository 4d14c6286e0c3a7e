//! Compares the cost of a submit, a claim and a commit at different sizes: many queued jobs, many jobs to query, many
//! other queues. Each size has its own server, and their calls alternate: otherwise a machine whose speed changes
//! within a minute would look like growth.

use anyhow::Context;

use crate::jobs;
use crate::observed::Observed;
use crate::options::Options;
use crate::quiet::Run;
use crate::report::{Figure, Report};
use crate::span::{Span, Usage};
use crate::steps::{BATCH, Cost, End, Steps};

/// The jobs that wait to be queried, in addition to the queued ones.
const QUERIES: u32 = 100_000;

/// Calls of each step at each size.
const CALLS: u32 = 40;

/// The other queues, each with one batch of jobs.
const QUEUES: u32 = 1_000;

/// Queued jobs, and the figures' names.
const SIZES: [(u32, &str, [&str; 3]); 3] = [
    (1_000, "10³ queued, 10⁵ to be queried", ["growth.submit_1e3", "growth.claim_1e3", "growth.commit_1e3"]),
    (100_000, "10⁵ queued, 10⁵ to be queried", ["growth.submit_1e5", "growth.claim_1e5", "growth.commit_1e5"]),
    (1_000_000, "10⁶ queued, 10⁵ to be queried", ["growth.submit_1e6", "growth.claim_1e6", "growth.commit_1e6"]),
];

const IN_QUEUES: [&str; 3] = ["growth.submit_queues", "growth.claim_queues", "growth.commit_queues"];

/// One size, on its own server.
struct Side<'a> {
    says: &'static str,
    names: &'static [&'static str; 3],
    steps: Steps<'a>,
    queues: u32,
    /// Jobs submitted so far, to each of its queues.
    made: u32,
    costs: [Cost; 3],
}

pub(crate) async fn measure(options: &Options, report: &mut Report<'_>) -> anyhow::Result<()> {
    report.measuring("growth: 10⁵ jobs to be queried, up to 10⁶ queued ones");
    let largest = options.jobs.unwrap_or(u32::MAX);
    let sizes: Vec<_> = SIZES.iter().filter(|(size, ..)| *size <= largest).collect();
    let (mut servers, mut spans) = (Vec::new(), Vec::new());
    for _ in 0..=sizes.len() {
        let mut server = Observed::private(options.fsync.into()).await?;
        spans.push(Span::begin(&mut server, None).await?);
        servers.push(server);
    }
    let mut sides = Vec::new();
    for (at, server) in servers.iter_mut().enumerate() {
        let steps = Steps::on(server).await?;
        sides.push(match sizes.get(at) {
            Some((size, says, names)) => Side::of_size(*size, says, names, steps).await?,
            None => Side::in_queues(steps).await?,
        });
    }
    for call in 0..CALLS {
        for side in &mut sides {
            side.turn(call).await?;
        }
    }
    let costs: Vec<_> = sides.into_iter().map(|side| (side.names, side.says, side.costs)).collect();
    let usage = together(spans, &mut servers).await?;
    for (names, says, cost) in &costs {
        add_figures(report, names, says, cost, &usage)?;
    }
    Ok(())
}

/// Part of the usage that one server counts as other processes' is the other servers'.
async fn together(spans: Vec<Span>, servers: &mut [Observed]) -> anyhow::Result<Usage> {
    let mut usages = Vec::new();
    for (span, server) in spans.into_iter().zip(servers) {
        usages.push(span.end(server).await?);
    }
    let cores = |usage: &Usage| usage.redis.as_secs_f64() / usage.wall.as_secs_f64();
    let busy: f64 = usages.iter().skip(1).map(cores).sum();
    let mut usage = usages.into_iter().next().context("no server")?;
    usage.other_cores -= busy;
    Ok(usage)
}

impl<'a> Side<'a> {
    async fn of_size(
        size: u32,
        says: &'static str,
        names: &'static [&'static str; 3],
        mut steps: Steps<'a>,
    ) -> anyhow::Result<Self> {
        steps.fill_queries(QUERIES).await?;
        let made = QUERIES + size;
        jobs::fill_from(&steps.store, QUERIES, made).await?;
        Self::settled(Self { says, names, steps, queues: 1, made, costs: Default::default() }).await
    }

    async fn in_queues(mut steps: Steps<'a>) -> anyhow::Result<Self> {
        for queue in 0..QUEUES {
            steps.turn_to(&account(queue))?;
            steps.submit(&mut Cost::default(), 0).await?;
        }
        let says = "10⁵ queued in 1,000 queues";
        Self::settled(Self { says, names: &IN_QUEUES, steps, queues: QUEUES, made: BATCH, costs: Default::default() })
            .await
    }

    async fn settled(mut self) -> anyhow::Result<Self> {
        if !self.steps.settled().await? {
            eprintln!("{}: the table of keys still moves: commands cost more meanwhile", self.says);
        }
        Ok(self)
    }

    /// Submits as many as it ends, so that the size stays.
    async fn turn(&mut self, call: u32) -> anyhow::Result<()> {
        if self.queues > 1 {
            self.steps.turn_to(&account(call * (self.queues / CALLS)))?;
        }
        let [submit, claim, commit] = &mut self.costs;
        self.steps.submit(submit, self.made + call * BATCH).await?;
        let claimed = self.steps.claim(claim).await?;
        self.steps.commit(commit, &claimed, End::Succeeded).await
    }
}

fn account(queue: u32) -> String {
    format!("a{queue:03}")
}

fn add_figures(
    report: &mut Report<'_>,
    names: &[&'static str; 3],
    says: &str,
    costs: &[Cost; 3],
    usage: &Usage,
) -> anyhow::Result<()> {
    for ((name, step), cost) in names.iter().zip(["submit", "claim", "commit"]).zip(costs) {
        let runs = [Run { measured: cost.micros(), usage: usage.clone() }];
        report.add(Figure::of_runs(*name, format!("{step}, {says}"), "µs/job in Redis", &runs, |run| run.measured))?;
    }
    Ok(())
}
