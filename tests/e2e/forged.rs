//! Responses that prove nothing: forged ones, replayed ones, and ones that came for another job. None of them causes a second payment,
//! and nothing that was executed ends as failed.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::forger::{Exchange, Forger};
use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::World;

const APPLY: &str = "bkfunds.balance.pay.apply";

/// An error as the gateway writes it, without its signature or with another party's.
fn forged(code: &str, sub_code: &str, signature: &str) -> String {
    let error =
        json!({"request_id": "forged", "code": code, "msg": "Service Currently Unavailable", "sub_code": sub_code});
    format!(r#"{{"error_response":{error}{signature}}}"#)
}

/// The texts that the forger can write behind a node.
fn signatures() -> [String; 3] {
    [String::new(), r#","sign":"""#.into(), format!(r#","sign":"{}AA==""#, "AAAA".repeat(85))]
}

/// A world whose accounts hold, at a gateway that executes whatever it receives, with the forger before it.
async fn holding(forger: &Forger, world: &World) {
    world.set("accounts.main.base_url", Some(forger.url().into()));
}

async fn world() -> World {
    let plan = Plan::new().both("on_ambiguous", "hold").set("accounts.main.retry_deadline", "3s");
    plan.simulate(&["--ignore-keys"]).start().await
}

/// Each error that is raised before the gateway looks at a payment, in each way that nothing vouches for it.
#[tokio::test]
async fn an_unsigned_error_causes_no_second_send_under_hold() {
    let world = world().await;
    let errors =
        [("20000", "isv.service-busy"), ("40002", "isv.invalid-timestamp"), ("40002", "isv.invalid-parameter")];
    let cases: Vec<(String, String)> = errors
        .iter()
        .flat_map(|(code, sub_code)| signatures().map(|signature| forged(code, sub_code, &signature)))
        .enumerate()
        .map(|(number, body)| (format!("FORGED-{number}"), body))
        .collect();
    let answers = cases.clone();
    let forger = Forger::before(&world.gateway, move |exchange: &Exchange| {
        let answer = answers.iter().find(|(key, _)| *key == exchange.key && exchange.method == APPLY);
        answer.map(|(_, body)| body.clone())
    })
    .await;
    holding(&forger, &world).await;
    let _worker = world.worker().await;
    let jobs: Vec<_> = cases.iter().map(|(key, _)| transfer(key)).collect();
    world.submit_new(&jobs).await;
    for (key, body) in &cases {
        let job = world.until(key, "needs_review").await;
        assert_eq!(job["attempts"], 1, "{body}: {job}");
        let record = world.at_gateway(key).await.unwrap();
        assert_eq!((record.executions, record.requests), (1, 1), "{body}");
    }
    world.books_agree().await;
}

/// It may stop the queue, for keys may be wrong; the job was sent all the same.
#[tokio::test]
async fn an_unsigned_misconfiguration_pauses_and_leaves_a_doubt() {
    let world = world().await;
    let forger = Forger::before(&world.gateway, |exchange: &Exchange| {
        (exchange.method == APPLY).then(|| forged("40002", "isv.invalid-app-id", ""))
    })
    .await;
    holding(&forger, &world).await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("CONFIG")]).await;
    let job = world.until("CONFIG", "needs_review").await;
    assert_eq!(job["attempts"], 1, "{job}");
    let queues = world.ok(&["queues", "--json"]).await;
    let queue = queues.lines().find(|line| line.contains("main/transfer") || line.contains(r#""transfer""#)).unwrap();
    assert!(queue.contains("suspected_misconfiguration"), "{queue}");
    world.ok(&["resume", "main/transfer", "--reason", "the keys are right"]).await;
    assert_eq!(world.job("CONFIG").await["state"], "needs_review", "resuming sends nothing again");
    assert_eq!(world.at_gateway("CONFIG").await.unwrap().executions, 1);
    world.books_agree().await;
}

/// One honestly signed `0` of a job that failed, given as the answer to another that is executed.
#[tokio::test]
async fn a_replayed_failure_is_another_jobs_by_its_number() {
    let world = world().await;
    let recorded: Arc<Mutex<Option<String>>> = Arc::default();
    let tape = Arc::clone(&recorded);
    let forger = Forger::before(&world.gateway, move |exchange: &Exchange| {
        let mut tape = tape.lock().unwrap();
        match (exchange.method.as_str(), exchange.key.as_str()) {
            (APPLY, "FAILS") => {
                *tape = Some(exchange.real.clone());
                None
            }
            (APPLY, _) => tape.clone(),
            _ => None,
        }
    })
    .await;
    holding(&forger, &world).await;
    world.life("FAILS", "0").await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("FAILS")]).await;
    let failed = world.until("FAILS", "failed").await;
    assert_eq!(failed["queries"], 1, "a query has confirmed it: {failed}");
    world.submit_new(&[transfer("PAID")]).await;
    let job = world.until("PAID", "needs_review").await;
    let reason = ["code", "key", "trade_no"].map(|name| &job["reason"][name]);
    let expected = [&json!("trade_no_of_another_job"), &json!("FAILS"), &failed["trade_no"]];
    assert_eq!((reason, &job["trade_no"]), (expected, &serde_json::Value::Null), "{job}");
    assert_eq!(world.at_gateway("PAID").await.unwrap().executions, 1);
    world.books_agree().await;
}

