//! The properties that hold after every seed, each as a function of the evidence that names its breaches.

use std::collections::BTreeSet;

use bursar_domain::{Call, HistoryEvent, Job, State};
use bursar_producer::{AccountRules, Outcome};
use bursar_simulator::Kind;
use serde_json::Value;

use crate::books::Books;
use crate::event::Event;
use crate::evidence::{Evidence, Stored};
use crate::jobs::{ACCOUNTS, Thing};
use crate::plan::{Gateway, Memory};
use crate::producers::Ack;
use crate::{deliveries, pushed};

/// One way in which a property was broken.
#[derive(Clone, Debug)]
pub(crate) struct Breach {
    /// The number of the thing, where the breach is about one.
    pub(crate) thing: Option<usize>,
    pub(crate) text: String,
}

type Judge = fn(&Evidence) -> Vec<Breach>;

/// Every property by its name.
pub(crate) const PROPERTIES: [(&str, Judge); 24] = [
    ("no key is executed twice where the gateway honours keys", executed_once_with_keys),
    ("no key is executed twice by an account that holds at a gateway that does not", executed_once_by_holding),
    ("every job ends, or waits for a person, in time", ends_in_time),
    ("no job whose money may have moved is failed", failed_means_not_paid),
    ("every job's state is the one that the gateway's books have", states_agree),
    ("a key's bytes are the accepted ones, and never change", bytes_never_change),
    ("no key is sent again while a send of it is in work", one_send_at_a_time),
    ("every send was on record", sends_on_record),
    ("what comes too late is recorded as late", late_is_called_late),
    ("every accepted job exists, and nothing else", accepted_exists),
    ("one submission of a thing is accepted, and new once", new_once),
    ("no submission that is in order is called invalid", none_invalid),
    ("nothing is left claimed, due or quarantined", nothing_left),
    ("no worker ends by itself, panics, or does not drain", no_worker_ends_by_itself),
    ("no call was made that the gateway complains of", no_violations),
    ("every end and every review was delivered", deliveries::each_end_is_delivered),
    ("nothing was delivered that is not on record", deliveries::nothing_else_is_delivered),
    ("the events of a job were delivered in order", deliveries::delivered_in_order),
    ("every delivery was signed", deliveries::delivered_with_a_signature),
    ("every delivery reached the right receiver", deliveries::delivered_to_the_right_receiver),
    ("the deliveries on record are those that receivers have", deliveries::delivered_as_logged),
    ("every pushed job is one job, or a dead letter because of its rival", pushed::each_is_a_job_or_a_dead_letter),
    (
        "what was pushed and is no job is a dead letter with its reason, and nothing else is",
        pushed::an_invalid_task_is_a_dead_letter,
    ),
    ("no late duplicate is new", pushed::nothing_is_new_in_the_end),
];

pub(crate) fn about(thing: usize, text: String) -> Breach {
    Breach { thing: Some(thing), text }
}

fn executed_once_with_keys(evidence: &Evidence) -> Vec<Breach> {
    executed_once(evidence, Gateway::HonoursKeys)
}

fn executed_once_by_holding(evidence: &Evidence) -> Vec<Breach> {
    executed_once(evidence, Gateway::ExecutesEverySend)
}

fn executed_once(evidence: &Evidence, gateway: Gateway) -> Vec<Breach> {
    if evidence.plan.gateway != gateway {
        return Vec::new();
    }
    // Where every send is executed, a bill may be uploaded again: that moves no money.
    let counts = |thing: &Thing| gateway == Gateway::HonoursKeys || thing.queue.kind.moves_money();
    let things = evidence.plan.things.iter().enumerate().filter(|(_, thing)| counts(thing));
    let executions = |thing: &Thing| evidence.at_gateway(thing).map_or(0, |record| record.executions);
    let twice = things.filter(|(_, thing)| executions(thing) > 1);
    twice.map(|(number, thing)| about(number, format!("executed {} times", executions(thing)))).collect()
}

