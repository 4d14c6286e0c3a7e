//! The clients in `clients/`: each one's own tests against a real server, behind a proxy that loses replies; and their types against
//! `/openapi.json`.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use bursar_test_support::{Process, Received, Receiver, eventually};
use serde_json::{Value, json};

use crate::clients::{ENDED_WITHIN, Language, folder, is_installed};
use crate::jobs::{having, transfer};
use crate::lossy_proxy::{FATES, Fate, LossyProxy, RETRY_AFTER, Request};
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{SOON, World};

/// The secret that the worlds of all tests sign webhooks with.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The jobs that each client's tests submit and the server accepts.
const ACCEPTED: [&str; 17] = [
    "BATCH-1",
    "BATCH-2",
    "CUT-1",
    "DOWN-1",
    "FIRST-1",
    "HANG-1",
    "HOOK-1",
    "KIND-BILL",
    "KIND-SPLIT",
    "KIND-TRANSFER",
    "KIND-WITHDRAWAL",
    "LATER-1",
    "LOST-1",
    "ODD-/?#%41+&=:@",
    "PAGE-1",
    "RATE-1",
    "TWICE-1",
];

/// Requests that are refused, by method and key, with their status: they arrive once.
const REFUSED: [(&str, &str, u16); 3] =
    [("POST", "INVALID 1", 422), ("POST", "TOKEN-1", 401), ("GET", "MISSING-1", 404)];

/// The shortest pause before a repetition: half of the first one's 200 ms, less what clocks differ by.
const SHORTEST_PAUSE: Duration = Duration::from_millis(95);

