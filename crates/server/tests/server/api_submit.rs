//! Submitting over HTTP: batches, and jobs that break rules.

use bursar_test_support::api::{answer, with_json};
use serde_json::{Value, json};

use crate::jobs::{bill, having, split, transfer, with};
use crate::world::World;

#[tokio::test]
async fn a_batch_is_answered_job_by_job_despite_bad_ones() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[bill("B1", "order-1")]).await;
    let batch = json!({"jobs": [
        transfer("T"), split("S", "P1"), bill("B1", "order-1"), bill("B2", "order-1"),
        with(transfer("X"), "total_amount", json!("ten")), having(transfer("Y"), "kind", json!("payment")), 7,
    ]});
    let answer = server.submit(&batch).await;
    assert_eq!((answer.status, &answer.body["durability"]), (200, &json!("fast")), "{answer:?}");
    let jobs = answer.body["jobs"].as_array().unwrap();
    let statuses: Vec<(u64, &str)> =
        jobs.iter().map(|job| (job["status"].as_u64().unwrap(), job["outcome"].as_str().unwrap())).collect();
    let invalid = (422, "invalid");
    assert_eq!(statuses, [(201, "new"), (201, "new"), (200, "existing"), (409, "conflict"), invalid, invalid, invalid]);
    assert_eq!((&jobs[3]["first"], &jobs[3]["platform_no"]), (&json!("B1"), &json!("B2")), "{jobs:?}");
    assert_eq!(jobs[4]["errors"][0]["field"], "body.total_amount", "{jobs:?}");
    assert_eq!(jobs[5]["errors"][0]["field"], "kind", "{jobs:?}");
    world.accepted(transfer("T"));
    world.accepted(split("S", "P1"));
    world.books_agree().await;
}

#[tokio::test]
async fn an_invalid_job_is_refused_with_all_its_wrong_fields() {
    let world = World::start().await;
    let server = world.serve().await;
    let refused = server.submit(&having(with(transfer("T"), "total_amount", json!("ten")), "run_at", json!(7))).await;
    refused.refuses(422, "invalid");
    assert_eq!(refused.wrong_fields(), ["run_at", "body.total_amount"], "{refused:?}");
    let unknown = server.act("/v1/jobs/main/transfer/T/cancel", &json!({"reason": "ordered twice"})).await;
    unknown.refuses(404, "not-found");
    world.books_agree().await;
}

#[tokio::test]
async fn a_conflict_says_which_key_and_which_fields() {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T"), bill("B1", "order-1")]).await;
    let other = with(with(transfer("T"), "total_amount", json!(11)), "payee_store_no", json!("secret-store"));
    let refused = server.submit(&other).await;
    refused.refuses(409, "key-conflict");
    assert_eq!(refused.body["fields"], json!(["payee_store_no", "total_amount"]), "{refused:?}");
    assert!(!refused.body.to_string().contains("secret-store"), "names, never values: {refused:?}");
    let detail = "T was submitted before with other content: payee_store_no, total_amount differs";
    assert_eq!(refused.body["detail"], detail, "{refused:?}");
    let rival = server.submit(&bill("B2", "order-1")).await;
    rival.refuses(409, "business-key-conflict");
    assert_eq!((&rival.body["first"], &rival.body["fields"]), (&json!("B1"), &json!([])), "{rival:?}");
    let batch = server.submit(&json!({"jobs": [other, bill("B2", "order-1")]})).await;
    let details: Vec<&Value> = batch.body["jobs"].as_array().unwrap().iter().map(|job| &job["detail"]).collect();
    assert_eq!(details, [detail, "B1 has the same business key and was submitted first"]);
    world.books_agree().await;
}

#[tokio::test]
async fn the_idempotency_key_header_may_repeat_the_key_only() {
    let world = World::start().await;
    let server = world.serve().await;
    let submit = async |header: &str, body: &Value| {
        let request = server.request("POST", "/v1/jobs", &server.tokens.producer);
        answer(with_json(request.header("Idempotency-Key", header.as_bytes()), body.to_string())).await
    };
    for (key, header, status) in [("T-1", "T-1", 201), ("T-1", "\"T-1\"", 200), ("订单-2", "订单-2", 201)] {
        assert_eq!(submit(header, &transfer(key)).await.status, status, "{header}");
    }
    for wrong in ["T-2", "", "t-1", "\"T-1"] {
        let refused = submit(wrong, &transfer("T-1")).await;
        refused.refuses(422, "invalid");
        assert_eq!(refused.wrong_fields(), ["Idempotency-Key"], "{refused:?}");
    }
    let batch = submit("T-1", &json!({"jobs": [transfer("T-1")]})).await;
    batch.refuses(422, "invalid");
    world.accepted(transfer("T-1"));
    world.accepted(transfer("订单-2"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_pasted_request_is_answered_by_the_body_in_it() {
    let world = World::start().await;
    let server = world.serve().await;
    let body = transfer("T")["body"].clone();
    let pasted =
        having(transfer("T"), "body", json!({"method": "bkfunds.balance.pay.apply", "biz_content": body.to_string()}));
    let refused = server.submit(&pasted).await;
    refused.refuses(422, "invalid");
    assert_eq!(refused.wrong_fields(), ["body.biz_content", "body.method"], "only what is in the way: {refused:?}");
    let corrected = having(pasted, "body", refused.body["corrected_body"].clone());
    assert_eq!(server.submit(&corrected).await.status, 201);
    world.accepted(transfer("T"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_says_nothing() {
    let world = World::start().await;
    let server = world.serve().await;
    for (text, status) in [(transfer("T"), 201), (transfer("T"), 200), (json!({"jobs": [transfer("T")]}), 200)] {
        let request = server.request("POST", "/v1/jobs", &server.tokens.producer);
        let taken = answer(with_json(request, format!("\u{feff}{text}"))).await;
        assert_eq!(taken.status, status, "{taken:?}");
    }
    world.accepted(transfer("T"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_token_without_its_scheme_is_refused_by_that() {
    let world = World::start().await;
    let server = world.serve().await;
    for header in [server.tokens.reader.clone(), format!("Basic {}", server.tokens.reader)] {
        let request = server.request("GET", "/v1/queues", "").header("authorization", header);
        let refused = answer(request).await;
        let detail = refused.refuses(401, "unauthenticated").body["detail"].as_str().unwrap();
        assert_eq!(detail, "the Authorization header must be: Bearer, a space, and the token");
    }
}

#[tokio::test]
async fn the_page_of_problems_has_each_link_s_place() {
    let world = World::start().await;
    let server = world.serve().await;
    let refused = server.get("/v1/jobs/main/transfer/unknown").await;
    let (page, place) = refused.body["documentation"].as_str().unwrap().split_once('#').unwrap();
    let page = answer(server.request("GET", page, "")).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.body.as_str().unwrap().contains(&format!("id=\"{place}\"")), "{page:?}");
}