fn ends_in_time(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    if evidence.quiet_after.is_none() {
        breaches.push(Breach { thing: None, text: "something was still due long after the last event".into() });
    }
    for (number, thing, Stored { record, .. }) in evidence.jobs() {
        if evidence.waits_for_ever(thing) {
            continue;
        }
        if !record.state.is_terminal() && record.state != State::NeedsReview {
            breaches.push(about(number, format!("is still {}", record.state)));
        }
    }
    breaches
}

fn failed_means_not_paid(evidence: &Evidence) -> Vec<Breach> {
    let failed = evidence.jobs().filter(|(_, _, stored)| stored.record.state == State::Failed);
    let paid = failed.filter(|(_, thing, _)| Books::of(evidence, thing).paid());
    paid.map(|(number, ..)| about(number, "is failed, and was paid".into())).collect()
}

fn states_agree(evidence: &Evidence) -> Vec<Breach> {
    let wrong = |(number, thing, Stored { record, .. }): (usize, &Thing, &Stored)| {
        let books = Books::of(evidence, thing);
        if evidence.waits_for_ever(thing) && record.state == State::Queued {
            return None; // what is known of it is known to be old
        }
        let text =
            || format!("is {}, and at the gateway {:?}, executed: {}", record.state, books.status, books.executed);
        (!books.allow(record.state)).then(|| about(number, text()))
    };
    evidence.jobs().filter_map(wrong).collect()
}

/// The bytes of a variant's content.
fn content(thing: &Thing, variant: usize) -> String {
    let rules = |name: &str| {
        let account = ACCOUNTS.iter().find(|(account, _)| *account == name)?;
        Some(AccountRules::new(account.1))
    };
    Job::validate(&thing.variants[variant], rules).expect("the jobs of a plan are valid").content.text().to_owned()
}

fn bytes_never_change(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (number, thing) in evidence.plan.things.iter().enumerate() {
        for variant in accepted(evidence, number) {
            let expected = content(thing, variant);
            let stored = evidence.stored[number][variant].as_ref().and_then(|stored| stored.content.as_deref());
            if stored.is_some_and(|stored| stored != expected) {
                breaches.push(about(number, format!("{stored:?} is stored where {expected} was accepted")));
            }
            let Some(record) = evidence.at_gateway(thing) else { continue };
            if is_left_to_a_person(evidence, number, variant) {
                continue;
            }
            let same = match record.kind {
                Kind::Transfer | Kind::BillUpload => record.bytes == expected,
                Kind::Withdrawal => {
                    record.amount == serde_json::from_str::<Value>(&expected).unwrap()["total_amount"].as_i64()
                }
                // There the gateway has its parameters in another order.
                Kind::Split => {
                    let fields: serde_json::Map<String, Value> = serde_json::from_str(&expected).unwrap();
                    fields.values().all(|value| record.bytes.contains(value.as_str().unwrap_or_default()))
                }
            };
            if !same {
                breaches.push(about(number, format!("{} was sent where {expected} was accepted", record.bytes)));
            }
        }
    }
    breaches.extend(violations(evidence, |text| text == SECOND_CONTENT));
    breaches
}

const SECOND_CONTENT: &str = "a second content under this key";
const SECOND_SEND: &str = "a second send under this key while one is in work";

fn violations(evidence: &Evidence, fits: impl Fn(&str) -> bool) -> Vec<Breach> {
    let named =
        |key: &Option<String>| evidence.plan.things.iter().position(|thing| Some(&thing.ledger_key) == key.as_ref());
    let fitting = evidence.ledger.violations.iter().filter(|violation| fits(&violation.text));
    fitting
        .map(|violation| Breach {
            thing: named(&violation.key),
            text: format!("{:?}: {}", violation.key, violation.text),
        })
        .collect()
}

/// A frozen worker may begin its send when it resumes, after sends of others. The time of `resend_after` makes
/// that rare, and the gateway's keys, or the account's `hold`, make it harmless.
fn one_send_at_a_time(evidence: &Evidence) -> Vec<Breach> {
    if evidence.plan.memory.is_lost() {
        return Vec::new(); // the time of its send is lost
    }
    if evidence.plan.timeline.iter().any(|moment| matches!(moment.event, Event::Freeze(_) | Event::Halt(..))) {
        return Vec::new();
    }
    violations(evidence, |text| text == SECOND_SEND)
}

