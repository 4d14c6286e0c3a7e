//! The worker's reaction to responses that prove nothing, and to contents that are not the accepted ones.

use std::sync::Arc;

use bursar_domain::{
    Confirm, Fen, GatewayText, JobView, OnAmbiguous, Outcome, ParsedResponse, Reason, Received, State, Suspicion,
};
use bursar_store::Operator;
use bursar_test_support as support;
use redis::aio::MultiplexedConnection;

use crate::support::{Act, Scripted, World, keys};

const OPERATOR: Operator<'_> = Operator { who: "li", why: "because", identity: None };

/// A response that the account's rules let us read.
fn response(outcome: Outcome, request_id: &str) -> ParsedResponse {
    ParsedResponse {
        received: Received::Response,
        request_id: Some(request_id.into()),
        ..ParsedResponse::of(outcome, "")
    }
}

fn read(parsed: ParsedResponse) -> Act {
    Act::Read(Box::new(parsed))
}

/// A world on the shared Redis, with a connection to change records there.
async fn with_redis() -> (World, MultiplexedConnection) {
    let url = support::redis().await.url.clone();
    let connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    (World::new().await, connection)
}

async fn in_review(world: &World, key: &str, code: &str) -> JobView {
    let job = world.until(key, State::NeedsReview).await;
    assert!(
        job.reason.as_ref().is_some_and(|known| known.recorded().starts_with(&format!("{{\"code\":\"{code}\""))),
        "{job:?}"
    );
    job
}

/// An intruder changes a queued job in Redis: its amount and its payee.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_in_redis_is_not_sent() {
    let (world, mut connection) = with_redis().await;
    world.pause(OPERATOR).await;
    world.submit(keys(2)).await;
    let record = format!("{}job:main/transfer:K1", world.store.base_of(&world.queue));
    let first: String = redis::cmd("GET").arg(&record).query_async(&mut connection).await.unwrap();
    let changed = first.replace("00061967", "00061968");
    assert_ne!(first, changed);
    redis::cmd("SET").arg(&record).arg(changed).query_async::<()>(&mut connection).await.unwrap();
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    world.resume(OPERATOR).await;
    let job = in_review(&world, "K1", "content_changed").await;
    assert_eq!(job.attempts, 0, "nothing left: {job:?}");
    world.until("K2", State::Succeeded).await;
    assert_eq!((gateway.sends_of("K1"), gateway.sends_of("K2")), (0, 1));
    // A person's order does not send it either.
    world.store.operate(&world.queue, &"K1".parse().unwrap(), bursar_domain::Operation::Send, OPERATOR).await.unwrap();
    in_review(&world, "K1", "content_changed").await;
    assert_eq!(gateway.sends_of("K1"), 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_above_a_cap_that_was_lowered_is_not_sent() {
    let mut world = World::new().await;
    world.submit(keys(1)).await;
    world.policy.max_amount = Fen::new(9);
    let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Succeeded)));
    let worker = world.worker("w1", &gateway);
    let job = in_review(&world, "K1", "above_max_amount").await;
    assert_eq!((job.attempts, gateway.sends_of("K1")), (0, 0), "{job:?}");
    worker.stop().await;
}

/// The gateway has the job, and says so by a code that no list has: that is the reason that a person reads.
#[tokio::test(flavor = "multi_thread")]
async fn an_unlisted_code_stays_the_reason_until_a_person_reads_it() {
    for on_ambiguous in [OnAmbiguous::Resend, OnAmbiguous::Hold] {
        let mut world = World::new().await;
        world.policy.on_ambiguous = on_ambiguous;
        world.submit(keys(1)).await;
        let exists = |id: &str| {
            read(ParsedResponse {
                code: Some("40004/isv.order-exist".into()),
                message: Some("订单已存在".into()),
                ..response(Outcome::NoResponse, id)
            })
        };
        let acts: Vec<Act> = ["R1", "R2", "R3", "R4", "R5"].iter().map(|id| exists(id)).collect();
        let mut scripted = Scripted::new(Act::Panic).on("K1", &acts);
        scripted.can_query = false;
        let gateway = Arc::new(scripted);
        let worker = world.worker("w1", &gateway);
        let job = in_review(&world, "K1", "undecided_response").await;
        let text = GatewayText::new(Some("40004/isv.order-exist"), Some("订单已存在"));
        assert_eq!(job.reason, Some(Reason::UndecidedResponse(text)));
        let sends = match on_ambiguous {
            OnAmbiguous::Resend => 1 + world.policy.resend_max,
            OnAmbiguous::Hold => 1,
        };
        assert_eq!(job.attempts, sends, "{job:?}");
        worker.stop().await;
    }
}

/// A busy gateway's response that comes a second time, while the second send is executed.
#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_response_is_no_proof_that_nothing_was_executed() {
    let mut world = World::new().await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    world.submit(keys(1)).await;
    let busy = read(response(Outcome::NotExecuted, "R1"));
    let gateway = Arc::new(Scripted::new(Act::Panic).on("K1", &[busy.clone(), busy]));
    let worker = world.worker("w1", &gateway);
    let job = in_review(&world, "K1", "response_repeated").await;
    assert_eq!((job.attempts, gateway.sends_of("K1")), (2, 2), "{job:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_names_no_job_is_confirmed_by_one_query() {
    for (confirm, queries) in [(Confirm::Failures, 1), (Confirm::Always, 1), (Confirm::Never, 0)] {
        let mut world = World::new().await;
        world.policy.confirm = confirm;
        world.submit(keys(1)).await;
        let gateway = Arc::new(Scripted::new(Act::Outcome(Outcome::Failed)));
        let worker = world.worker("w1", &gateway);
        let job = world.until("K1", State::Failed).await;
        assert_eq!((job.attempts, job.queries), (1, queries), "{confirm:?}: {job:?}");
        worker.stop().await;
    }
}

/// The query's outcome counts, and a failure that cannot be queried needs review.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_denied_by_a_query_fails_no_job() {
    let world = World::new().await;
    world.submit(keys(1)).await;
    let denied = [Act::Outcome(Outcome::Failed), Act::Outcome(Outcome::Accepted), Act::Outcome(Outcome::Succeeded)];
    let gateway = Arc::new(Scripted::new(Act::Panic).on("K1", &denied));
    let worker = world.worker("w1", &gateway);
    world.until("K1", State::Succeeded).await;
    worker.stop().await;

    let world = World::new().await;
    world.submit(keys(1)).await;
    let mut scripted = Scripted::new(Act::Outcome(Outcome::Failed));
    scripted.can_query = false;
    let gateway = Arc::new(scripted);
    let worker = world.worker("w1", &gateway);
    in_review(&world, "K1", "cannot_be_confirmed").await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspected_misconfiguration_pauses_and_leaves_a_doubt() {
    let mut world = World::new().await;
    world.policy.on_ambiguous = OnAmbiguous::Hold;
    world.submit(keys(1)).await;
    let suspected =
        ParsedResponse { suspicion: Suspicion::Misconfigured, ..ParsedResponse::of(Outcome::NoResponse, "not signed") };
    let mut scripted = Scripted::new(Act::Panic).on("K1", &[read(suspected)]);
    scripted.can_query = false;
    let gateway = Arc::new(scripted);
    let worker = world.worker("w1", &gateway);
    let job = in_review(&world, "K1", "no_response_and_held").await;
    assert_eq!(job.attempts, 1, "{job:?}");
    let paused = world.status().await.paused;
    assert!(matches!(paused, Some(Reason::SuspectedMisconfiguration(_))), "the queue waits for a person");
    worker.stop().await;
}
