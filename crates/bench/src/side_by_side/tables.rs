//! The runs as Markdown tables: medians, and Bursar's ratio to each peer.

use std::fmt::Write;

use super::Workload;
use super::outcome::{Figure, Outcome};
use crate::reference;
use crate::report::{median, shown};

/// The columns of a drain besides jobs a second.
const COSTS: [(Figure, &str); 7] = [
    (Figure::WorkerMicros, "worker CPU µs/job"),
    (Figure::RedisMicros, "Redis CPU µs/job"),
    (Figure::StubMicros, "stub CPU µs/job"),
    (Figure::Commands, "Redis commands/job"),
    (Figure::WireBytes, "bytes to and from Redis/job"),
    (Figure::QueuedBytes, "bytes/queued job"),
    (Figure::PeakMegabytes, "worker MB"),
];

const LATENCIES: [(Figure, &str); 5] = [
    (Figure::MedianMillis, "p50 ms"),
    (Figure::NinetyNineMillis, "p99 ms"),
    (Figure::LongestMillis, "longest ms"),
    (Figure::WorkerMicros, "worker CPU µs/job"),
    (Figure::RedisMicros, "Redis CPU µs/job"),
];

const IDLE: [(Figure, &str); 4] = [
    (Figure::CommandsPerSecond, "Redis commands/s"),
    (Figure::WorkerPercent, "worker CPU, % of a core"),
    (Figure::RedisPercent, "Redis CPU, % of a core"),
    (Figure::PeakMegabytes, "worker MB"),
];

const SUBMITS: [(Figure, &str); 3] =
    [(Figure::SubmitOne, "one at a time"), (Figure::SubmitAtOnce, "64 at once"), (Figure::SubmitBulk, "bulk")];

/// Everything.
pub(super) fn all(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for workload in Workload::ALL {
        let of_workload: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.workload == workload).collect();
        if of_workload.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        writeln!(text, "### {}: {}\n", workload.name(), workload.says()).ok();
        if workload.is_drain() {
            drains(&mut text, &of_workload);
            derived(&mut text, workload, &of_workload);
        } else {
            table(&mut text, &of_workload, if workload == Workload::I1 { &IDLE } else { &LATENCIES }, None);
        }
        if workload == Workload::W1 {
            writeln!(text, "### Submitted jobs a second\n").ok();
            table(&mut text, &of_workload, &SUBMITS, None);
        }
        for failed in of_workload.iter().filter(|outcome| outcome.failed.is_some()) {
            let why = failed.failed.as_deref().unwrap_or_default();
            writeln!(text, "{} failed in round {}: {why}\n", failed.peer, failed.number + 1).ok();
        }
    }
    text
}

fn drains(text: &mut String, outcomes: &[&Outcome]) {
    let mut columns = vec![(Figure::JobsPerSecond, "jobs/s")];
    columns.extend(COSTS);
    table(text, outcomes, &columns, Some(Figure::JobsPerSecond));
}

/// A line for each peer; with `ratio`, also Bursar's figure divided by the peer's.
fn table(text: &mut String, outcomes: &[&Outcome], columns: &[(Figure, &str)], ratio: Option<Figure>) {
    let heads: Vec<&str> = columns.iter().map(|(_, head)| *head).collect();
    let (ratio_head, ratio_rule) = if ratio.is_some() { ("Bursar is × | ", "---|") } else { ("", "") };
    writeln!(
        text,
        "| peer | {ratio_head}{} | runs | disturbed |\n|---|{ratio_rule}{}---|---|",
        heads.join(" | "),
        "---|".repeat(heads.len())
    )
    .ok();
    for peer in peers(outcomes) {
        let runs: Vec<&Outcome> = outcomes.iter().copied().filter(|outcome| outcome.peer == peer).collect();
        let cell = |figure: Figure| of(&runs, figure).map_or_else(|| "–".to_owned(), shown);
        let cells: Vec<String> = columns.iter().map(|(figure, _)| cell(*figure)).collect();
        let times = ratio.map(|figure| {
            let (ours, theirs) = (of_peer(outcomes, "bursar", figure), of(&runs, figure));
            ours.zip(theirs).map_or_else(|| "– | ".to_owned(), |(ours, theirs)| format!("{} | ", shown(ours / theirs)))
        });
        let disturbed = runs.iter().filter(|run| run.other_cores > super::DISTURBED).count();
        let errors: f64 = runs.iter().filter_map(|run| run.figures.get(&Figure::Errors)).sum();
        let mark = if errors > 0.0 { " (with errors)" } else { "" };
        writeln!(
            text,
            "| {peer}{mark} | {}{} | {} | {disturbed} |",
            times.unwrap_or_default(),
            cells.join(" | "),
            runs.len()
        )
        .ok();
    }
    writeln!(text).ok();
}

