//! Tokens for some accounts: for their bearers, other accounts do not exist.

use std::collections::BTreeSet;

use bursar_test_support::SOON;
use bursar_test_support::api::{Answer, answer};
use serde_json::{Value, json};

use crate::jobs::{having, split, transfer};
use crate::world::{Server, World, hang_up};

/// A reader with a token for `main` alone.
struct Restricted<'a> {
    server: &'a Server,
    token: String,
}

impl Restricted<'_> {
    async fn get(&self, path: &str) -> Answer {
        answer(self.server.request("GET", path, &self.token)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.server.post(path, &self.token, body).await
    }

    /// Checks that the objects of another account are answered as if they did not exist.
    async fn assert_same_answer(&self, method: &str, path: &str, body: &Value) {
        let response_for = async |account: &str| {
            let (path, body) = (path.replace("OTHER", account), body.to_string().replace("OTHER", account));
            let request = self.server.request(method, &path, &self.token).header("content-type", "application/json");
            let answer = answer(request.body(body)).await;
            (answer.status, answer.body.to_string().replace(account, "OTHER"))
        };
        let (there, nowhere) = (response_for("shop").await, response_for("nowhere").await);
        assert_eq!(there, nowhere, "{method} {path}");
        assert!([404, 422].contains(&there.0), "{method} {path}: {there:?}");
    }
}

async fn with_a_job_in_each_account() -> (World, Server) {
    let world = World::start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T"), split("S", "order-1")]).await;
    (world, server)
}

fn accounts(listed: &Value) -> BTreeSet<&str> {
    listed.as_array().unwrap().iter().map(|entry| entry["account"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_producer_submits_to_its_accounts_and_to_no_other() {
    let (world, server) = with_a_job_in_each_account().await;
    let token = server.admit(&world, "producer", &["main"]).await;
    let shop = Restricted { server: &server, token };
    assert_eq!(shop.post("/v1/jobs", &transfer("A")).await.status, 201);
    let refused = shop.post("/v1/jobs", &split("S", "order-1")).await;
    refused.refuses(422, "invalid");
    assert_eq!(refused.wrong_fields(), ["account"], "the answer does not say that it exists: {refused:?}");
    let batch = shop.post("/v1/jobs", &json!({"jobs": [split("S2", "order-2"), transfer("B")]})).await;
    let outcomes: Vec<&str> =
        batch.body["jobs"].as_array().unwrap().iter().map(|job| job["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["invalid", "new"], "{batch:?}");
    shop.assert_same_answer("POST", "/v1/jobs", &having(split("S", "order-1"), "account", json!("OTHER"))).await;
    for key in ["A", "B"] {
        world.accepted(transfer(key));
    }
    world.books_agree().await;
}

#[tokio::test]
async fn what_other_accounts_have_is_neither_listed_nor_found() {
    let (world, server) = with_a_job_in_each_account().await;
    let token = server.admit(&world, "reader", &["main"]).await;
    let audit = Restricted { server: &server, token };
    assert_eq!(accounts(&server.read("/v1/jobs").await["jobs"]), BTreeSet::from(["main", "shop"]));
    assert_eq!(accounts(&audit.get("/v1/jobs").await.body["jobs"]), BTreeSet::from(["main"]));
    assert_eq!(accounts(&audit.get("/v1/queues").await.body["queues"]), BTreeSet::from(["main"]));
    assert_eq!(audit.get("/v1/jobs/main/transfer/T").await.status, 200);
    assert_eq!(audit.get("/v1/jobs?kind=split").await.body["jobs"], json!([]));
    for path in [
        "/v1/jobs?account=OTHER",
        "/v1/jobs/OTHER/split/S",
        "/v1/jobs/OTHER/split/S?wait=1s",
        "/v1/jobs/OTHER/split/S/history",
        "/v1/events?account=OTHER",
        "/v1/notifications?account=OTHER",
        "/v1/notifications/OTHER/1",
    ] {
        audit.assert_same_answer("GET", path, &Value::Null).await;
    }
    let text = audit.get("/v1/jobs/nowhere/split/S").await.body["detail"].as_str().unwrap().to_owned();
    assert!(text.contains("main/transfer") && !text.contains("shop"), "{text}");
    world.submit_new(&[split("S2", "order-2")]).await;
    let page = server.read("/v1/jobs?limit=1&account=shop").await;
    let place = page["next"].as_str().expect("there are two");
    audit.get(&format!("/v1/jobs?after={place}")).await.refuses(422, "invalid");
    world.books_agree().await;
}

#[tokio::test]
async fn an_operator_acts_on_its_accounts_and_on_no_other() {
    let (world, server) = with_a_job_in_each_account().await;
    let token = server.admit(&world, "operator", &["main"]).await;
    let li = Restricted { server: &server, token };
    let why = json!({"reason": "x"});
    for act in ["jobs/OTHER/split/S/query", "jobs/OTHER/split/S/send", "jobs/OTHER/split/S/cancel"] {
        li.assert_same_answer("POST", &format!("/v1/{act}"), &why).await;
    }
    li.assert_same_answer("POST", "/v1/jobs/OTHER/split/S/resolve", &json!({"reason": "x", "as": "failed"})).await;
    for turn in ["pause", "resume"] {
        li.assert_same_answer("POST", &format!("/v1/queues/OTHER/split/{turn}"), &why).await;
    }
    assert_eq!(world.job("S").await["history"], json!([]), "nothing was done");
    assert_eq!(li.post("/v1/jobs/main/transfer/T/cancel", &why).await.status, 200);
    assert_eq!(li.post("/v1/queues/main/transfer/pause", &why).await.status, 200);
    world.books_agree().await;
}

#[tokio::test]
async fn events_are_of_its_accounts_only_and_end_when_they_change() {
    let (world, server) = with_a_job_in_each_account().await;
    let token = server.admit(&world, "reader", &["main"]).await;
    let mut stream = server.request("GET", "/v1/events?last_event_id=0", &token).send().await.unwrap();
    world.submit_new(&[split("S3", "order-3"), transfer("T3")]).await;
    for (account, kind, key) in [("shop", "split", "S3"), ("main", "transfer", "T3")] {
        let done = server.act(&format!("/v1/jobs/{account}/{kind}/{key}/cancel"), &json!({"reason": "x"})).await;
        assert_eq!(done.status, 200, "{done:?}");
    }
    let mut text = String::new();
    while !text.contains("T3") {
        let chunk = tokio::time::timeout(SOON, stream.chunk()).await.expect("news in time").unwrap().expect("a stream");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(!text.contains("shop") && !text.contains("S3"), "{text}");

    let file = std::fs::read_to_string(world.tokens_file()).unwrap();
    std::fs::write(world.tokens_file(), file.replace("accounts = [\"main\"]", "accounts = [\"shop\"]")).unwrap();
    hang_up();
    let ended = async { while stream.chunk().await.is_ok_and(|chunk| chunk.is_some()) {} };
    tokio::time::timeout(SOON, ended).await.expect("a stream under the withdrawn rights ends");
    let listed = answer(server.request("GET", "/v1/jobs", &token)).await;
    assert_eq!(accounts(&listed.body["jobs"]), BTreeSet::from(["shop"]));
    world.books_agree().await;
}
