//! Seeds in which producers want to be told: who tells, and receivers that misbehave as the seed says.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bursar_test_support::{Answer, FaultProxy, Received, Receiver};
use fastrand::Rng;
use tokio::time::Instant;

use crate::jobs::{Thing, weighted};
use crate::workers::Role;

/// What messages are signed with.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How long one attempt may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// How long receivers misbehave after the start: shorter than the wait after a first failure, so that a second attempt is
/// seldom a failure, too, and no seed waits for a third.
const TROUBLED: Duration = Duration::from_secs(4);

/// Who tells, and whom.
#[derive(Clone, Debug)]
pub(crate) struct Telling {
    /// What the places for workers run: it tells, too, or works only.
    pub(crate) workers: Role,
    /// Processes that only serve and tell.
    pub(crate) servers: usize,
    pub(crate) receivers: usize,
}

impl Telling {
    pub(crate) fn draw(dice: &mut Rng) -> Self {
        let (workers, servers) = weighted(dice, &[((Role::Worker, 1), 2), ((Role::Worker, 2), 2), ((Role::Up, 0), 2)]);
        Self { workers, servers, receivers: dice.usize(1..=3) }
    }

    /// Draws who is told of each variant; some are told of nothing.
    pub(crate) fn address(&self, dice: &mut Rng, things: &mut [Thing]) {
        for thing in things {
            let receiver = || (dice.u32(..4) > 0).then(|| dice.usize(..self.receivers));
            thing.told = std::iter::repeat_with(receiver).take(thing.variants.len()).collect();
        }
    }
}

/// The receivers of a seed, each behind a wire.
pub(crate) struct Receivers(Vec<(Receiver, FaultProxy)>);

impl Receivers {
    pub(crate) async fn start(seed: u64, telling: Option<&Telling>) -> Self {
        let mut receivers = Vec::new();
        for number in 0..telling.map_or(0, |telling| telling.receivers) {
            let began = Instant::now();
            let receiver = Receiver::start(move |message| answer(seed, number, began.elapsed(), message)).await;
            let wire = FaultProxy::start(&receiver.address().to_string()).await;
            receivers.push((receiver, wire));
        }
        Self(receivers)
    }

    /// Nobody wants to be told.
    #[cfg(debug_assertions)]
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Writes into each job where its producer wants to be told: a path of its own.
    pub(crate) fn address(&self, things: &mut [Thing]) {
        for (number, thing) in things.iter_mut().enumerate() {
            for (variant, (job, told)) in thing.variants.iter_mut().zip(&thing.told).enumerate() {
                job.callback_url = told.map(|to| format!("{}{}", self.0[to].1.http_url(), path(number, variant)));
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

/// Where a variant's producer is told.
pub(crate) fn path(thing: usize, variant: usize) -> String {
    format!("/{thing}/{variant}")
}

/// What a receiver answers: in troubled times now and then something else than that it has it, always the same to the same
/// message, and each receiver by a temper of its own.
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
        _ => Answer::Late(TIMEOUT * 2, 200), // it has it, and nobody learns so
    }
}
