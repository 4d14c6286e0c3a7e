//! The alternatives that Bursar is compared with. Their figures come from the side-by-side benchmark's own programs,
//! not from this one: quote only ratios from one run on one machine.

/// The source of the figures.
pub(crate) const SOURCE: &str = "Peers: measured side by side on another machine (two shared cores, Redis 7.0.15 with \
    appendfsync everysec, producer, worker and gateway stub on the same two cores), payload about 300 bytes, medians of 2 \
    to 6 alternating runs. Floor: a batched list with acknowledgement and dedupe marker, the least that such a queue can \
    do. A dash: not measured.";

/// The peers, in the order of the columns.
pub(crate) const PEERS: [&str; 4] = ["BullMQ", "asynq", "apalis-redis", "floor"];

/// One figure's peers.
pub(crate) struct Reference {
    pub(crate) figure: &'static str,
    /// In the order of [`PEERS`], in the figure's own unit.
    pub(crate) values: [Option<f64>; 4],
    /// The workload, in the words of the source.
    pub(crate) workload: &'static str,
}

/// All of them.
pub(crate) const REFERENCES: &[Reference] = &[
    row("submit.one", [4_600.0, 15_400.0, 9_700.0, 12_800.0], "enqueue one at a time"),
    row("submit.at_once", [15_000.0, 33_000.0, 39_000.0, 65_000.0], "enqueue, 64 at once"),
    row("submit.batch", [10_900.0, NONE, 37_000.0, 73_000.0], "enqueue in bulk (batches of 500)"),
    row("drain.jobs", [7_986.0, 10_667.0, 3_647.0, 119_206.0], "W1: no-op, 100 in flight"),
    row("drain.worker_cpu", [132.0, 87.0, 83.0, 4.0], "W1: worker CPU a job"),
    row("drain.redis_cpu", [103.0, 69.0, 205.0, 6.0], "W1: Redis CPU a job"),
    row("drain.commands", [23.0, 14.0, 11.0, 0.1], "W1: Redis commands a job, those inside scripts included"),
    row(
        "signed.jobs",
        [1_490.0, 1_013.0, 1_911.0, 3_414.0],
        "W3: POST of 1 KB, signed and verified, to a stub that answers after 20 ms with one prepared signature; ours is \
         against the simulator, which verifies and signs each answer itself on the same cores",
    ),
    row("memory.queued", [1_081.0, 891.0, 783.0, 485.0], "bytes for a queued job"),
    row(
        "pickup.p50",
        [2.1, 534.0, 4.7, 0.9],
        "L2: 200 jobs/s, enqueue to answer, less the stub's 20 ms; ours is one job while all is idle",
    ),
    row("pickup.p99", [6.5, 1_363.0, 14.9, 1.2], "L2, as above"),
    row("idle.resident", [107.0, 19.0, 5.0, 5.0], "worker, resident at its peak under W1"),
];

/// Jobs a second side by side on that other machine: W1, W2, W3. By these a peer that cannot be installed on a machine is
/// compared through those that can.
const SIDE_BY_SIDE: [(&str, [f64; 3]); 12] = [
    ("floor-list", [119_206.0, 12_190.0, 3_414.0]),
    ("floor-stream", [95_136.0, 12_179.0, 3_212.0]),
    ("bullmq", [7_986.0, 3_229.0, 1_490.0]),
    ("bullmq-x2", [6_721.0, 2_694.0, 1_453.0]),
    ("asynq", [10_667.0, 5_575.0, 1_013.0]),
    ("apalis", [3_647.0, 4_775.0, 1_911.0]),
    ("apalis-tuned", [5_295.0, 6_558.0, NONE]),
    ("apalis-lean", [19_770.0, 9_850.0, 2_682.0]),
    ("rusty-sidekiq", [9_193.0, 6_200.0, 2_040.0]),
    ("sidekiq", [5_345.0, 1_498.0, 672.0]),
    ("arq", [1_024.0, 943.0, 642.0]),
    ("celery", [696.0, 293.0, 351.0]),
];

/// A peer's jobs a second in a workload, on that other machine.
pub(crate) fn side_by_side(peer: &str, workload: &str) -> Option<f64> {
    let column = ["W1", "W2", "W3"].iter().position(|name| *name == workload)?;
    let (_, rates) = SIDE_BY_SIDE.iter().find(|(name, _)| *name == peer)?;
    rates.get(column).copied().filter(|rate| !rate.is_nan())
}

/// Not measured.
const NONE: f64 = f64::NAN;

const fn row(figure: &'static str, values: [f64; 4], workload: &'static str) -> Reference {
    let mut known = [None; 4];
    let mut at = 0;
    while at < values.len() {
        if !values[at].is_nan() {
            known[at] = Some(values[at]);
        }
        at += 1;
    }
    Reference { figure, values: known, workload }
}

/// The peers of a figure, if it has any.
pub(crate) fn of(figure: &str) -> Option<&'static Reference> {
    REFERENCES.iter().find(|reference| reference.figure == figure)
}
