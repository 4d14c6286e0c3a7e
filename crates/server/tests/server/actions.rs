//! One action on many jobs: its preview, its results, and the rules that hold for each job alone.

use bursar_domain::ApprovalAction;
use bursar_test_support::api::answer;
use serde_json::{Value, json};

use crate::jobs::{having, transfer, with};
use crate::pages::Browser;
use crate::world::{Server, World};

fn named(key: &str) -> Value {
    json!({"account": "main", "kind": "transfer", "platform_no": key})
}

/// A world with transfers of these amounts in fen, which have the keys T0, T1 and so on.
async fn world(amounts: &[u64]) -> (World, Server) {
    let world = World::start().await;
    let jobs: Vec<Value> = amounts
        .iter()
        .enumerate()
        .map(|(number, amount)| with(transfer(&format!("T{number}")), "total_amount", json!(amount)))
        .collect();
    world.submit_new(&jobs).await;
    let server = world.serve().await;
    (world, server)
}

async fn preview(server: &Server, action: &str, keys: &[&str]) -> Value {
    let jobs: Vec<Value> = keys.iter().map(|key| named(key)).collect();
    let answered = server.act("/v1/actions/preview", &json!({"action": action, "jobs": jobs})).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.body
}

/// The jobs of a preview, each with its version.
fn versions(preview: &Value) -> Vec<Value> {
    let jobs = preview["jobs"].as_array().unwrap().iter();
    jobs.map(|job| having(named(job["platform_no"].as_str().unwrap()), "version", job["version"].clone())).collect()
}

async fn act(server: &Server, action: &str, jobs: &[Value]) -> Value {
    let body = json!({"action": action, "reason": "ordered twice", "jobs": jobs});
    let answered = server.act("/v1/actions", &body).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.body
}

