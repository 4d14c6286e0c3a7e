//! The events of a seed and their times: data, drawn from the seed before anything runs.

use std::collections::HashMap;
use std::time::Duration;

use bursar_producer::Queue;
use bursar_test_support::Fault;
use fastrand::Rng;

use crate::event::{Event, Order, Wire};
use crate::import::ImportPlan;
use crate::jobs::{queues, weighted};
use crate::webhooks::WebhookPlan;
use crate::workers::Role;

/// No event begins later than this; each ends soon after.
const HORIZON_MS: u64 = 4_000;

/// Points in the worker's path at which it can be made to end.
pub(crate) const CRASH_POINTS: [&str; 6] =
    ["after_claim", "before_send", "before_query", "after_answer", "before_commit", "after_commit"];

/// The point at which a receiver has acknowledged, and the record does not have it yet.
const DELIVERED_POINT: &str = "after_delivery";

/// Points in the import's path.
const IMPORT_POINTS: [&str; 2] = ["before_take", "after_take"];

/// An event and its time after the start.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Duration,
    pub(crate) event: Event,
}

/// The target of an event; a target has one event at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    Worker(usize),
    Redis,
    Wire(Wire),
    Queue(Queue),
}

#[derive(Clone, Copy)]
enum Episode {
    Kill,
    Arm,
    Halt,
    Drain,
    Freeze,
    RedisStops,
    RedisDies,
    RedisStalls,
    RedisStallsLong,
    RedisPauses,
    FileRewritten,
    MemoryFull,
    RedisWire,
    GatewayWire,
    ProducersWire,
    QueuePaused,
    Operator,
}

const EPISODES: [(Episode, u32); 17] = [
    (Episode::Kill, 10),
    (Episode::Arm, 10),
    (Episode::Halt, 10),
    (Episode::Drain, 4),
    (Episode::Freeze, 9),
    (Episode::RedisStops, 3),
    (Episode::RedisDies, 6),
    (Episode::RedisStalls, 5),
    (Episode::RedisStallsLong, 1),
    (Episode::RedisPauses, 4),
    (Episode::FileRewritten, 4),
    (Episode::MemoryFull, 4),
    (Episode::RedisWire, 16),
    (Episode::GatewayWire, 12),
    (Episode::ProducersWire, 4),
    (Episode::QueuePaused, 3),
    (Episode::Operator, 14),
];

/// The parts that only some seeds have, and the dice for them: the other draws are the same without them.
pub(crate) struct More<'a> {
    pub(crate) dice: &'a mut Rng,
    pub(crate) webhooks: Option<&'a WebhookPlan>,
    pub(crate) import: Option<&'a ImportPlan>,
}

/// Draws a timeline for so many workers, in order of time.
pub(crate) fn draw(dice: &mut Rng, workers: usize, more: More<'_>) -> Vec<Moment> {
    let mut draft = Draft { dice, free: HashMap::new(), moments: Vec::new() };
    for _ in 0..draft.dice.usize(6..20) {
        let episode = weighted(draft.dice, &EPISODES);
        draft.episode(episode, workers);
    }
    let More { dice, webhooks, import } = more;
    let mut draft = Draft { dice, free: draft.free, moments: draft.moments };
    if let Some(webhooks) = webhooks {
        draft.webhooks(webhooks, workers);
    }
    if import.is_some() {
        for _ in 0..draft.dice.usize(1..4) {
            let worker = draft.dice.usize(..workers);
            let point = IMPORT_POINTS[draft.dice.usize(..IMPORT_POINTS.len())];
            let armed = Event::Arm(worker, point, draft.dice.u32(1..6));
            draft.span(Target::Worker(worker), 400..2_000, armed, Event::Start(worker));
        }
    }
    draft.moments.sort_by_key(|moment| moment.at);
    draft.moments
}

/// Draws a timeline in which Redis loses writes once: faults of the gateway's wires, and the loss. The workers live through it,
/// all but the last, which starts when Redis comes back and knows nothing of the lost writes.
pub(crate) fn draw_loss(dice: &mut Rng, workers: usize) -> Vec<Moment> {
    let mut draft = Draft { dice, free: HashMap::new(), moments: Vec::new() };
    for _ in 0..draft.dice.usize(0..6) {
        let worker = draft.dice.usize(..workers);
        draft.wire(Wire::Gateway(worker));
    }
    let lost_ms = draft.dice.u64(2_100..HORIZON_MS);
    let back_ms = lost_ms + draft.dice.u64(5..4_000);
    let comes_ms = (back_ms + draft.dice.u64(..300)).saturating_sub(100);
    let events = [
        (lost_ms, Event::LoseWrites(draft.dice.u64(..1_000))),
        (back_ms, Event::StartRedis),
        (comes_ms, Event::Start(workers - 1)),
    ];
    let moment = |(at_ms, event)| Moment { at: Duration::from_millis(at_ms), event };
    draft.moments.extend(events.map(moment));
    draft.moments.sort_by_key(|moment| moment.at);
    draft.moments
}

