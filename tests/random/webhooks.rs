//! Seeds with webhooks: the dispatchers, and receivers that fail as the seed says.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bursar_test_support::{Answer, FaultProxy, Received, Receiver};
use fastrand::Rng;
use tokio::time::Instant;

use crate::jobs::{Thing, weighted};
use crate::workers::Role;

/// The secret of the signatures.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The timeout of one delivery.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// The time for which receivers fail after the start: shorter than the wait after a first failure, so that a second delivery
/// seldom fails, too, and no seed waits for a third.
const TROUBLED: Duration = Duration::from_secs(4);

/// The dispatchers and receivers of a seed.
#[derive(Clone, Debug)]
pub(crate) struct WebhookPlan {
    /// The role of the processes in the workers' slots: with a dispatcher or without.
    pub(crate) workers: Role,
    /// Processes that only serve and deliver.
    pub(crate) servers: usize,
    pub(crate) receivers: usize,
}

impl WebhookPlan {
    pub(crate) fn draw(dice: &mut Rng) -> Self {
        let (workers, servers) = weighted(dice, &[((Role::Worker, 1), 2), ((Role::Worker, 2), 2), ((Role::Up, 0), 2)]);
        Self { workers, servers, receivers: dice.usize(1..=3) }
    }

    /// Draws the receiver of each variant; some have none.
    pub(crate) fn address(&self, dice: &mut Rng, things: &mut [Thing]) {
        for thing in things {
            let receiver = || (dice.u32(..4) > 0).then(|| dice.usize(..self.receivers));
            thing.receivers = std::iter::repeat_with(receiver).take(thing.variants.len()).collect();
        }
    }
}

/// The receivers of a seed, each behind a wire.
pub(crate) struct Receivers(Vec<(Receiver, FaultProxy)>);

impl Receivers {
    pub(crate) async fn start(seed: u64, webhooks: Option<&WebhookPlan>) -> Self {
        let mut receivers = Vec::new();
        for number in 0..webhooks.map_or(0, |webhooks| webhooks.receivers) {
            let began = Instant::now();
            let receiver = Receiver::start(move |message| answer(seed, number, began.elapsed(), message)).await;
            let wire = FaultProxy::start(&receiver.address().to_string()).await;
            receivers.push((receiver, wire));
        }
        Self(receivers)
    }

    /// No job has a `callback_url`.
    #[cfg(debug_assertions)]
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Writes the `callback_url` of each job: its own path.
    pub(crate) fn address(&self, things: &mut [Thing]) {
        for (number, thing) in things.iter_mut().enumerate() {
            for (variant, (job, receiver)) in thing.variants.iter_mut().zip(&thing.receivers).enumerate() {
                job.callback_url = receiver.map(|to| format!("{}{}", self.0[to].1.http_url(), path(number, variant)));
            }
        }
    }

    pub(crate) fn wire(&self, receiver: usize) -> &FaultProxy {
        &self.0[receiver].1
    }

    pub(crate) fn wires(&self) -> impl Iterator<Item = &FaultProxy> {
        self.0.iter().map(|(_, wire)| wire)
    }

    /// By receiver: everything that came, in order.
    pub(crate) fn received(&self) -> Vec<Vec<Received>> {
        self.0.iter().map(|(receiver, _)| receiver.received()).collect()
    }
}

/// The path of a variant's webhooks.
pub(crate) fn path(thing: usize, variant: usize) -> String {
    format!("/{thing}/{variant}")
}

/// A receiver's reply. In its failing time some replies are failures, always the same to the same message, and the share of failures
/// differs by receiver.
fn answer(seed: u64, receiver: usize, elapsed: Duration, message: &Received) -> Answer {
    if elapsed > TROUBLED {
        return Answer::Status(204);
    }
    let mut hasher = DefaultHasher::new();
    (seed, receiver).hash(&mut hasher);
    let temper = 1 + hasher.finish() % 4;
    message.id.hash(&mut hasher);
    let mut dice = Rng::with_seed(hasher.finish());
    if dice.u64(..8) >= temper {
        return Answer::Status(200);
    }
    match dice.u32(..6) {
        0 => Answer::Status(500),
        1 => Answer::Status(503),
        2 => Answer::Status(404),
        3 => Answer::Redirect(format!("http://127.0.0.1:1{}", message.path)),
        4 => Answer::Late(TIMEOUT / 4, 200),
        _ => Answer::Late(TIMEOUT * 2, 200), // the message is there, and its acknowledgement comes too late
    }
}
