//! Four eyes over HTTP and on the dashboard: one operator proposes, another one approves.

use bursar_domain::ApprovalAction;
use bursar_test_support::api::answer;
use bursar_test_support::{SOON, eventually};
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::pages::Browser;
use crate::world::{Server, World, hang_up, token};

const SEND: &str = "/v1/jobs/main/transfer/T/send";

/// A world with one job, where every action that can needs two operators; and the tokens of two more operators, one of them for another
/// account alone.
async fn world() -> (World, Server, String, String) {
    let world = World::start().await.with_two_operators(&ApprovalAction::ALL);
    world.submit_new(&[transfer("T")]).await;
    let server = world.serve().await;
    let (wang, lines) = token("wang", "operator", &[]);
    let (zhao, more) = token("zhao", "operator", &["shop"]);
    std::fs::write(world.tokens_file(), format!("{}{lines}{more}", server.tokens.file)).unwrap();
    hang_up();
    eventually(SOON, "the tokens to be known", async || {
        let status = answer(server.request("GET", "/v1/queues", &wang)).await.status;
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
    (world, server, wang, zhao)
}

async fn propose(server: &Server) -> String {
    let proposed = server.act(SEND, &json!({"reason": "it never arrived"})).await;
    assert_eq!(proposed.status, 202, "{proposed:?}");
    let body = &proposed.body;
    assert_eq!((&body["action"], &body["platform_no"]), (&json!("send"), &json!("T")), "{body}");
    assert_eq!((&body["proposed_by"], &body["amount_fen"]), (&json!("li"), &json!(10)), "{body}");
    body["id"].as_str().unwrap().to_owned()
}

/// The names of the job's events, and of the outcomes of its proposals.
async fn history(world: &World) -> Vec<String> {
    let job = world.job("T").await;
    let name = |event: &Value| event["outcome"].as_str().or(event["event"].as_str()).unwrap().to_owned();
    job["history"].as_array().unwrap().iter().map(name).collect()
}

fn path(id: &str, answer: &str) -> String {
    format!("/v1/proposals/{id}/{answer}")
}

async fn open(server: &Server) -> Vec<Value> {
    server.read("/v1/proposals").await["proposals"].as_array().unwrap().clone()
}

#[tokio::test]
async fn only_another_operator_for_the_account_approves() {
    let (world, server, wang, zhao) = world().await;
    let id = propose(&server).await;
    let reason = json!({"reason": "seen, too"});
    assert_eq!(open(&server).await.len(), 1);
    let metrics = server.request("GET", "/metrics", "").send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("\nbursar_proposals_waiting{queue=\"main/transfer\"} 1\n"), "{metrics}");
    for (who, token, status, kind) in [
        ("a producer", &server.tokens.producer, 403, "forbidden"),
        ("a reader", &server.tokens.reader, 403, "forbidden"),
        ("another account's operator", &zhao, 404, "not-found"),
        ("the first operator", &server.tokens.operator, 409, "invalid-state"),
    ] {
        let refused = server.post(&path(&id, "approve"), token, &reason).await;
        assert_eq!(refused.status, status, "{who}: {refused:?}");
        refused.refuses(status, kind);
        assert_eq!((open(&server).await.len(), history(&world).await), (1, vec!["proposed".to_owned()]), "{who}");
    }
    let listed = answer(server.request("GET", "/v1/proposals", &zhao)).await;
    assert_eq!(listed.body, json!({"proposals": []}), "what a token is not for does not exist");
    assert_eq!(server.post(&path(&id, "approve"), &wang, &json!({})).await.status, 422, "without a reason");

    let done = server.post(&path(&id, "approve"), &wang, &reason).await;
    assert_eq!((done.status, &done.body["job"]["state"]), (200, &json!("queued")), "{done:?}");
    let lines = world.job("T").await["history"].clone();
    let line = &lines[1];
    let names = ["operator", "proposed_by", "approved_by", "comment", "approval_comment"].map(|name| &line[name]);
    assert_eq!(names, ["li", "li", "wang", "it never arrived", "seen, too"], "{lines}");
    server.post(&path(&id, "approve"), &wang, &reason).await.refuses(404, "not-found");
    assert_eq!(
        (history(&world).await, open(&server).await.len()),
        (["proposed", "operator_action"].map(str::to_owned).to_vec(), 0)
    );
    world.books_agree().await;
}

#[tokio::test]
async fn approved_twice_at_once_over_http_it_is_done_once() {
    let (world, server, wang, _) = world().await;
    let id = propose(&server).await;
    let reason = json!({"reason": "seen, too"});
    let approve_path = path(&id, "approve");
    let approve = || server.post(&approve_path, &wang, &reason);
    let (one, other) = tokio::join!(approve(), approve());
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert!(statuses[0] == 200 && [404, 409].contains(&statuses[1]), "{one:?} {other:?}");
    assert_eq!(history(&world).await, ["proposed", "operator_action"]);
}

#[tokio::test]
async fn a_changed_job_is_named_and_a_rejected_proposal_is_gone() {
    let (world, server, wang, _) = world().await;
    let reason = json!({"reason": "no"});
    let id = propose(&server).await;
    let second = server.post(SEND, &wang, &json!({"reason": "me too"})).await;
    second.refuses(409, "invalid-state");
    assert_eq!(second.body["proposal"]["id"], id.as_str(), "{second:?}");
    let rejected = server.post(&path(&id, "reject"), &wang, &reason).await;
    assert_eq!((rejected.status, &rejected.body["outcome"]), (200, &json!("rejected")), "{rejected:?}");

    let id = propose(&server).await;
    let cancelled = server.act("/v1/jobs/main/transfer/T/cancel", &reason).await;
    assert_eq!(cancelled.status, 200, "one operator cancels: {cancelled:?}");
    let void = server.post(&path(&id, "approve"), &wang, &reason).await;
    void.refuses(409, "invalid-state");
    let detail = void.body["detail"].as_str().unwrap();
    assert!(detail.contains("its state was queued and is cancelled"), "{detail}");
    assert_eq!((open(&server).await.len(), world.job("T").await["state"].clone()), (0, json!("cancelled")));
    assert_eq!(history(&world).await, ["proposed", "rejected", "proposed", "operator_action", "void"]);
    let lines = world.job("T").await["history"].clone();
    let expected = json!({
        "event": "proposal", "outcome": "rejected", "proposal": rejected.body["proposal"]["id"], "action": "send",
        "operator": "wang", "comment": "no", "at": lines[1]["at"],
    });
    assert_eq!(lines[1], expected, "{rejected:?}");
    assert!(lines[0]["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{lines}");
    assert!(lines[4]["comment"].as_str().unwrap().contains("its state was queued and is cancelled"), "{lines}");
    let page = Browser::signed_in(&server, &server.tokens.reader).await.get("/jobs/main/transfer/T").await;
    page.says("li proposes: Send again. Reason: it never arrived (open until");
    page.says("wang rejects the proposal: Send again. Reason: no");
    page.says("wang could not approve the proposal: Send again. It is removed: its state was queued and is cancelled");
    world.books_agree().await;
}

#[tokio::test]
async fn pages_show_what_is_proposed_and_who_may_approve() {
    let (world, server, wang, _) = world().await;
    let job = "/jobs/main/transfer/T";
    let li = Browser::signed_in(&server, &server.tokens.operator).await;
    let wang = Browser::signed_in(&server, &wang).await;
    let reader = Browser::signed_in(&server, &server.tokens.reader).await;
    let proposed = li.act(&format!("{job}/send"), &[("reason", "it never arrived")]).await;
    assert_eq!((proposed.status, proposed.header("location")), (303, job), "{proposed:?}");
    let id = open(&server).await[0]["id"].as_str().unwrap().to_owned();
    let (approve, reject) = (format!("/proposals/{id}/approve"), format!("/proposals/{id}/reject"));
    let says = "li proposes: Send again. Reason: it never arrived";
    for page in [job, "/proposals"] {
        li.get(page).await.says(says).says("Withdraw").does_not_say(&approve);
        wang.get(page).await.says(says).says(&approve).says("Approve").says(&reject).says("Reject");
        reader.get(page).await.says(says).does_not_say(&approve).does_not_say(&reject);
    }
    wang.get("/").await.says("href=\"/proposals\"");
    assert_eq!(reader.get(&approve).await.status, 403);
    let own = li.act(&approve, &[("reason", "I am sure")]).await;
    assert_eq!(own.status, 409, "{own:?}");
    own.says("another operator must approve it");
    let before = li.act(&format!("{job}/send"), &[("reason", "again")]).await;
    assert_eq!(before.status, 409, "{before:?}");
    before.says("li has made a proposal about it");
    assert_eq!(wang.act(&approve, &[("reason", "")]).await.status, 422);
    assert_eq!(history(&world).await, ["proposed"], "nothing is done yet");

    let done = wang.act(&approve, &[("reason", "seen, too")]).await;
    assert_eq!((done.status, done.header("location")), (303, job), "{done:?}");
    wang.get(job).await.says("approved by").says("wang").says(says).does_not_say("data-proposal");
    assert_eq!(wang.get(&approve).await.status, 404);
    wang.get("/proposals").await.says("No proposal is open");
}

#[tokio::test]
async fn a_queues_page_shows_its_proposal_in_both_languages() {
    let (world, server, wang, _) = world().await;
    world.lose_writes("main/transfer").await;
    let li = Browser::signed_in(&server, &server.tokens.operator).await;
    let mut wang = Browser::signed_in(&server, &wang).await;
    let resume = "/queues/main/transfer/resume";
    let proposed = li.act(resume, &[("reason", "looked at all of them")]).await;
    assert_eq!((proposed.status, proposed.header("location")), (303, "/proposals"), "{proposed:?}");
    wang.get(resume).await.says("li proposes: resume after lost writes").says("Approve");
    wang.language = "zh-CN";
    wang.get(resume).await.says("li 提议：丢失写入后恢复发送").says("批准");
    wang.get("/proposals").await.says("待批准").says("驳回");
    let id = open(&server).await[0]["id"].as_str().unwrap().to_owned();
    let done = wang.act(&format!("/proposals/{id}/approve"), &[("reason", "同意")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/"), "{done:?}");
    assert_eq!(open(&server).await.len(), 0);
}

/// The events of the trail about the job, oldest first.
async fn trail(server: &Server) -> Vec<Value> {
    let page = answer(server.request("GET", "/v1/audit?key=T", &server.tokens.operator)).await;
    page.body["events"].as_array().unwrap().iter().rev().cloned().collect()
}

#[tokio::test]
async fn proposals_and_answers_are_in_the_trail_with_both_names() {
    let (world, server, wang, _) = world().await;
    let withdrawn = propose(&server).await;
    server.act(&path(&withdrawn, "reject"), &json!({"reason": "a mistake"})).await;
    let rejected = propose(&server).await;
    server.post(&path(&rejected, "reject"), &wang, &json!({"reason": "it arrived"})).await;
    let approved = propose(&server).await;
    server.act(&path(&approved, "approve"), &json!({"reason": "I am sure"})).await.refuses(409, "invalid-state");
    let browser = Browser::signed_in(&server, &wang).await;
    let done = browser.act(&format!("/proposals/{approved}/approve"), &[("reason", "seen, too")]).await;
    assert_eq!(done.status, 303, "{done:?}");

    let named = |id: &str| format!("send, proposed_by li, proposal {id}");
    let proposed = |id: &str| json!(["send", "li", "it never arrived", "proposed", named(id)]);
    let own = "you made this proposal: another operator must approve it";
    let expected = [
        proposed(&withdrawn),
        json!(["reject", "li", "a mistake", "done", format!("{}: withdrawn", named(&withdrawn))]),
        proposed(&rejected),
        json!(["reject", "wang", "it arrived", "done", format!("{}: rejected", named(&rejected))]),
        proposed(&approved),
        json!(["approve", "li", "I am sure", "refused", own]),
        json!(["approve", "wang", "seen, too", "done", format!("{}: queued", named(&approved))]),
    ];
    let events = trail(&server).await;
    let fields = ["action", "operator", "reason", "result", "detail"];
    let shown: Vec<Value> =
        events.iter().map(|event| fields.map(|field| event[field].clone()).to_vec().into()).collect();
    assert_eq!(shown, expected);
    assert!(events.iter().all(|event| event["queue"] == "main/transfer" && event["account"] == "main"), "{events:?}");
    browser.get("/audit?action=approve").await.says("approval of a proposal").says("proposed_by li");
    world.books_agree().await;
}

#[tokio::test]
async fn no_answer_is_given_that_cannot_be_put_on_record() {
    let (world, server, wang, _) = world().await;
    let id = propose(&server).await;
    world.break_audit().await;
    for act in ["approve", "reject"] {
        let refused = server.post(&path(&id, act), &wang, &json!({"reason": "x"})).await;
        refused.refuses(503, "unavailable");
        assert!(refused.body["detail"].as_str().unwrap().contains("nothing was done"), "{refused:?}");
    }
    assert_eq!((open(&server).await.len(), history(&world).await), (1, vec!["proposed".to_owned()]));
    world.books_agree().await;
}