/// Adds a wipe of Redis to a timeline, at a time at which Redis serves; returns if there is one. Its workers live on, or die with it.
pub(crate) fn wipe(dice: &mut Rng, timeline: &mut Vec<Moment>, workers: usize) -> bool {
    let serves = |at: &u64| {
        let before = timeline.iter().filter(|moment| moment.at <= Duration::from_millis(*at));
        let gone = |event: &Event| matches!(event, Event::StopRedis | Event::KillRedis | Event::FreezeRedis);
        let back = |event: &Event| matches!(event, Event::StartRedis | Event::ThawRedis);
        before.fold(true, |serves, moment| !gone(&moment.event) && (serves || back(&moment.event)))
    };
    let Some(at_ms) = std::iter::repeat_with(|| dice.u64(800..HORIZON_MS)).take(20).find(serves) else { return false };
    let moment = |at_ms, event| Moment { at: Duration::from_millis(at_ms), event };
    let dead = if dice.bool() { workers } else { 0 };
    let back_ms = at_ms + dice.u64(5..1_000);
    timeline.extend((0..dead).map(|worker| moment(at_ms, Event::Kill(worker))));
    timeline.push(moment(at_ms, Event::Wipe));
    timeline.extend((0..dead).map(|worker| moment(back_ms, Event::Start(worker))));
    timeline.sort_by_key(|moment| moment.at);
    true
}

struct Draft<'a> {
    dice: &'a mut Rng,
    /// The time from which each target is free again, in ms.
    free: HashMap<Target, u64>,
    moments: Vec<Moment>,
}