fn no_violations(evidence: &Evidence) -> Vec<Breach> {
    violations(evidence, |text| text != SECOND_CONTENT && text != SECOND_SEND)
}

/// A line of a job's log: its event, its fence, and whether it came too late.
fn lines(stored: &Stored) -> impl Iterator<Item = (&str, u64, bool)> {
    stored.history.iter().map(|event| {
        let (fence, _) = event.claim().unwrap_or_default();
        (event.name(), fence, matches!(event, HistoryEvent::Response(response) if response.late))
    })
}

/// Both the record and the history have at least as many sends as arrived, without those that were released. Lost writes
/// are not there, of course.
fn sends_on_record(evidence: &Evidence) -> Vec<Breach> {
    if evidence.plan.memory.is_lost() {
        return Vec::new();
    }
    let wrong = |(number, thing, stored): (usize, &Thing, &Stored)| {
        let (arrived, recorded) = (evidence.at_gateway(thing)?.requests, u64::from(stored.record.sends));
        let mut logged: BTreeSet<u64> = BTreeSet::new();
        for event in &stored.history {
            let (fence, _) = event.claim().unwrap_or_default();
            // The intent of a send is in the claim; the history has it where no response mentions the send.
            if let HistoryEvent::Response(response) = event {
                if response.call == Call::Send {
                    logged.insert(fence);
                }
            } else if matches!(event, HistoryEvent::SendIntent(_)) {
                logged.insert(fence);
            } else if matches!(event, HistoryEvent::ClaimReleased(_) | HistoryEvent::SendSkipped(_)) {
                logged.remove(&fence);
            }
        }
        let logged = u64::try_from(logged.len()).unwrap_or(u64::MAX);
        let text = format!("{arrived} sends arrived, {recorded} are on record, {logged} in the log");
        (arrived > recorded.min(logged)).then(|| about(number, text))
    };
    evidence.jobs().filter_map(wrong).collect()
}