fn outcomes(results: &Value) -> Vec<&str> {
    results["jobs"].as_array().unwrap().iter().map(|job| job["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_preview_changes_nothing_and_its_sum_is_exact() {
    let (world, server) = world(&[999_999_999, 1, 12_345]).await;
    let seen = preview(&server, "cancel", &["T0", "T1", "T2", "none"]).await;
    let (done, refused) = (&seen["total"]["done"], &seen["total"]["refused"]);
    assert_eq!((&done["jobs"], &done["amount_fen"]), (&json!(3), &json!(1_000_012_345)));
    assert_eq!((&refused["jobs"], &refused["without_amount"]), (&json!(1), &json!(1)));
    assert_eq!(
        (&seen["jobs"][0]["to"], &seen["jobs"][3]["detail"]),
        (&json!("cancelled"), &json!("there is no such job"))
    );
    world.books_agree().await;
    for key in ["T0", "T1", "T2"] {
        let job = world.job(key).await;
        assert_eq!((&job["state"], &job["history"]), (&json!("queued"), &json!([])));
    }
    assert!(world.audit().await.iter().all(|event| event["action"] != "cancel"));
}

#[tokio::test]
async fn a_job_that_changed_since_its_preview_stays_as_it_is() {
    let (world, server) = world(&[10, 20, 30]).await;
    let seen = preview(&server, "cancel", &["T0", "T1", "T2"]).await;
    server.act("/v1/jobs/main/transfer/T1/send", &json!({"reason": "now"})).await;
    let before = world.job("T1").await;
    let results = act(&server, "cancel", &versions(&seen)).await;
    assert_eq!(outcomes(&results), ["done", "refused", "done"]);
    assert_eq!(results["total"], json!({"done": 2, "proposed": 0, "refused": 1, "failed": 0}));
    assert!(results["jobs"][1]["detail"].as_str().unwrap().contains("has changed"), "{results}");
    assert_eq!((world.job("T1").await, &world.job("T0").await["state"]), (before, &json!("cancelled")));

    let again = act(&server, "cancel", &versions(&seen)).await;
    assert_eq!(outcomes(&again), ["refused"; 3], "a repetition does nothing more");
}

#[tokio::test]
async fn each_job_has_its_own_history_and_audit_event() {
    let (world, server) = world(&[10, 20]).await;
    let results = act(&server, "cancel", &[named("T0"), named("T1"), named("none")]).await;
    assert_eq!(outcomes(&results), ["done", "done", "refused"]);
    for key in ["T0", "T1"] {
        let job = world.job(key).await;
        let event = &job["history"][0];
        assert_eq!((&event["operator"], &event["comment"]), (&json!("li"), &json!("ordered twice")));
    }
    let audit = world.audit().await;
    let of = |key: &str| {
        let mut events = audit.iter().filter(|event| event["action"] == "cancel" && event["key"] == key);
        let event = events.next().unwrap_or_else(|| panic!("no event of {key}"));
        assert!(events.next().is_none(), "one event of {key}");
        event["result"].clone()
    };
    assert_eq!(["T0", "T1", "none"].map(of), [json!("done"), json!("done"), json!("refused")]);
}

#[tokio::test]
async fn each_job_needs_its_own_second_operator() {
    let world = World::start().await.with_two_operators(&[ApprovalAction::Send]);
    world.submit_new(&[transfer("A"), transfer("B")]).await;
    let server = world.serve().await;
    let seen = preview(&server, "send", &["A", "B"]).await;
    assert_eq!((&seen["total"]["proposed"]["jobs"], &seen["total"]["done"]["jobs"]), (&json!(2), &json!(0)));
    let results = act(&server, "send", &versions(&seen)).await;
    assert_eq!(outcomes(&results), ["proposed", "proposed"]);
    let open = server.read("/v1/proposals").await;
    assert_eq!(open["proposals"].as_array().map(Vec::len), Some(2), "{open}");
    let seen = preview(&server, "send", &["A", "B"]).await;
    assert_eq!(seen["total"]["refused"]["jobs"], 2, "{seen}");
    assert!(seen["jobs"][0]["detail"].as_str().unwrap().starts_with("li has proposed send already"), "{seen}");
    assert_eq!(preview(&server, "cancel", &["A"]).await["total"]["done"]["jobs"], 1, "cancelling needs no second one");
    world.books_agree().await;
}

#[tokio::test]
async fn a_batch_that_is_too_long_or_names_a_job_twice_does_nothing() {
    let (world, server) = world(&[10]).await;
    let jobs: Vec<Value> = (0..1_001).map(|number| named(&format!("T{number}"))).collect();
    let too_long = server.act("/v1/actions", &json!({"action": "cancel", "reason": "x", "jobs": jobs})).await;
    too_long.refuses(413, "payload-too-large");
    let twice = json!({"action": "cancel", "reason": "x", "jobs": [named("T0"), named("T0")]});
    let refused = server.act("/v1/actions", &twice).await;
    refused.refuses(422, "invalid");
    assert_eq!(refused.wrong_fields(), ["jobs.1"]);
    for (body, field) in [
        (json!({"action": "pay", "reason": "x", "jobs": [named("T0")]}), "action"),
        (json!({"action": "resolve", "reason": "x", "jobs": [named("T0")]}), "as"),
        (json!({"action": "cancel", "as": "failed", "reason": "x", "jobs": [named("T0")]}), "as"),
        (
            json!({"action": "cancel", "reason": "x", "jobs": [having(named("T0"), "version", json!("1"))]}),
            "jobs.0.version",
        ),
        (json!({"action": "cancel", "reason": "x", "jobs": [{"account": "main", "kind": "pay"}]}), "jobs.0.kind"),
    ] {
        let refused = server.act("/v1/actions", &body).await;
        refused.refuses(422, "invalid");
        assert!(refused.wrong_fields().contains(&field), "{field}: {refused:?}");
    }
    assert_eq!(world.job("T0").await["state"], "queued");
}

#[tokio::test]
async fn another_accounts_jobs_are_not_there() {
    let (world, server) = world(&[10]).await;
    let shop = server.admit(&world, "operator", &["shop"]).await;
    let body = json!({"action": "cancel", "reason": "x", "jobs": [named("T0")]});
    for path in ["/v1/actions", "/v1/actions/preview"] {
        let mut body = body.clone();
        if path.ends_with("preview") {
            body.as_object_mut().unwrap().remove("reason");
        }
        let answered = server.post(path, &shop, &body).await;
        let job = &answered.body["jobs"][0];
        assert_eq!((answered.status, &job["detail"]), (200, &json!("no account has that queue")), "{answered:?}");
    }
    let browser = Browser::signed_in(&server, &shop).await;
    let token = browser.get("/review").await.field("form_token").to_owned();
    let fields = [("form_token", token.as_str()), ("act", "cancel"), ("job", "main/transfer T0")];
    assert_eq!(browser.post("/actions/preview", &fields).await.status, 404);
    assert_eq!(world.job("T0").await["state"], "queued");
}

#[tokio::test]
async fn ticked_jobs_are_previewed_confirmed_and_answered() {
    let (world, server) = world(&[12_345, 20, 30]).await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let list = browser.get("/jobs?queue=main/transfer").await;
    list.says("value=\"main/transfer T0\"").says("Preview for selected jobs");
    let token = list.field("form_token").to_owned();
    let ticked = [
        ("form_token", token.as_str()),
        ("act", "cancel"),
        ("of", "selected"),
        ("job", "main/transfer T0"),
        ("job", "main/transfer T1"),
    ];
    let seen = browser.post("/actions/preview", &ticked).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    seen.says("2 jobs").says("¥123.65").does_not_say("T2").says("Cancel: 2 jobs");
    server.act("/v1/jobs/main/transfer/T1/send", &json!({"reason": "now"})).await;
    let jobs = seen.field("jobs").to_owned();
    let confirm =
        |reason| [("form_token", token.as_str()), ("act", "cancel"), ("jobs", jobs.as_str()), ("reason", reason)];
    let no_reason = browser.post("/actions", &confirm(" ")).await;
    assert_eq!(no_reason.status, 422, "{no_reason:?}");
    assert_eq!(world.job("T0").await["state"], "queued");
    let done = browser.post("/actions", &confirm("ordered twice")).await;
    assert_eq!(done.status, 200, "{done:?}");
    done.says("2 of 2")
        .says("data-outcome=\"done\"")
        .says("data-outcome=\"refused\"")
        .says("has changed")
        .says("All jobs have a result");
    assert_eq!(world.job("T0").await["state"], "cancelled");
    assert_eq!(world.job("T1").await["state"], "queued");
    let events = world.job("T0").await["history"].as_array().map(Vec::len);
    assert_eq!(events, Some(1));
}

#[tokio::test]
async fn the_forms_of_many_jobs_need_their_session_and_their_role() {
    let (world, server) = world(&[10]).await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    for path in ["/actions", "/actions/preview"] {
        for token in ["", "x"] {
            let fields = [("form_token", token), ("act", "cancel"), ("job", "main/transfer T0"), ("reason", "x")];
            assert_eq!(browser.post(path, &fields).await.status, 403, "{path}");
        }
        assert_eq!(browser.get(path).await.header("location"), "/review", "a reload leads to the boxes");
    }
    let reader = Browser::signed_in(&server, &server.tokens.reader).await;
    reader.get("/jobs?queue=main/transfer").await.does_not_say("type=\"checkbox\"");
    let refused = answer(server.request("POST", "/v1/actions", &server.tokens.reader)).await;
    refused.refuses(403, "forbidden");
    assert_eq!(world.job("T0").await["state"], "queued");
}