impl Draft<'_> {
    fn episode(&mut self, episode: Episode, workers: usize) {
        let worker = self.dice.usize(..workers);
        match episode {
            Episode::Kill => self.span(Target::Worker(worker), 50..1_500, Event::Kill(worker), Event::Start(worker)),
            Episode::Arm => {
                let point = CRASH_POINTS[self.dice.usize(..CRASH_POINTS.len())];
                let armed = Event::Arm(worker, point, self.dice.u32(1..12));
                self.span(Target::Worker(worker), 400..2_000, armed, Event::Start(worker));
            }
            // Longer than a lease and, as a rule, than the time of `resend_after`: others have continued with its claims.
            Episode::Halt => {
                let point = CRASH_POINTS[self.dice.usize(..CRASH_POINTS.len())];
                let halted = Event::Halt(worker, point, self.dice.u32(1..30));
                self.span(Target::Worker(worker), 2_000..6_000, halted, Event::Thaw(worker));
            }
            Episode::Drain => self.span(Target::Worker(worker), 5..800, Event::Drain(worker), Event::Start(worker)),
            // A lease is a second.
            Episode::Freeze => {
                self.span(Target::Worker(worker), 300..4_000, Event::Freeze(worker), Event::Thaw(worker));
            }
            Episode::RedisStops => self.span(Target::Redis, 50..1_500, Event::StopRedis, Event::StartRedis),
            Episode::RedisDies => self.span(Target::Redis, 50..1_500, Event::KillRedis, Event::StartRedis),
            Episode::RedisStalls => self.span(Target::Redis, 100..2_500, Event::FreezeRedis, Event::ThawRedis),
            // Longer than any command waits for its reply.
            Episode::RedisStallsLong => {
                self.span(Target::Redis, 5_200..6_500, Event::FreezeRedis, Event::ThawRedis);
            }
            Episode::FileRewritten => {
                let at = Duration::from_millis(self.dice.u64(100..HORIZON_MS));
                self.moments.push(Moment { at, event: Event::RewriteFile });
            }
            Episode::RedisPauses => {
                let pause_ms = self.dice.u64(100..1_500);
                self.once(Target::Redis, pause_ms, Event::PauseClients(Duration::from_millis(pause_ms)));
            }
            Episode::MemoryFull => self.span(Target::Redis, 200..1_500, Event::Fill, Event::Empty),
            Episode::RedisWire => self.wire(Wire::Redis(worker)),
            Episode::GatewayWire => self.wire(Wire::Gateway(worker)),
            Episode::ProducersWire => self.wire(Wire::Producers),
            Episode::QueuePaused => {
                let queues = queues();
                let queue = &queues[self.dice.usize(..queues.len())];
                let target = Target::Queue(queue.clone());
                self.span(target, 200..2_000, Event::PauseQueue(queue.clone()), Event::ResumeQueue(queue.clone()));
            }
            Episode::Operator => {
                let orders = [(Order::Cancel, 3), (Order::Query, 4), (Order::Send, 3), (Order::Resolve, 2)];
                let order = weighted(self.dice, &orders);
                let at = self.dice.u64(300..HORIZON_MS + 1_000);
                let event = Event::Operate(order, self.dice.usize(..1_000));
                self.moments.push(Moment { at: Duration::from_millis(at), event });
            }
        }
    }

    /// The events of the processes that only deliver, whose slots follow the workers', and of the receivers.
    fn webhooks(&mut self, webhooks: &WebhookPlan, workers: usize) {
        for _ in 0..self.dice.usize(1..5) {
            let receiver = self.dice.usize(..webhooks.receivers);
            self.wire(Wire::Receiver(receiver));
        }
        for _ in 0..self.dice.usize(1..6) {
            // A job that was in review and ends has two events to deliver, the second while the first may be undelivered.
            for _ in 0..4 {
                let order = weighted(self.dice, &[(Order::Resolve, 4), (Order::Send, 2), (Order::Query, 1)]);
                let event = Event::Operate(order, self.dice.usize(..1_000));
                let at = Duration::from_millis(self.dice.u64(1_500..HORIZON_MS + 2_000));
                self.moments.push(Moment { at, event });
            }
            let Some(dispatcher) = self.dispatcher(webhooks, workers) else { return };
            match self.dice.u32(..10) {
                0..3 => {
                    self.span(Target::Worker(dispatcher), 50..1_500, Event::Kill(dispatcher), Event::Start(dispatcher))
                }
                3..6 => {
                    let armed = Event::Arm(dispatcher, DELIVERED_POINT, self.dice.u32(1..8));
                    self.span(Target::Worker(dispatcher), 400..2_000, armed, Event::Start(dispatcher));
                }
                // Longer than the lease of its claims: others have delivered them meanwhile.
                6 => {
                    let halted = Event::Halt(dispatcher, DELIVERED_POINT, self.dice.u32(1..8));
                    self.span(Target::Worker(dispatcher), 3_500..5_000, halted, Event::Thaw(dispatcher));
                }
                7 => self.span(Target::Worker(dispatcher), 5..800, Event::Drain(dispatcher), Event::Start(dispatcher)),
                8 => self.span(
                    Target::Worker(dispatcher),
                    300..4_500,
                    Event::Freeze(dispatcher),
                    Event::Thaw(dispatcher),
                ),
                _ => self.wire(Wire::Redis(dispatcher)),
            }
        }
    }

    /// A process that delivers and works no job; where workers deliver, one of them.
    fn dispatcher(&mut self, webhooks: &WebhookPlan, workers: usize) -> Option<usize> {
        match (webhooks.servers, webhooks.workers) {
            (0, Role::Up) => Some(self.dice.usize(..workers)),
            (0, Role::Worker | Role::Server) => None,
            (servers, _) => Some(workers + self.dice.usize(..servers)),
        }
    }

    /// No wire delays a request for longer than the time of `resend_after`: a gateway might get a later one at the same time
    /// as the next send of the same key.
    fn wire(&mut self, wire: Wire) {
        let longest_ms = match wire {
            Wire::Gateway(_) => 700,
            Wire::Redis(_) | Wire::Producers | Wire::Receiver(_) => 2_000,
        };
        let fault = match self.dice.u32(..8) {
            0 => return self.once(Target::Wire(wire), 0, Event::Cut(wire)),
            1 | 2 => Fault::DropReplies,
            3 => Fault::CutReplyAfter(self.dice.u64(0..2_000)),
            4 => Fault::Latency(Duration::from_millis(self.dice.u64(5..300))),
            5 => Fault::Trickle(Duration::from_millis(1)),
            6 => Fault::Reset,
            _ => Fault::Blackhole,
        };
        self.span(Target::Wire(wire), 50..longest_ms, Event::Disturb(wire, fault), Event::Calm(wire));
    }

    fn once(&mut self, target: Target, length_ms: u64, event: Event) {
        if let Some(at) = self.begin(target, length_ms) {
            self.moments.push(Moment { at: Duration::from_millis(at), event });
        }
    }

    fn span(&mut self, target: Target, length_ms: std::ops::Range<u64>, first: Event, last: Event) {
        let length_ms = self.dice.u64(length_ms);
        if let Some(at) = self.begin(target, length_ms) {
            self.moments.push(Moment { at: Duration::from_millis(at), event: first });
            self.moments.push(Moment { at: Duration::from_millis(at + length_ms), event: last });
        }
    }

    /// The time at which it begins: not before the target is free again; `None` when that is too late.
    fn begin(&mut self, target: Target, length_ms: u64) -> Option<u64> {
        let free = self.free.entry(target).or_default();
        let at = self.dice.u64(100..HORIZON_MS).max(*free);
        if at >= HORIZON_MS {
            return None;
        }
        *free = at + length_ms + 50;
        Some(at)
    }
}
