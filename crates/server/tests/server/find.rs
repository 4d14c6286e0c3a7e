//! Finding jobs by what a person knows of them, and what each says that it is about: masked, until an operator reveals it on record.

use bursar_test_support::api::{answer, with_json};
use serde_json::{Value, json};

use crate::jobs::{bill, split, transfer};
use crate::pages::Browser;
use crate::world::{Server, World};

/// A transfer with these changes to its body.
fn with(mut job: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        job["body"][*name] = value.clone();
    }
    job
}

/// The keys of a list in its order.
async fn keys(server: &Server, query: &str) -> Vec<String> {
    let page = server.read(&format!("/v1/jobs?{query}")).await;
    let jobs = page["jobs"].as_array().unwrap_or_else(|| panic!("{query}: {page}"));
    jobs.iter().map(|job| job["platform_no"].as_str().unwrap().to_owned()).collect()
}

async fn four(world: &World, server: &Server) {
    let big = with(transfer("RV-1"), &[("total_amount", json!(1_234_567)), ("payer_store_no", json!("amy99c"))]);
    for job in [big, transfer("RV-2"), bill("B-1", "ORD5"), split("S-1", "P7")] {
        world.submit_new(&[job]).await; // one after the other: each has its own time
        let before = world.store().now().await.unwrap();
        while world.store().now().await.unwrap() == before {}
    }
    let done = server.act("/v1/jobs/main/transfer/RV-1/cancel", &json!({"reason": "twice"})).await;
    assert_eq!(done.status, 200, "{done:?}");
}