/// Bursar's ratio to peers that cannot be installed here, through peers that were measured with them elsewhere.
fn derived(text: &mut String, workload: Workload, outcomes: &[&Outcome]) {
    let Some(ours) = of_peer(outcomes, "bursar", Figure::JobsPerSecond) else { return };
    let elsewhere = |peer: &str| reference::side_by_side(peer, workload.name());
    for absent in ["bullmq", "asynq"] {
        if peers(outcomes).contains(&absent) {
            continue;
        }
        let through = peers(outcomes).into_iter().filter(|peer| *peer != "bursar").filter_map(|peer| {
            let here = of_peer(outcomes, peer, Figure::JobsPerSecond)?;
            Some((peer, ours / here * elsewhere(peer)? / elsewhere(absent)?))
        });
        let mut through: Vec<(&str, f64)> = through.collect();
        if through.is_empty() {
            continue;
        }
        through.sort_by(|one, other| one.1.total_cmp(&other.1));
        let named: Vec<String> = through.iter().map(|(peer, times)| format!("{peer} {}", shown(*times))).collect();
        let middle = median(through.iter().map(|(_, times)| *times).collect());
        writeln!(
            text,
            "Derived: Bursar is × {} {absent}, which was not run here; through {}.\n",
            shown(middle),
            named.join(", ")
        )
        .ok();
    }
}

fn peers<'a>(outcomes: &[&'a Outcome]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !names.contains(&outcome.peer.as_str()) {
            names.push(&outcome.peer);
        }
    }
    names.sort_by_key(|name| *name != "bursar");
    names
}

fn of_peer(outcomes: &[&Outcome], peer: &str, figure: Figure) -> Option<f64> {
    let runs: Vec<&Outcome> = outcomes.iter().copied().filter(|outcome| outcome.peer == peer).collect();
    of(&runs, figure)
}

fn of(runs: &[&Outcome], figure: Figure) -> Option<f64> {
    let values: Vec<f64> = runs.iter().filter_map(|run| run.figures.get(&figure).copied()).collect();
    (!values.is_empty()).then(|| median(values))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn outcome(peer: &str, rate: f64) -> Outcome {
        let figures = BTreeMap::from([(Figure::JobsPerSecond, rate)]);
        let (workload, peer) = (Workload::W1, peer.to_owned());
        Outcome { workload, peer, number: 0, jobs: 1, in_flight: 1, figures, other_cores: 0.0, failed: None }
    }

    #[test]
    fn a_peers_line_has_the_median_and_bursars_ratio_to_it() {
        let outcomes =
            [outcome("other", 90.0), outcome("bursar", 300.0), outcome("other", 110.0), outcome("other", 100.0)];
        let text = all(&outcomes);
        let line = text.lines().find(|line| line.starts_with("| other")).unwrap();
        assert!(line.starts_with("| other | 3.00 | 100 |"), "{line}");
        assert!(text.find("| bursar").unwrap() < text.find("| other").unwrap());
    }

    #[test]
    fn an_uninstallable_peer_is_reached_through_another() {
        let text = all(&[outcome("bursar", 10_000.0), outcome("rusty-sidekiq", 5_000.0)]);
        // Elsewhere rusty-sidekiq did 9,193 and BullMQ 7,986: 2 × 9,193 / 7,986.
        assert!(text.contains("Bursar is × 2.30 bullmq"), "{text}");
    }
}
