//! The report of a seed: one line when all is well, and all evidence of a broken property.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::evidence::Evidence;
use crate::jobs::Thing;
use crate::plan::Plan;
use crate::properties::{Breach, PROPERTIES};
use crate::renaming::NEW_NAME;
use crate::webhooks::WebhookPlan;

/// The most breaches of one property, and lines of one worker, in a report.
const SHOWN_BREACHES: usize = 5;
const SHOWN_LINES: usize = 40;

/// The totals of all seeds.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    seeds: usize,
    jobs: usize,
    gateway_faults: u64,
    crashes: u32,
    deliveries: usize,
    pushed: usize,
    lost_reply_bytes: u64,
    events: BTreeMap<String, usize>,
    states: BTreeMap<&'static str, usize>,
}

/// The verdict on one seed.
pub(crate) enum Verdict {
    Holds,
    Broken,
}

/// Past the test runner's capture, which would show it for failing tests only.
pub(crate) fn say(text: &str) {
    // No one reads it then.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Judges a seed, reports it, and counts it.
pub(crate) fn judge(evidence: &Evidence, totals: &mut Totals) -> Verdict {
    let judged: Vec<(&str, Vec<Breach>)> = PROPERTIES.iter().map(|(name, judge)| (*name, judge(evidence))).collect();
    let broken = judged.iter().any(|(_, breaches)| !breaches.is_empty());
    say(&line(evidence, totals, if broken { "FAILED" } else { "ok" }));
    if !broken {
        return Verdict::Holds;
    }
    say(&full(evidence, &judged));
    Verdict::Broken
}

fn line(evidence: &Evidence, totals: &mut Totals, verdict: &str) -> String {
    let plan = &evidence.plan;
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    for word in evidence.occurrences.iter().filter_map(|occurrences| occurrences.word.clone()) {
        *events.entry(word).or_default() += 1;
    }
    let mut states: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (_, _, stored) in evidence.jobs() {
        *states.entry(stored.record.state.as_str()).or_default() += 1;
    }
    totals.seeds += 1;
    totals.jobs += plan.things.len();
    totals.gateway_faults += evidence.stats.faulty;
    totals.crashes += evidence.crashes;
    let (deliveries, pushed) = (evidence.received.iter().flatten().count(), pushed(plan));
    totals.deliveries += deliveries;
    totals.pushed += pushed;
    totals.lost_reply_bytes += evidence.lost_reply_bytes;
    for (name, count) in &events {
        *totals.events.entry(name.clone()).or_default() += count;
    }
    for (name, count) in &states {
        *totals.states.entry(name).or_default() += count;
    }
    format!(
        "seed {}: {} jobs ({}) · {:?} {} {:?} · {} workers{} · {} · {} faults of the gateway, {} crashes, {} reply bytes lost · quiet after {} · {} · {verdict}",
        plan.seed,
        plan.things.len(),
        counts(&states),
        plan.gateway,
        plan.profile,
        plan.fsync,
        plan.workers,
        more(plan, deliveries, pushed),
        counts(&events),
        evidence.stats.faulty,
        evidence.crashes,
        evidence.lost_reply_bytes,
        evidence.quiet_after.map_or("never".into(), |after| format!("{:.1} s", after.as_secs_f32())),
        format_args!("{:.1} s", evidence.took.as_secs_f32()),
    )
}

/// Jobs that were pushed, without repetitions.
fn pushed(plan: &Plan) -> usize {
    let variants = |(number, thing): (usize, &Thing)| {
        (0..thing.variants.len()).filter(|variant| plan.is_pushed(number, *variant)).count()
    };
    plan.things.iter().enumerate().map(variants).sum()
}

/// The parts that only some seeds have.
fn more(plan: &Plan, deliveries: usize, pushed: usize) -> String {
    let webhooks = plan.webhooks.as_ref().map(|webhooks| {
        let WebhookPlan { workers, servers, receivers } = webhooks;
        format!(", {workers:?} and {servers} servers delivered {deliveries} messages to {receivers} receivers")
    });
    let import = plan.import.as_ref().map(|import| format!(", {pushed} jobs and {} others pushed", import.wrong.len()));
    let renaming = plan.renaming.as_ref().map(|renaming| format!(", {} becomes {NEW_NAME}", renaming.old));
    webhooks.into_iter().chain(import).chain(renaming).collect()
}

fn counts<Name: AsRef<str>>(counts: &BTreeMap<Name, usize>) -> String {
    let one = |(name, count): (&Name, &usize)| format!("{} {count}", name.as_ref());
    counts.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Totals {
    /// The last line of a run.
    pub(crate) fn summary(&self) -> String {
        format!(
            "{} seeds, {} jobs ({}); {} faults of the gateway, {} crashes at crash points, {} reply bytes lost; {} messages delivered, {} jobs pushed; events: {}",
            self.seeds,
            self.jobs,
            counts(&self.states),
            self.gateway_faults,
            self.crashes,
            self.lost_reply_bytes,
            self.deliveries,
            self.pushed,
            counts(&self.events)
        )
    }
}

fn full(evidence: &Evidence, judged: &[(&str, Vec<Breach>)]) -> String {
    let mut text = String::new();
    let mut things = Vec::new();
    for (name, breaches) in judged {
        let _ = writeln!(text, "  {:<6} {name}", if breaches.is_empty() { "ok" } else { "FAILED" });
        for breach in breaches.iter().take(SHOWN_BREACHES) {
            let who = breach.thing.map(|number| format!("{}: ", evidence.plan.things[number].ledger_key));
            let _ = writeln!(text, "           {}{}", who.unwrap_or_default(), breach.text);
            things.extend(breach.thing);
        }
    }
    things.sort_unstable();
    things.dedup();
    for number in things {
        describe(&mut text, evidence, number, &evidence.plan.things[number]);
    }
    let _ = writeln!(text, "\nthe timeline as it went:");
    for occurrences in &evidence.occurrences {
        let _ = writeln!(text, "  {:>7.3} s  {}", occurrences.at.as_secs_f32(), occurrences.what);
    }
    for (name, words) in &evidence.words {
        let lines: Vec<&str> = words.lines().collect();
        let _ = writeln!(text, "\n{name}, its last words:");
        for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
            let _ = writeln!(text, "  {line}");
        }
    }
    let _ = writeln!(text, "\nagain: BURSAR_SEED={} cargo test --workspace --test random chaos", evidence.plan.seed);
    text
}

fn describe(text: &mut String, evidence: &Evidence, number: usize, thing: &Thing) {
    let _ =
        writeln!(text, "\n{} in {} (life {}, spoilt {:?})", thing.ledger_key, thing.queue, thing.life, thing.spoilt);
    let _ = writeln!(text, "  the gateway: {:?}", evidence.at_gateway(thing));
    for ack in evidence.acks.iter().filter(|ack| ack.thing == number) {
        let _ = writeln!(text, "  a producer: {ack:?}");
    }
    for stored in evidence.stored[number].iter().flatten() {
        let _ = writeln!(text, "  {:?}\n  {:?}", stored.record, stored.content);
        for event in &stored.history {
            let _ = writeln!(text, "    {}", event.view());
        }
    }
    let name = |variant| thing.key(variant).to_string();
    for (worker, words) in &evidence.words {
        for line in words.lines().filter(|line| (0..thing.variants.len()).any(|it| line.contains(&name(it)))) {
            let _ = writeln!(text, "  {worker}: {line}");
        }
    }
}
