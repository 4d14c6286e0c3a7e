//! Properties of webhooks: every end and every review is delivered at least once, signed, in order, to the right receiver, and nothing else is.

use std::collections::{BTreeMap, HashMap};

use bursar_domain::{DeliveryOutcome, HistoryEvent, Millis, State};
use bursar_test_support::Received;
use serde_json::Value;

use crate::evidence::{Evidence, Stored};
use crate::jobs::Thing;
use crate::plan::Memory;
use crate::properties::{Breach, about, accepted};
use crate::webhooks::{SECRET, path};

/// One message as its receiver reads it.
struct Message<'a> {
    received: &'a Received,
    kind: String,
    sequence: u64,
    /// The time of the event.
    at: Option<Millis>,
    data: Value,
}

impl<'a> Message<'a> {
    fn of(received: &'a Received) -> Option<Self> {
        let body: Value = serde_json::from_str(&received.body).ok()?;
        Some(Self {
            received,
            kind: body["type"].as_str()?.to_owned(),
            sequence: body["sequence"].as_u64()?,
            at: body["timestamp"].as_str().and_then(Millis::parse_rfc3339),
            data: body["data"].clone(),
        })
    }

    /// True if the receiver has acknowledged it.
    fn is_heard(&self) -> bool {
        (200..300).contains(&self.received.answered)
    }
}

/// A job with a `callback_url`, and everything that arrived there.
struct DeliveredJob<'a> {
    number: usize,
    thing: &'a Thing,
    variant: usize,
    stored: &'a Stored,
    messages: Vec<Message<'a>>,
}

/// Every job with a `callback_url`.
fn jobs(evidence: &Evidence) -> impl Iterator<Item = DeliveredJob<'_>> {
    evidence.plan.things.iter().enumerate().filter_map(|(number, thing)| {
        let variant = *accepted(evidence, number).first()?;
        let stored = evidence.stored[number][variant].as_ref()?;
        let received = evidence.received.get(thing.receivers[variant]?)?;
        let own = received.iter().filter(|message| message.path == path(number, variant));
        Some(DeliveredJob { number, thing, variant, stored, messages: own.filter_map(Message::of).collect() })
    })
}

impl DeliveredJob<'_> {
    /// The ends and reviews that are on record, in order.
    fn on_record<'a>(&self, evidence: &'a Evidence) -> &'a [State] {
        let key = self.thing.key(self.variant);
        evidence.ended_and_reviewed.get(&(self.thing.queue.to_string(), key)).map_or(&[], Vec::as_slice)
    }
}

fn kind_of(state: State) -> String {
    format!("job.{state}")
}

pub(crate) fn each_end_is_delivered(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for job in jobs(evidence) {
        let heard: BTreeMap<u64, &str> =
            job.messages.iter().filter(|one| one.is_heard()).map(|one| (one.sequence, one.kind.as_str())).collect();
        let on_record: Vec<String> = job.on_record(evidence).iter().copied().map(kind_of).collect();
        let whole = match evidence.plan.memory {
            Memory::Intact => {
                (1..).zip(on_record.iter().map(String::as_str)).eq(heard.iter().map(|(n, kind)| (*n, *kind)))
            }
            // Events from before the loss may be forgotten; the job's end is not.
            Memory::Older | Memory::Wiped => {
                on_record.last().is_none_or(|last| heard.values().any(|kind| kind == last))
            }
        };
        if !whole {
            breaches.push(about(job.number, format!("{on_record:?} is on record, and heard was {heard:?}")));
        }
        let state = job.stored.record.state;
        if evidence.plan.memory == Memory::Intact && on_record.last().is_some_and(|last| *last != kind_of(state)) {
            breaches.push(about(job.number, format!("{on_record:?} is on record, and it is {state}")));
        }
    }
    breaches
}