/// Events of a claim are in the history before the events of later claims, or they are marked as late.
fn late_is_called_late(evidence: &Evidence) -> Vec<Breach> {
    if evidence.plan.memory.is_lost() {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for (number, _, stored) in evidence.jobs() {
        let (mut newest, mut lost) = (0, 0);
        for (event, fence, late) in lines(stored) {
            let its_own = ["send_intent", "response", "claim_released", "send_skipped"].contains(&event) && !late;
            if its_own && (fence < newest || fence <= lost) {
                breaches.push(about(number, format!("{event} of fence {fence} came after {newest}, lost was {lost}")));
            }
            match event {
                "worker_lost" => lost = fence,
                _ if its_own => newest = newest.max(fence),
                _ => {}
            }
        }
    }
    breaches
}

/// True if a wiped Redis took a second variant of something sent, and a person must decide, or has decided: the journals, or a late
/// response, have shown it.
fn is_left_to_a_person(evidence: &Evidence, thing: usize, variant: usize) -> bool {
    let stored = evidence.stored[thing][variant].as_ref();
    let by_hand = |event: &HistoryEvent| matches!(event, HistoryEvent::OperatorAction(action) if action.from == State::NeedsReview);
    let in_review =
        stored.is_some_and(|stored| stored.record.state == State::NeedsReview || stored.history.iter().any(by_hand));
    in_review && evidence.plan.memory == Memory::Wiped && evidence.plan.things[thing].variants.len() > 1
}

/// The replies to producers about a thing. Where Redis was wiped, only the last ones count: Redis has lost the earlier ones.
fn answers(evidence: &Evidence, thing: usize) -> impl Iterator<Item = &Ack> {
    let counts = |ack: &&Ack| ack.late || evidence.plan.memory != Memory::Wiped;
    evidence.acks.iter().filter(move |ack| ack.thing == thing).filter(counts)
}

/// The variants of a thing of which a producer knows that they are accepted.
pub(crate) fn accepted(evidence: &Evidence, thing: usize) -> Vec<usize> {
    let taken = answers(evidence, thing).filter(|ack| matches!(ack.outcome, Outcome::New | Outcome::Existing(_)));
    let mut variants: Vec<usize> = taken.map(|ack| ack.variant).collect();
    variants.sort_unstable();
    variants.dedup();
    variants
}

fn accepted_exists(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (number, thing) in evidence.plan.things.iter().enumerate() {
        let accepted = accepted(evidence, number);
        for variant in &accepted {
            if evidence.stored[number][*variant].is_none() {
                breaches.push(about(number, format!("{} was accepted and is lost", thing.key(*variant))));
            }
        }
        for (variant, stored) in evidence.stored[number].iter().enumerate() {
            // Rivals under one key have one record.
            let known = (0..thing.variants.len())
                .filter(|known| accepted.contains(known) || evidence.plan.is_pushed(number, *known))
                .any(|known| thing.key(known) == thing.key(variant));
            if stored.is_some() && !known {
                breaches.push(about(number, format!("{} exists and no producer knows it", thing.key(variant))));
            }
        }
    }
    let twice = |number: &usize| about(*number, "exists under both names of its account".into());
    breaches.extend(evidence.twins.iter().map(twice));
    let known = |key: &String| evidence.plan.things.iter().any(|thing| &thing.ledger_key == key);
    for key in evidence.ledger.keys.keys().filter(|key| !known(key)) {
        breaches.push(Breach { thing: None, text: format!("the gateway was sent {key}, which no producer submitted") });
    }
    breaches
}

fn new_once(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for number in 0..evidence.plan.things.len() {
        let acks: Vec<_> = answers(evidence, number).collect();
        let accepted = accepted(evidence, number);
        // Under an account's other name no process knows the submissions under this one until the jobs are adopted; then none knows
        // them under the old name.
        let is_old = |name: &str| evidence.plan.renaming.as_ref().is_some_and(|renaming| renaming.old == name);
        let new =
            |old: bool| acks.iter().filter(|ack| is_old(&ack.account) == old && ack.outcome == Outcome::New).count();
        let new = new(false).max(new(true).min(1));
        // A producer that repeats a submission without a reply may find its own success or that of another.
        // A push gets no reply.
        let unheard = evidence.plan.memory == Memory::Wiped
            || accepted.iter().any(|variant| evidence.plan.is_pushed(number, *variant))
            || acks.iter().any(|ack| ack.tries > 1 && accepted.contains(&ack.variant));
        let for_workers = accepted.iter().filter(|variant| !is_left_to_a_person(evidence, number, **variant)).count();
        if accepted.is_empty() || for_workers > 1 || new > 1 || (new == 0 && !unheard) {
            breaches.push(about(number, format!("accepted: variants {accepted:?}, new {new} times: {acks:?}")));
        }
    }
    breaches
}

fn none_invalid(evidence: &Evidence) -> Vec<Breach> {
    let invalid = evidence.acks.iter().filter(|ack| matches!(ack.outcome, Outcome::Invalid(_)));
    invalid.map(|ack| about(ack.thing, format!("{:?}", ack.outcome))).collect()
}

fn nothing_left(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (queue, status) in &evidence.queues {
        let to_send = if evidence.plan.waits_for_ever(status.paused.as_ref()) { 0 } else { status.counts.to_send };
        if to_send + status.counts.to_query + status.counts.undelivered + status.quarantined > 0 {
            breaches.push(Breach { thing: None, text: format!("{queue}: {status:?}") });
        }
    }
    for (number, _, stored) in evidence.jobs() {
        if let Some(worker) = &stored.record.worker {
            breaches.push(about(number, format!("is still claimed by {worker}")));
        }
    }
    breaches
}

fn no_worker_ends_by_itself(evidence: &Evidence) -> Vec<Breach> {
    evidence.worker_wrongs.iter().map(|text| Breach { thing: None, text: text.clone() }).collect()
}