/// The same where the number is new to Bursar: the query that confirms it speaks of the other job.
#[tokio::test]
async fn a_delayed_failure_of_another_job_is_not_confirmed() {
    let world = world().await;
    let delayed: Arc<Mutex<Option<String>>> = Arc::default();
    let tape = Arc::clone(&delayed);
    let forger = Forger::before(&world.gateway, move |exchange: &Exchange| {
        let mut tape = tape.lock().unwrap();
        match (exchange.method.as_str(), exchange.key.as_str()) {
            (APPLY, "DELAYED") => {
                *tape = Some(exchange.real.clone());
                Some("gone".into())
            }
            (APPLY, _) => tape.clone(),
            _ => None,
        }
    })
    .await;
    holding(&forger, &world).await;
    world.life("DELAYED", "0").await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("DELAYED")]).await;
    world.until("DELAYED", "needs_review").await;
    world.submit_new(&[transfer("PAID")]).await;
    let job = world.until("PAID", "needs_review").await;
    assert!(job["reason"]["message"].as_str().unwrap().contains("the answer names another platform_no"), "{job}");
    assert_eq!(world.at_gateway("PAID").await.unwrap().executions, 1);
    world.books_agree().await;
}

/// The gateway has the job, and says so by a code that no list of the account has.
#[tokio::test]
async fn an_unknown_code_is_the_reason_and_doctor_explains_it() {
    let world = world().await;
    world.faults(json!({"key": "UNLISTED", "on": "send", "fault": "unknown-refusal"})).await;
    let _worker = world.worker().await;
    world.submit_new(&[transfer("UNLISTED")]).await;
    let job = world.until("UNLISTED", "needs_review").await;
    let reason = ["code", "gateway_code", "gateway_message"].map(|name| job["reason"][name].as_str().unwrap());
    let expected = ["undecided_response", "40004/isv.never-documented", "未知的业务错误"];
    assert_eq!(reason[..2], expected[..2], "{job}");
    assert!(reason[2].starts_with(expected[2]), "{job}");
    let output = world.run(&["doctor"]).await.stdout;
    let line = output.lines().find(|line| line.contains("account.sub_codes")).unwrap_or_else(|| panic!("{output}"));
    assert!(
        line.contains("main/transfer: 1 jobs need review because the gateway answered 40004/isv.never-documented"),
        "{line}"
    );
    assert!(line.contains("duplicate_sub_codes"), "{line}");
    world.books_agree().await;
}
