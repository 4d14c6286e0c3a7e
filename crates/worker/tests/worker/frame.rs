//! The promises of the frame around the handler: isolation, bounds, draining, leases that outlive slow calls, grouping.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::support::{Act, Scripted, World, keys};
use bursar_domain::{HistoryEvent, Outcome, ParsedResponse, Reason, State};
use bursar_gateways::{BoxFuture, Gateway, GatewayRequest, StatusQuery};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_one_claim_and_the_job_returns_after_its_lease() {
    let world = World::new().await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)).on("K1", &[Act::Panic]));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(20)).await;
    world.until_done(20).await;
    assert_eq!(gateway.sends_of("K1"), 1, "in doubt, it was queried and not sent again");
    assert_eq!(world.view("K1").await.queries, 1);
    assert!((2..=20).all(|number| gateway.sends_of(&format!("K{number}")) == 1));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_its_workers_do_not_survive_ends_before_a_person() {
    let mut world = World::new().await;
    world.settings.lease = Duration::from_millis(150);
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)).on("K1", &vec![Act::Panic; 50]));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    let view = world.until("K1", State::NeedsReview).await;
    assert_eq!(view.attempts, 1);
    assert_eq!(view.reason, Some(Reason::WorkersLost));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_claimed_than_can_be_called_about_at_once() {
    let world = World::new().await;
    let gateway = Arc::new(Scripted::new(Act::WaitAtTheGate(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(50)).await;
    gateway.until_in_flight(8).await;
    let status = world.status().await;
    assert_eq!((status.counts.to_send, status.counts.to_query), (42, 8), "claimed and called about are the same");
    gateway.gate.add_permits(50);
    world.until_done(50).await;
    assert_eq!(gateway.most_in_flight.load(Ordering::SeqCst), 8);
    worker.stop().await;
}

/// A gateway whose sends compute, each until another one computes at the same time.
#[derive(Default)]
struct TwoAtOnce {
    computing: Mutex<usize>,
    changed: Condvar,
}

impl TwoAtOnce {
    fn compute(&self) -> Outcome {
        let mut computing = self.computing.lock().unwrap();
        *computing += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_timeout_while(computing, Duration::from_secs(5), |computing| *computing < 2);
        if waited.unwrap().1.timed_out() { Outcome::NoResponse } else { Outcome::Succeeded }
    }
}

impl Gateway for TwoAtOnce {
    fn send<'a>(&'a self, _: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(async { ParsedResponse::of(self.compute(), "") })
    }

    fn repeat_is_answered(&self) -> bool {
        true
    }

    fn query(&self) -> Option<&dyn StatusQuery> {
        Some(self)
    }
}

impl StatusQuery for TwoAtOnce {
    fn covers(&self, _: &GatewayRequest) -> bool {
        true
    }

    fn status<'a>(&'a self, _: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(std::future::ready(ParsedResponse::of(Outcome::NoResponse, "")))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_calls_compute_is_computed_on_every_core() {
    let world = World::new().await;
    world.submit(keys(2)).await;
    let worker = world.worker_at("w1", Arc::new(TwoAtOnce::default()));
    world.until("K1", State::Succeeded).await;
    world.until("K2", State::Succeeded).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_longer_than_the_lease_stays_its_workers_own() {
    let world = World::new().await;
    let gateway = Arc::new(Scripted::new(Act::WaitAtTheGate(Outcome::Succeeded)));
    let (first, second) = (world.worker("w1", &gateway), world.worker("w2", &gateway));
    world.submit(keys(1)).await;
    let renewed =
        bursar_test_support::eventually(Duration::from_secs(10), "the lease to be renewed twice", async || {
            let view = world.view("K1").await;
            let (due, updated) = (view.due_at?, view.updated_at?);
            // The lease ends 600 ms after the claim unless it is renewed.
            (millis(&due) - millis(&updated) > 900).then_some(view.state)
        });
    assert_eq!(renewed.await, State::InDoubt);
    gateway.gate.add_permits(1);
    let view = world.until("K1", State::Succeeded).await;
    assert_eq!((view.attempts, view.queries), (1, 0));
    first.stop().await;
    second.stop().await;
}

fn millis(rfc3339: &str) -> u64 {
    bursar_domain::Millis::parse_rfc3339(rfc3339).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_worker_finishes_its_calls_and_claims_no_more() {
    let world = World::new().await;
    let gateway = Arc::new(Scripted::new(Act::WaitAtTheGate(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(20)).await;
    gateway.until_in_flight(8).await;
    worker.drain();
    gateway.gate.add_permits(20);
    worker.stop().await;
    let status = world.status().await;
    assert_eq!((status.counts.done, status.counts.to_send, status.counts.to_query), (8, 12, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_must_end_before_its_calls_leaves_them_in_doubt() {
    let mut world = World::new().await;
    world.settings.drain = Duration::from_millis(100);
    let gateway = Arc::new(Scripted::new(Act::WaitAtTheGate(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    gateway.until_in_flight(1).await; // a claimed job without a call would be released
    worker.stop().await;
    assert_eq!(world.view("K1").await.state, State::InDoubt);
    let other = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker("w2", &other);
    let view = world.until("K1", State::Succeeded).await;
    assert_eq!((view.attempts, view.queries, other.sends_of("K1")), (1, 1, 0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_illegal_answer_goes_before_a_person_with_its_evidence() {
    let world = World::new().await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::NotFound)));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until("K1", State::NeedsReview).await;
    let log = world.history("K1").await;
    assert_eq!(log.iter().map(HistoryEvent::name).collect::<Vec<_>>(), ["response"]);
    assert_eq!(log[0].view()["outcome"], "not_found");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_send_has_its_answer_on_record_in_order() {
    let mut world = World::new().await;
    world.policy.resend_after = Duration::from_millis(100);
    let mut gateway = Scripted::new(Act::Outcome(Outcome::Succeeded)).on(
        "K1",
        &[Act::Outcome(Outcome::NotExecuted), Act::Outcome(Outcome::NoResponse), Act::Outcome(Outcome::NotExecuted)],
    );
    gateway.can_query = false;
    let gateway = Arc::new(gateway);
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    let view = world.until("K1", State::Succeeded).await;
    assert_eq!((view.attempts, gateway.sends_of("K1")), (4, 4));
    let log = world.history("K1").await;
    let outcomes: Vec<String> = log
        .iter()
        .map(|line| {
            line.view().get("outcome").map_or(line.name().to_owned(), |outcome| outcome.as_str().unwrap().to_owned())
        })
        .collect();
    let outcomes: Vec<&str> = outcomes.iter().map(String::as_str).collect();
    assert_eq!(outcomes, ["not_executed", "no_response", "not_executed", "succeeded"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_config_fault_pauses_the_queue_and_keeps_every_job() {
    let world = World::new().await;
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Misconfigured)));
    let worker = world.worker("w1", &gateway);
    world.submit(keys(30)).await;
    let paused = bursar_test_support::eventually(Duration::from_secs(5), "the queue to be paused", async || {
        world.status().await.paused
    });
    assert!(matches!(paused.await, Reason::Misconfigured(_)));
    worker.stop().await;
    assert!(
        gateway.sends.lock().unwrap().len() <= 16,
        "at most what was in flight or claimed when the first fault came"
    );
    let status = world.status().await;
    assert_eq!((status.counts.to_send, status.counts.done), (30, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_down_is_probed_while_queries_go_on() {
    let world = World::new().await;
    let mut gateway = Scripted::new(Act::Outcome(Outcome::NotExecuted)).on("K1", &[Act::Outcome(Outcome::Accepted)]);
    gateway.is_down = true;
    let gateway = Arc::new(gateway);
    let worker = world.worker("w1", &gateway);
    world.submit(keys(1)).await;
    world.until("K1", State::Pending).await;
    world.submit((2..=200).map(|number| format!("K{number}"))).await;
    bursar_test_support::eventually(Duration::from_secs(20), "ten queries after the sends have stopped", async || {
        let (sends, queries) = (gateway.sends.lock().unwrap().len(), gateway.queries.lock().unwrap().len());
        if queries >= 20 { Ok(sends) } else { Err((sends, queries)) }
    })
    .await;
    let sends = gateway.sends.lock().unwrap().len();
    assert!(sends < 40, "{sends} sends: what was in flight when the circuit opened, and a probe or two");
    let open = async || world.status().await.circuits_open.len();
    bursar_test_support::eventually(Duration::from_secs(5), "the queue shows it", async || match open().await {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
    gateway.back();
    world.until_done(200).await;
    bursar_test_support::eventually(Duration::from_secs(5), "nor does it when it is over", async || {
        match open().await {
            0 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    worker.stop().await;
}
