//! A job of a trace is recorded in it, from its submission through every attempt of every worker.

use std::sync::atomic::{AtomicUsize, Ordering};

use bursar_test_support::{Answer, Receiver, eventually};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use crate::collector::{Collector, hex, said};
use crate::jobs::{having, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World};
use bursar_test_support::api::{answer, with_json};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traced(key: &str, flags: &str) -> Value {
    let mut job = transfer(key);
    job["traceparent"] = json!(format!("00-{TRACE}-{PARENT}-{flags}"));
    job
}

async fn collected(plan: Plan) -> (World, Collector) {
    let collector = Collector::start().await;
    let world = plan.set("telemetry.otlp_endpoint", collector.endpoint.as_str()).start().await;
    (world, collector)
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn a_trace_has_the_submission_and_every_attempt() {
    let (world, collector) = collected(Plan::new()).await;
    world.faults(json!([{"key": "TRACED", "fault": "lost-answer"}])).await;
    let workers = [world.worker().await, world.worker().await];
    world.submit_new(&[traced("TRACED", "01"), transfer("UNTRACED"), traced("UNSAMPLED", "00")]).await;
    world.settled().await;
    for worker in &workers {
        worker.terminate(); // what is gathered leaves with the worker
    }
    for worker in workers {
        let finished = worker.finished(SOON).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }

    let shown = world.job("TRACED").await;
    let log = shown["history"].as_array().unwrap();
    let answered: Vec<&Value> = log.iter().filter(|line| line["event"] == "response").collect();
    assert!(answered.len() >= 2, "the first answer was lost: {shown}");
    let spans = eventually(SOON, "every attempt to be recorded", async || {
        let spans = collector.spans();
        if named(&spans, "attempt").len() >= answered.len() { Ok(spans) } else { Err(spans) }
    })
    .await;
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE, "{span:?}");
        assert_eq!(said(span, "bursar.key").unwrap_or_else(|| "TRACED".into()), "TRACED", "{span:?}");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano, "{span:?}");
    }
    let submits = named(&spans, "submit");
    assert_eq!(submits.len(), 1, "{spans:?}");
    assert_eq!(hex(&submits[0].parent_span_id), PARENT);
    assert_eq!(said(submits[0], "bursar.outcome").as_deref(), Some("new"));

    let attempts = named(&spans, "attempt");
    assert!(attempts.iter().all(|attempt| attempt.parent_span_id == submits[0].span_id), "{attempts:?}");
    for line in answered {
        let fence = line["fence"].to_string();
        let attempt = attempts.iter().find(|attempt| said(attempt, "bursar.fence").as_deref() == Some(&fence));
        let attempt = attempt.unwrap_or_else(|| panic!("attempt {fence} is recorded: {spans:?}"));
        let below: Vec<&Span> = spans.iter().filter(|span| span.parent_span_id == attempt.span_id).collect();
        let call = below.iter().find(|span| span.name == line["call"].as_str().unwrap()).expect("its call");
        assert_eq!(said(call, "bursar.outcome").as_deref(), line["outcome"].as_str());
        assert!(below.iter().any(|span| span.name == "commit"), "{below:?}");
    }
    let last = attempts.iter().max_by_key(|attempt| attempt.end_time_unix_nano).unwrap();
    assert_eq!(said(last, "bursar.state").as_deref(), Some("succeeded"));
    world.books_agree().await;
}