#[tokio::test]
async fn jobs_of_all_queues_are_found_by_the_same_names_everywhere() {
    let world = World::start().await;
    let server = world.serve().await;
    four(&world, &server).await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let all = ["RV-1", "S-1", "B-1", "RV-2"];
    for (query, expected) in [
        ("", &all[..]),
        ("state=cancelled", &["RV-1"]),
        ("amount=1234567", &["RV-1"]),
        ("min_amount=11", &["RV-1", "B-1"]),
        ("max_amount=10", &["RV-2"]),
        ("payer=amy99c", &["RV-1"]),
        ("payee=amy99b", &["RV-1", "RV-2"]),
        ("payee=800028", &["S-1"]),
        ("order_id=ORD5", &["B-1"]),
        ("order_id=P7", &["S-1"]),
        ("reason_code=operator_action", &["RV-1"]),
        ("prefix=RV-", &["RV-1", "RV-2"]),
        ("prefix=RV-&state=queued", &["RV-2"]),
        ("trade_no=nothing", &[]),
        ("since=2999-01-01T00%3A00%3A00Z", &[]),
        ("until=2999-01-01T00%3A00%3A00Z&kind=transfer", &["RV-1", "RV-2"]),
    ] {
        assert_eq!(keys(&server, query).await, expected, "{query}");
        let page = browser.get(&format!("/jobs?{}", query.replace("&kind=transfer", ""))).await;
        assert_eq!(page.status, 200, "{query}: {page:?}");
        for key in expected {
            page.says(&format!(">{key}<"));
        }
        if query.starts_with("prefix") {
            page.does_not_say(">S-1<");
        }
    }
    let first = server.read("/v1/jobs?limit=3").await;
    let rest = server.read(&format!("/v1/jobs?limit=3&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!(
        (&rest["jobs"][0]["platform_no"], &rest["next"], &rest["partial"]),
        (&json!("RV-2"), &Value::Null, &json!(false))
    );
    for (query, field) in
        [("amount=0", "amount"), ("amount=1.5", "amount"), ("since=yesterday", "since"), ("payer=", "payer")]
    {
        let refused = answer(server.request("GET", &format!("/v1/jobs?{query}"), &server.tokens.reader)).await;
        refused.refuses(422, "invalid");
        assert_eq!(refused.body["errors"][0]["field"], field, "{refused:?}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn the_search_box_finds_what_a_person_pastes() {
    let world = World::start().await;
    let server = world.serve().await;
    four(&world, &server).await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    for (text, to) in [
        ("%20RV-2%20", "/jobs/main/transfer/RV-2"),
        ("ORD5", "/jobs/main/bill_upload/B-1"),
        ("P7", "/jobs/shop/split/S-1"),
        ("RV", "/jobs?prefix=RV"),
        ("amy99c", "/jobs?payer=amy99c"),
        ("amy99b", "/jobs?payee=amy99b"),
        ("12345.67", "/jobs?amount=1234567"),
        ("1234567", "/jobs?amount=1234567"),
    ] {
        let found = browser.get(&format!("/jobs?key={text}")).await;
        assert_eq!((found.status, found.header("location")), (303, to), "{text}");
    }
    let nothing = browser.get("/jobs?key=nothing-like-it").await;
    assert_eq!(nothing.status, 404);
    nothing.says("nothing-like-it");
}

#[tokio::test]
async fn each_job_says_its_amount_and_parties_masked() {
    let world = World::start().await;
    let server = world.serve().await;
    four(&world, &server).await;
    let job = server.read("/v1/jobs/main/transfer/RV-2").await;
    let about = ["amount_fen", "payer", "payee", "ended_by"].map(|name| job[name].clone());
    assert_eq!(json!(about), json!([10, "****9a", "****9b", null]), "{job}");
    let upload = server.read("/v1/jobs/main/bill_upload/B-1").await;
    assert_eq!((&upload["order_id"], &upload["amount_fen"]), (&json!("ORD5"), &json!(199)), "{upload}");
    let split = server.read("/v1/jobs/shop/split/S-1").await;
    assert_eq!(split["order_id"], "P7");
    assert_eq!(
        split["receivers"],
        json!([{"receiver": "****29", "share": "0.0001"}, {"receiver": "****28", "share": "0.0002"}])
    );
    let cancelled = server.read("/v1/jobs/main/transfer/RV-1").await;
    assert_eq!(cancelled["ended_by"], "operator", "{cancelled}");
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let page = browser.get("/jobs/main/transfer/RV-1").await;
    page.says("Cancelled by li").says("****9c").does_not_say("amy99c").does_not_say("/reveal");
    browser.get("/jobs").await.says("****9c").says("¥12,345.67").does_not_say("amy99");
}

#[tokio::test]
async fn a_content_is_revealed_to_an_operator_and_that_is_on_record() {
    let world = World::start().await;
    let server = world.serve().await;
    four(&world, &server).await;
    let path = "/v1/jobs/main/transfer/RV-2/reveal";
    let reason = json!({"reason": "the payee asks"});
    for token in [&server.tokens.reader, &server.tokens.producer] {
        let refused = answer(with_json(server.request("POST", path, token), reason.to_string())).await;
        refused.refuses(403, "forbidden");
    }
    let without = answer(with_json(server.request("POST", path, &server.tokens.operator), "{}")).await;
    without.refuses(422, "invalid");
    let reveals = async || {
        let events = world.audit().await.into_iter().filter(|event| event["action"] == "reveal");
        events.map(|event| json!([event["key"], event["reason"], event["result"]])).collect::<Vec<_>>()
    };
    assert!(reveals().await.is_empty(), "nothing was shown");
    let shown = server.act(path, &reason).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!(
        (&shown.body["job"]["payer"], &shown.body["content"]["payee_store_no"]),
        (&json!("amy99a"), &json!("amy99b"))
    );
    assert_eq!(reveals().await, [json!(["RV-2", "the payee asks", "done"])]);
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    browser.get("/jobs/main/transfer/RV-2").await.says("/jobs/main/transfer/RV-2/reveal").does_not_say("amy99a");
    let page = browser.act("/jobs/main/transfer/RV-2/reveal", &[("reason", "at the desk")]).await;
    assert_eq!(page.status, 200, "{page:?}");
    page.says("amy99a").says("amy99b");
    assert_eq!(reveals().await.len(), 2);
    world.books_agree().await;
}
