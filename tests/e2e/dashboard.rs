//! The dashboard as a browser without scripts knows it: pages and forms, against the real server and a real Redis.

use serde_json::json;

use crate::jobs::{transfer, transfers};
use crate::pages::Browser;
use crate::plan::Plan;

fn holding() -> Plan {
    Plan::new().both("on_ambiguous", "hold")
}

#[tokio::test]
async fn who_may_only_look_is_offered_nothing_and_allowed_nothing() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let operator = Browser::signed_in(&server, &server.tokens.operator).await;
    operator.get("/").await.says("/queues/main/transfer/pause");
    operator.get("/jobs/main/transfer/T").await.says("/T/cancel").says("/T/send").does_not_say("/T/resolve");
    for token in [&server.tokens.reader, &server.tokens.producer] {
        let looker = Browser::signed_in(&server, token).await;
        let queues = looker.get("/").await;
        queues.does_not_say("/pause");
        looker.get("/jobs/main/transfer/T").await.does_not_say("/T/cancel");
        for path in ["/jobs/main/transfer/T/cancel", "/jobs/main/transfer/T/send", "/queues/main/transfer/pause"] {
            assert_eq!(looker.get(path).await.status, 403, "{path}");
            let form = [("form_token", queues.field("form_token")), ("reason", "because"), ("seen", "")];
            assert_eq!(looker.post(path, &form).await.status, 403, "{path}");
        }
    }
    let job = world.job("T").await;
    assert_eq!((&job["state"], job["history"].as_array().map(Vec::len)), (&json!("queued"), Some(0)), "{job}");
    let _worker = world.worker().await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_job_is_found_by_key_and_its_timeline_is_complete() {
    let world = holding().start().await;
    let _worker = world.worker().await;
    world.in_review("1001XP2025010110000001").await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let found = browser.get("/jobs?key=+1001XP2025010110000001").await;
    let address = "/jobs/main/transfer/1001XP2025010110000001";
    assert_eq!((found.status, found.header("location")), (303, address), "{found:?}");
    let page = browser.get(address).await;
    page.says("Send → no response").says("needs review").says("1001XP2025010110000001");
    page.says("payer_store_no").says("****9a").does_not_say("amy99a");
    let missing = browser.get("/jobs?key=T2").await;
    assert_eq!(missing.status, 404, "{missing:?}");
    missing.says("Nothing found for T2");
    for path in ["/jobs/main/transfer/NO", "/jobs/none/transfer/T", "/jobs/main/pay/T", "/jobs/main/transfer/T/shoot"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    assert_eq!(browser.get("/jobs?state=odd").await.status, 422);
    world.books_agree().await;
}

#[tokio::test]
async fn a_second_resolution_shows_what_the_first_did() {
    let world = holding().start().await;
    let _worker = world.worker().await;
    world.in_review("T").await;
    let server = world.serve().await;
    let first = Browser::signed_in(&server, &server.tokens.operator).await;
    let second = Browser::signed_in(&server, &server.tokens.operator).await;
    first
        .get("/review")
        .await
        .says("/jobs/main/transfer/T/resolve")
        .says("/T/query")
        .says("/T/send")
        .does_not_say("/T/cancel");
    let path = "/jobs/main/transfer/T/resolve";
    let before = second.get(path).await;
    before.says("Closes the job in the state that you choose");
    second.get("/jobs/main/transfer/T/send").await.says("this moves money");

    let nothing = first.act(path, &[("as", "succeeded"), ("reason", "  ")]).await;
    assert_eq!(nothing.status, 422, "{nothing:?}");
    let no_end = first.act(path, &[("as", "queued"), ("reason", "seen")]).await;
    assert_eq!(no_end.status, 422, "{no_end:?}");
    assert_eq!(world.job("T").await["state"], "needs_review");

    let done = first.act(path, &[("as", "succeeded"), ("reason", "seen on the bank statement")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/jobs/main/transfer/T"), "{done:?}");
    let form = [
        ("form_token", before.field("form_token")),
        ("seen", before.field("seen")),
        ("as", "failed"),
        ("reason", "no"),
    ];
    let late = second.post(path, &form).await;
    assert_eq!(late.status, 409, "{late:?}");
    late.says("the job is succeeded now").says("Last action: Resolve by li").says("seen on the bank statement");
    let job = world.job("T").await;
    assert_eq!(job["state"], "succeeded", "{job}");
    first.get("/jobs/main/transfer/T").await.says("li Resolve: seen on the bank statement");
    first.get("/review").await.says("No jobs need review");
    world.books_agree().await;
}

#[tokio::test]
async fn an_action_on_a_job_that_has_changed_is_refused() {
    let world = holding().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let (first, second) = (
        Browser::signed_in(&server, &server.tokens.operator).await,
        Browser::signed_in(&server, &server.tokens.operator).await,
    );
    let path = "/jobs/main/transfer/T/send";
    let looked = second.get(path).await;
    assert_eq!(first.act(path, &[("reason", "it is urgent")]).await.status, 303);
    // The state is the same, queued; what led to it is not.
    let form = [("form_token", looked.field("form_token")), ("seen", looked.field("seen")), ("reason", "me too")];
    let late = second.post(path, &form).await;
    assert_eq!(late.status, 409, "{late:?}");
    late.says("has changed since you opened this page").says("it is urgent");
    let job = world.job("T").await;
    assert_eq!(job["history"].as_array().map(Vec::len), Some(1), "{job}");
    let _worker = world.worker().await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn of_two_concurrent_actions_one_wins_and_the_other_learns_it() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let keys: Vec<String> = (0..8).map(|number| format!("T{number}")).collect();
    world.submit_new(&keys.iter().map(|key| transfer(key)).collect::<Vec<_>>()).await;
    let (one, other) = (
        Browser::signed_in(&server, &server.tokens.operator).await,
        Browser::signed_in(&server, &server.tokens.operator).await,
    );
    // Sending leaves a queued job queued: its state alone does not show the second operator the first action.
    for (key, act) in keys.iter().zip(["send", "cancel"].into_iter().cycle()) {
        let path = format!("/jobs/main/transfer/{key}/{act}");
        let (one, other) =
            tokio::join!(one.act(&path, &[("reason", "the one's")]), other.act(&path, &[("reason", "the other's")]));
        let (done, late) = if one.status == 303 { (&one, &other) } else { (&other, &one) };
        assert_eq!((done.status, late.status), (303, 409), "{act}: {done:?} {late:?}");
        let log = world.job(key).await["history"].clone();
        assert_eq!(log.as_array().map(Vec::len), Some(1), "{act}: {log}");
        late.says("Last action: ").says("by li at").says(log[0]["comment"].as_str().unwrap());
    }
    let _worker = world.worker().await;
    world.settled().await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_list_has_pages_and_charts_count_what_all_workers_did() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&transfers("T", 130)).await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let first = browser.get("/jobs?queue=main%2Ftransfer&state=queued").await;
    assert_eq!(first.text.matches("class=\"key\"").count(), 100);
    let next = first.text.split_once("href=\"/jobs?queue=main%2Ftransfer&amp;state=queued&amp;after=").unwrap().1;
    let next = next.split('"').next().unwrap();
    let second = browser.get(&format!("/jobs?queue=main%2Ftransfer&state=queued&after={next}")).await;
    assert_eq!(second.text.matches("class=\"key\"").count(), 30, "{second:?}");
    second.does_not_say("rel=\"next\"");
    let _worker = world.worker().await;
    world.settled().await;
    let charts = browser.get("/charts").await;
    charts.says("130 jobs ended in the last 60 min").says("from the histories of 130 jobs").says("<svg").says("p99");
    charts
        .says("· succeeded 130")
        .says("sends p95")
        .says("¥13.00")
        .says("Exact sums of all jobs that ended in this time");
    for (address, said) in [
        ("/charts?queue=shop%2Fsplit", "0 jobs ended"),
        ("/charts?queue=&over=7d", "130 jobs ended in the last 7 d"),
        ("/charts?queue=main%2Ftransfer&over=24h", "130 jobs ended in the last 24 h"),
    ] {
        browser.get(address).await.says(said);
    }
    let wrong = browser.get("/charts?over=1y").await;
    assert_eq!(wrong.status, 422, "{wrong:?}");
    wrong.says("over").says("must be 1h, 6h, 24h, 7d");
    browser.get("/").await.says("/ min");
    world.books_agree().await;
}