#[tokio::test]
async fn each_delivery_is_in_the_jobs_trace_and_passes_it_on() {
    let (world, collector) = collected(Plan::new().set("webhooks.allow", vec!["127.0.0.1:*"])).await;
    let answers = AtomicUsize::new(0);
    let receiver = Receiver::start(move |message| {
        let first = message.path == "/TRACED" && answers.fetch_add(1, Ordering::SeqCst) == 0;
        Answer::Status(if first { 500 } else { 200 })
    })
    .await;
    let server = world.serve_as("up").await;
    let with_webhook = |key: &str, job: Value| having(job, "callback_url", json!(receiver.url(key)));
    let jobs = [
        with_webhook("TRACED", traced("TRACED", "01")),
        with_webhook("UNTRACED", transfer("UNTRACED")),
        with_webhook("UNSAMPLED", traced("UNSAMPLED", "00")),
    ];
    world.submit_new(&jobs).await;
    eventually(SOON, "each to be delivered", async || {
        let received = receiver.received();
        let delivered = received.iter().filter(|message| message.answered == 200).count();
        if delivered == 3 { Ok(()) } else { Err(received) }
    })
    .await;
    server.process.terminate(); // what is gathered leaves with the process
    assert_eq!(server.process.finished(SOON).await.code, Some(0));

    let spans = collector.spans();
    let submit = named(&spans, "submit")[0];
    let mut deliveries = named(&spans, "callback");
    deliveries.sort_by_key(|span| span.start_time_unix_nano);
    let received = receiver.received();
    let of = |key: &str| received.iter().filter(|message| message.path == format!("/{key}")).collect::<Vec<_>>();
    let messages = of("TRACED");
    assert_eq!((deliveries.len(), messages.len()), (2, 2), "{spans:?}");
    for (span, message) in deliveries.iter().zip(&messages) {
        assert_eq!((hex(&span.trace_id).as_str(), &span.parent_span_id), (TRACE, &submit.span_id), "{span:?}");
        assert_eq!(said(span, "bursar.key").as_deref(), Some("TRACED"));
        assert_eq!(said(span, "bursar.queue").as_deref(), Some("main/transfer"));
        assert_eq!(said(span, "bursar.callback").as_ref(), Some(&message.id));
        assert_eq!(said(span, "http.response.status_code"), Some(message.answered.to_string()));
        assert_eq!(message.traceparent, format!("00-{TRACE}-{}-01", hex(&span.span_id)));
    }
    let outcomes = deliveries.iter().map(|span| said(span, "bursar.outcome").unwrap()).collect::<Vec<_>>();
    assert_eq!(outcomes, ["failing", "delivered"]);
    assert_eq!(of("UNTRACED")[0].traceparent, "");
    assert_eq!(of("UNSAMPLED")[0].traceparent, format!("00-{TRACE}-{PARENT}-00"), "it is passed on as it came");
    world.books_agree().await;
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_no_job_and_no_worker_s_end() {
    let world = Plan::new().set("telemetry.otlp_endpoint", "http://127.0.0.1:9").start().await;
    let worker = world.worker().await;
    world.submit_new(&[traced("TRACED", "01")]).await;
    world.until("TRACED", "succeeded").await;
    worker.terminate();
    assert_eq!(worker.finished(SOON).await.code, Some(0));
    world.books_agree().await;
}

#[tokio::test]
async fn a_request_s_trace_is_its_jobs_unless_they_name_their_own() {
    let (world, collector) = collected(Plan::new()).await;
    let server = world.serve_as("up").await;
    let (other, header) = ("a".repeat(32), format!("00-{TRACE}-{PARENT}-01"));
    let mut own = transfer("OWN");
    own["traceparent"] = json!(format!("00-{other}-{PARENT}-01"));
    for (job, header) in [(transfer("ITS"), header.as_str()), (own, &header), (transfer("NONE"), "no trace")] {
        let request = server.request("POST", "/v1/jobs", &server.tokens.producer).header("traceparent", header);
        let submitted = answer(with_json(request, job.to_string())).await;
        assert_eq!(submitted.status, 201, "{submitted:?}");
        world.accepted(job);
    }
    world.settled().await;
    server.process.terminate(); // what is gathered leaves with the process
    assert_eq!(server.process.finished(SOON).await.code, Some(0));
    let spans = collector.spans();
    for (key, trace) in [("ITS", Some(TRACE)), ("OWN", Some(other.as_str())), ("NONE", None)] {
        let of: Vec<&Span> = spans.iter().filter(|span| said(span, "bursar.key").as_deref() == Some(key)).collect();
        for name in ["submit", "attempt"] {
            assert_eq!(of.iter().any(|span| span.name == name), trace.is_some(), "{name} of {key}: {of:?}");
        }
        assert!(of.iter().all(|span| Some(hex(&span.trace_id).as_str()) == trace), "{key}: {of:?}");
    }
    world.books_agree().await;
}