/// Unacknowledged messages count as well: an event that is not on record is delivered to no receiver.
pub(crate) fn nothing_else_is_delivered(evidence: &Evidence) -> Vec<Breach> {
    if evidence.plan.memory.is_lost() {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for job in jobs(evidence) {
        let on_record = job.on_record(evidence);
        let mut ids: HashMap<u64, &Received> = HashMap::new();
        for message in &job.messages {
            let its = usize::try_from(message.sequence).ok().and_then(|number| on_record.get(number.checked_sub(1)?));
            if its.is_none_or(|state| kind_of(*state) != message.kind) {
                let text = format!("{} was delivered as number {}: {on_record:?}", message.kind, message.sequence);
                breaches.push(about(job.number, text));
            }
            let first = ids.entry(message.sequence).or_insert(message.received);
            if (&first.id, &first.body) != (&message.received.id, &message.received.body) {
                let text = format!("was delivered with other content: {} {}", first.body, message.received.body);
                breaches.push(about(job.number, text));
            }
        }
    }
    breaches
}

/// An event is delivered once its receiver has the one before.
pub(crate) fn delivered_in_order(evidence: &Evidence) -> Vec<Breach> {
    if evidence.plan.memory.is_lost() {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for job in jobs(evidence) {
        let mut has = 0;
        for message in &job.messages {
            if message.sequence > has + 1 {
                let text = format!("number {} was delivered when its receiver had {has}", message.sequence);
                breaches.push(about(job.number, text));
            }
            if message.is_heard() {
                has = has.max(message.sequence);
            }
        }
    }
    breaches
}

pub(crate) fn delivered_with_a_signature(evidence: &Evidence) -> Vec<Breach> {
    let fits = |received: &Received| {
        let at = Message::of(received)?.at?;
        let sent: u64 = received.timestamp.parse().ok()?;
        Some(received.is_signed_by(SECRET) && sent >= at.0 / 1_000)
    };
    let unfit = evidence.received.iter().flatten().filter(|received| fits(received) != Some(true));
    unfit.map(|received| Breach { thing: None, text: format!("{received:?}") }).collect()
}

/// The receiver and the path are those that the accepted job names, and the job is that one.
pub(crate) fn delivered_to_the_right_receiver(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (receiver, received) in evidence.received.iter().enumerate() {
        for one in received {
            let its_own = jobs(evidence).any(|job| {
                let new = &job.thing.variants[job.variant];
                job.thing.receivers[job.variant] == Some(receiver)
                    && path(job.number, job.variant) == one.path
                    && Message::of(one).is_some_and(|message| {
                        let data = |name: &str| message.data[name].as_str().unwrap_or_default().to_owned();
                        [data("account"), data("kind"), data("platform_no")]
                            == [new.account.clone(), new.kind.clone(), new.platform_no.clone()]
                    })
            });
            if !its_own {
                breaches.push(Breach { thing: None, text: format!("receiver {receiver} received {one:?}") });
            }
        }
    }
    breaches
}

/// The deliveries in a job's history are those that its receiver has, each event once.
pub(crate) fn delivered_as_logged(evidence: &Evidence) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for job in jobs(evidence) {
        let mut numbers = Vec::new();
        let delivered = job.stored.history.iter().filter_map(|event| {
            let HistoryEvent::Delivery(one) = event else { return None };
            (one.outcome == DeliveryOutcome::Delivered && !one.late).then_some(one)
        });
        for delivery in delivered {
            let id = delivery.webhook_id.as_deref().unwrap_or_default();
            if !job.messages.iter().any(|message| message.received.id == id && message.is_heard()) {
                breaches.push(about(
                    job.number,
                    format!("is logged as delivered, and its receiver did not take it: {delivery:?}"),
                ));
            }
            numbers.extend(delivery.sequence);
        }
        let count = u64::try_from(job.on_record(evidence).len()).unwrap_or(u64::MAX);
        if evidence.plan.memory == Memory::Intact && !numbers.iter().copied().eq(1..=count) {
            breaches.push(about(
                job.number,
                format!("{count} events are on record, and logged as delivered are {numbers:?}"),
            ));
        }
    }
    breaches
}