/// A webhook as the server sends it, in a file for the clients.
async fn a_webhook(world: &World, server: &Server) -> std::path::PathBuf {
    let receiver = Receiver::content().await;
    let job = having(transfer("HOOK-1"), "callback_url", json!(receiver.url("hook")));
    assert_eq!(server.submit(&job).await.status, 201);
    world.accepted(job);
    let received = eventually(SOON, "the webhook", async || receiver.received().pop()).await;
    let Received { id, timestamp, signature, body, .. } = received;
    let headers = json!({"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature});
    world.file(json!({"secrets": [SECRET], "headers": headers, "body": body}).to_string())
}

/// The jobs of a submission that the server stored by it.
fn stored(request: &Request) -> Vec<Value> {
    let Some((status, reply)) = request.reply.as_ref().filter(|_| request.method == "POST") else { return Vec::new() };
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    match (status, body["jobs"].as_array()) {
        (200, Some(jobs)) => {
            let outcomes = reply["jobs"].as_array().unwrap().iter();
            let new = jobs.iter().zip(outcomes).filter(|(_, outcome)| outcome["outcome"] == "new");
            new.map(|(job, _)| job.clone()).collect()
        }
        (201, None) => vec![body],
        _ => Vec::new(),
    }
}

/// Lost replies and refusals for now are repeated, by the same bytes and after a pause; nothing else is.
fn repeats_what_may_be_repeated(requests: &[Request]) {
    let about = |method: &str, key: &str| -> Vec<&Request> {
        requests.iter().filter(|request| request.method == method && request.is_about(key)).collect()
    };
    for (key, fates) in FATES {
        let posts = about("POST", key);
        let met: Vec<Fate> = posts.iter().map(|request| request.fate).collect();
        assert_eq!(met, [fates, &[Fate::Passed]].concat(), "{key}");
        for pair in posts.windows(2) {
            assert_eq!(pair[0].body, pair[1].body, "{key}: other bytes");
            let pause = pair[1].at - pair[0].at;
            let least = match pair[0].fate {
                Fate::RateLimited => RETRY_AFTER,
                Fate::UnavailableUntil => RETRY_AFTER * 9 / 10, // the time on the way is part of it
                Fate::Passed
                | Fate::ReplyDropped
                | Fate::ReplyReset
                | Fate::ReplyCut
                | Fate::ReplyStalled
                | Fate::Unavailable
                | Fate::Page
                | Fate::BadGateway => SHORTEST_PAUSE,
            };
            assert!(pause >= least, "{key}: repeated after {pause:?}");
        }
    }
    assert_eq!(about("GET", "LOST-").len(), 3, "reads are repeated, too");
    assert!(about("POST", "GONE-").len() > 1, "a request is repeated until its deadline");
    for (method, key, status) in REFUSED {
        let answered: Vec<u16> =
            about(method, key).iter().filter_map(|request| Some(request.reply.as_ref()?.0)).collect();
        assert_eq!(answered, [status], "{method} {key}: a refusal is final");
    }
    let conflict: Vec<u16> =
        about("POST", "FIRST-1").iter().filter_map(|request| Some(request.reply.as_ref()?.0)).collect();
    assert_eq!(conflict, [201, 409], "a conflict is final");
}

async fn pays_once_whatever_is_lost(language: Language) {
    if !language.is_installed() {
        return;
    }
    let plan = Plan::new().set("webhooks.allow", vec!["127.0.0.1:*"]);
    let world = plan.set("accounts.main.additional_kinds", vec!["withdrawal"]).start().await;
    let server = world.serve_as("up").await;
    let proxy = LossyProxy::start(&server.address).await;
    let mut tests = language.tests().await;
    tests.env("BURSAR_URL", proxy.url()).env("BURSAR_TOKEN", &server.tokens.producer);
    tests.env("BURSAR_WEBHOOK", a_webhook(&world, &server).await);
    let finished = Process::run(&format!("the tests of {language:?}"), tests, ENDED_WITHIN).await;
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);

    let requests = proxy.requests();
    repeats_what_may_be_repeated(&requests);
    requests.iter().flat_map(stored).for_each(|job| world.accepted(job));
    // One is due tomorrow, and a withdrawal cannot be queried.
    let expected = |job: &Value| match job["platform_no"].as_str() {
        Some("LATER-1") => job["state"] == "queued",
        Some("KIND-WITHDRAWAL") => ["pending", "needs_review"].iter().any(|state| job["state"] == *state),
        _ => job["state"] == "succeeded",
    };
    let jobs = world.until_all("every job to be where it stays", expected).await;
    let keys: BTreeSet<&str> = jobs.iter().filter_map(|job| job["platform_no"].as_str()).collect();
    assert_eq!(keys, BTreeSet::from(ACCEPTED));
    assert_eq!(world.books_agree().await.executed, ACCEPTED.len() as u64 - 1, "all but the one that is due tomorrow");
}

#[tokio::test]
async fn python_pays_once_whatever_is_lost() {
    pays_once_whatever_is_lost(Language::Python).await;
}

#[tokio::test]
async fn node_pays_once_whatever_is_lost() {
    pays_once_whatever_is_lost(Language::Node).await;
}

#[tokio::test]
async fn java_pays_once_whatever_is_lost() {
    pays_once_whatever_is_lost(Language::Java).await;
}

#[tokio::test]
async fn go_pays_once_whatever_is_lost() {
    pays_once_whatever_is_lost(Language::Go).await;
}

#[tokio::test]
async fn php_pays_once_whatever_is_lost() {
    pays_once_whatever_is_lost(Language::Php).await;
}

/// Runs `clients/generate.py` on a description.
async fn generate(world: &World, description: &Value, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new("python3");
    command.arg(folder().join("generate.py")).args(arguments).arg(world.file(description.to_string()));
    command.stdin(Stdio::null());
    let finished = Process::run("clients/generate.py", command, SOON).await;
    (finished.code, format!("{}{}", finished.stdout, finished.stderr))
}

#[tokio::test]
async fn every_client_has_the_types_of_the_description() {
    if !is_installed("python3") {
        return;
    }
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let description = server.read("/openapi.json").await;
    if std::env::var("BURSAR_WRITE_DOCUMENTS").is_ok() {
        assert_eq!(generate(&world, &description, &[]).await.0, Some(0));
    }
    let (code, found) = generate(&world, &description, &["--check"]).await;
    let remedy = "BURSAR_WRITE_DOCUMENTS=1 cargo test -p bursar --test e2e -- sdks::every_client writes them";
    assert_eq!(code, Some(0), "clients/ differs from /openapi.json; {remedy}:\n{found}");
}

/// The generated files in which the check names a difference.
fn named_by(found: &str) -> BTreeSet<&str> {
    let folders = found.lines().filter_map(|line| line.strip_prefix("--- ")?.split('/').next());
    folders.collect()
}

#[tokio::test]
async fn a_client_that_lacks_a_field_or_a_word_is_named() {
    if !is_installed("python3") {
        return;
    }
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let description = server.read("/openapi.json").await;
    let all = BTreeSet::from(["python", "node", "java", "go", "php"]);
    let schema = "/components/schemas";
    for (place, value) in [
        ("Job/properties/settled_on", json!({"type": "string"})),
        ("TransferJobBody/properties/purpose", json!({"type": ["string", "null"]})),
        ("SplitJobBody/anyOf/0/properties/receivers/anyOf/0/items/properties/purpose", json!({"type": "string"})),
        ("State/enum/-", json!("reversed")),
        ("Kind/enum/-", json!("top_up")),
        ("ProblemType/enum/-", json!("urn:bursar:problem:too-early")),
    ] {
        let (parent, name) = place.rsplit_once('/').unwrap();
        let mut changed = description.clone();
        match changed.pointer_mut(&format!("{schema}/{parent}")).unwrap() {
            Value::Array(values) => values.push(value),
            object @ (Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                object[name] = value;
            }
        }
        let (code, found) = generate(&world, &changed, &["--check"]).await;
        assert_eq!(code, Some(1), "{place}: {found}");
        assert_eq!(named_by(&found), all, "{place}: {found}");
    }
}
