//! The dashboard as a browser without scripts knows it: pages and forms, against the real server and a real Redis.

use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::{Value, json};

use crate::jobs::{split, transfer, transfers, with};
use crate::pages::Browser;
use crate::plan::Plan;
use crate::server;
use crate::world::SOON;

fn holding() -> Plan {
    Plan::new().both("on_ambiguous", "hold")
}

#[tokio::test]
async fn nobody_sees_or_does_anything_without_signing_in() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let stranger = Browser::new(&server);
    for path in [
        "/",
        "/jobs",
        "/jobs/main/transfer/T",
        "/jobs/main/transfer/T/send",
        "/review",
        "/quarantine",
        "/quarantine/main/transfer/T/drop",
        "/notifications",
        "/notifications/main/1",
        "/charts",
        "/live",
    ] {
        let page = stranger.get(path).await;
        assert_eq!(page.status, 303, "{path}: {page:?}");
        assert!(page.header("location").starts_with("/sign-in"), "{path}: {page:?}");
        assert!(page.text.is_empty(), "{path}: {page:?}");
    }
    for path in ["/jobs/main/transfer/T/cancel", "/queues/main/transfer/pause", "/sign-out"] {
        let page = stranger.post(path, &[("reason", "because"), ("form_token", "x")]).await;
        assert_eq!((page.status, page.header("location")), (303, "/sign-in"), "{path}: {page:?}");
    }
    for wrong in ["", "bursar_wrong", &"x".repeat(10_000)] {
        let page = stranger.post("/sign-in", &[("token", wrong)]).await;
        assert_eq!(page.status, 401, "{page:?}");
        assert!(page.header("set-cookie").is_empty(), "{page:?}");
        page.says("No such token");
    }
    assert_eq!(world.job("T").await["state"], "queued");
}

#[tokio::test]
async fn a_session_is_a_cookie_out_of_scripts_reach_and_pages_are_kept_by_nobody() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let browser = Browser::new(&server);
    let page = browser.post("/sign-in", &[("token", &server.tokens.reader), ("to", "//evil.example")]).await;
    assert_eq!((page.status, page.header(LOCATION.as_str())), (303, "/"), "nobody is sent elsewhere: {page:?}");
    let cookie = page.header(SET_COOKIE.as_str());
    for part in ["bursar_session=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains(&server.tokens.reader), "the token is not in it");
    let behind_tls = browser.form("/sign-in", &[("token", &server.tokens.reader)]).header("x-forwarded-proto", "https");
    assert!(browser.answer(behind_tls).await.header("set-cookie").ends_with("; Secure"));

    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let page = browser.get("/").await;
    assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{page:?}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for inline in ["<style", " style=", "onclick", "onload", "<script>", "http://", "https://"] {
        page.does_not_say(inline);
    }
    page.says("audit · reader").says("main/transfer");

    let page = browser.post("/sign-out", &[("form_token", page.field("form_token"))]).await;
    assert_eq!((page.status, page.header("location")), (303, "/sign-in"), "{page:?}");
    assert_eq!(browser.get("/").await.status, 303, "the cookie is worth nothing any more");
}

#[tokio::test]
async fn a_form_that_another_site_sends_does_nothing() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let other = Browser::signed_in(&server, &server.tokens.operator).await;
    let path = "/jobs/main/transfer/T/cancel";
    let (asking, foreign) = (browser.get(path).await, other.get(path).await);
    let seen = asking.field("seen");
    for token in ["", "AAAA", foreign.field("form_token")] {
        let page = browser.post(path, &[("form_token", token), ("seen", seen), ("reason", "because")]).await;
        assert_eq!(page.status, 403, "{token}: {page:?}");
    }
    let whole = [("form_token", asking.field("form_token")), ("seen", seen), ("reason", "because")];
    for (name, value) in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let page = browser.answer(browser.form(path, &whole).header(name, value)).await;
        assert_eq!(page.status, 403, "{name}: {value}: {page:?}");
    }
    let signing_in =
        browser.form("/sign-in", &[("token", &server.tokens.operator)]).header("sec-fetch-site", "cross-site");
    assert_eq!(browser.answer(signing_in).await.status, 403, "nor is anybody signed in as somebody else");
    assert_eq!(world.job("T").await["state"], "queued", "nothing was done");
    assert_eq!(browser.post(path, &whole).await.status, 303);
    assert_eq!(world.job("T").await["state"], "cancelled");
    world.books_agree().await;
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
async fn a_job_is_found_by_its_key_and_its_timeline_tells_everything_that_was_done() {
    let world = holding().start().await;
    let _worker = world.worker().await;
    world.in_review("1001XP2025010110000001").await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let found = browser.get("/jobs?key=+1001XP2025010110000001").await;
    let address = "/jobs/main/transfer/1001XP2025010110000001";
    assert_eq!((found.status, found.header("location")), (303, address), "{found:?}");
    let page = browser.get(address).await;
    page.says("Sent → no answer").says("needs review").says("1001XP2025010110000001");
    page.says("payer_store_no").says("****9a").does_not_say("amy99a");
    let missing = browser.get("/jobs?key=T2").await;
    assert_eq!(missing.status, 404, "{missing:?}");
    missing.says("There is no job T2");
    for path in ["/jobs/main/transfer/NO", "/jobs/none/transfer/T", "/jobs/main/pay/T", "/jobs/main/transfer/T/shoot"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    assert_eq!(browser.get("/jobs?state=odd").await.status, 422);
    world.books_agree().await;
}

#[tokio::test]
async fn what_people_write_and_gateways_say_is_text_on_every_page() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let key = "<b>\"x\"&'y'</b>";
    world.submit_new(&[with(transfer(key), "payer_store_no", json!("6222021234567890123"))]).await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let listed = browser.get("/jobs?queue=main%2Ftransfer").await;
    listed.says("&lt;b&gt;").does_not_say("<b>");
    let path = "/jobs/main/transfer/%3Cb%3E%22x%22%26'y'%3C%2Fb%3E";
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{page:?}");
    page.does_not_say("<b>").does_not_say("6222021234567890123").says("****0123");
    let why = "<script>alert(1)</script> 6222021234567890123";
    let done = browser.act(&format!("{path}/cancel"), &[("reason", why)]).await;
    assert_eq!(done.status, 303, "{done:?}");
    for path in [path, "/jobs?queue=main%2Ftransfer&state=cancelled"] {
        browser
            .get(path)
            .await
            .says("&lt;script&gt;")
            .does_not_say("<script>alert")
            .does_not_say("6222021234567890123");
    }
    let refused = browser.get(&format!("{path}/send")).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    refused.says("&lt;script&gt;").does_not_say("6222021234567890123");
    assert_eq!(world.job(key).await["history"][0]["comment"], why, "on record as it was written");
    world.books_agree().await;
}

#[tokio::test]
async fn a_job_in_review_is_resolved_with_a_reason_and_the_second_is_told_what_the_first_did() {
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
        .says("/T/ask")
        .says("/T/send")
        .does_not_say("/T/cancel");
    let path = "/jobs/main/transfer/T/resolve";
    let before = second.get(path).await;
    before.says("Closes the job as what you know it to be");
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
    late.says("the job is succeeded now").says("The last act: Resolve by li").says("seen on the bank statement");
    let job = world.job("T").await;
    assert_eq!(job["state"], "succeeded", "{job}");
    first.get("/jobs/main/transfer/T").await.says("li Resolve: seen on the bank statement");
    first.get("/review").await.says("Nobody is needed");
    world.books_agree().await;
}

#[tokio::test]
async fn an_act_on_a_job_that_has_changed_since_it_was_looked_at_is_not_done() {
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
    late.says("has changed since you looked").says("it is urgent");
    let job = world.job("T").await;
    assert_eq!(job["history"].as_array().map(Vec::len), Some(1), "{job}");
    let _worker = world.worker().await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn of_two_who_act_at_once_one_does_and_the_other_is_told_what_was_done() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let keys: Vec<String> = (0..8).map(|number| format!("T{number}")).collect();
    world.submit_new(&keys.iter().map(|key| transfer(key)).collect::<Vec<_>>()).await;
    let (one, other) = (
        Browser::signed_in(&server, &server.tokens.operator).await,
        Browser::signed_in(&server, &server.tokens.operator).await,
    );
    // Sending leaves a queued job queued: its state alone does not tell the second that there was a first.
    for (key, act) in keys.iter().zip(["send", "cancel"].into_iter().cycle()) {
        let path = format!("/jobs/main/transfer/{key}/{act}");
        let (one, other) =
            tokio::join!(one.act(&path, &[("reason", "the one's")]), other.act(&path, &[("reason", "the other's")]));
        let (done, late) = if one.status == 303 { (&one, &other) } else { (&other, &one) };
        assert_eq!((done.status, late.status), (303, 409), "{act}: {done:?} {late:?}");
        let log = world.job(key).await["history"].clone();
        assert_eq!(log.as_array().map(Vec::len), Some(1), "{act}: {log}");
        late.says("The last act: ").says("by li at").says(log[0]["comment"].as_str().unwrap());
    }
    let _worker = world.worker().await;
    world.settled().await;
    world.books_agree().await;
}

#[tokio::test]
async fn a_queue_is_paused_and_resumed_with_a_reason_and_the_second_is_told_who_did() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    browser.get("/queues/main/transfer/pause").await.says("Nothing new is sent from now on");
    let empty = browser.act("/queues/main/transfer/pause", &[("reason", "")]).await;
    assert_eq!(empty.status, 422, "{empty:?}");
    let done = browser.act("/queues/main/transfer/pause", &[("reason", "the gateway announced maintenance")]).await;
    assert_eq!((done.status, done.header("location")), (303, "/"), "{done:?}");
    browser.get("/").await.says("li: the gateway announced maintenance").says("/queues/main/transfer/resume");
    let late = browser.act("/queues/main/transfer/pause", &[("reason", "me too")]).await;
    assert_eq!(late.status, 409, "{late:?}");
    late.says("was paused already: li: the gateway announced maintenance");
    let done = browser.act("/queues/main/transfer/resume", &[("reason", "it is over")]).await;
    assert_eq!(done.status, 303, "{done:?}");
    assert_eq!(browser.act("/queues/main/transfer/resume", &[("reason", "again")]).await.status, 409);
    for path in ["/queues/main/transfer/stop", "/queues/main/pay/pause", "/queues/none/transfer/pause"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
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
    charts.says("· succeeded 130").says("sends p95").says("¥13.00").says("of 130 of 130 jobs that ended");
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

#[tokio::test]
async fn pages_are_chinese_for_whoever_asks_for_it_and_stay_so() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let mut browser = Browser::signed_in(&server, &server.tokens.operator).await;
    browser.language = "zh-CN,zh;q=0.9,en;q=0.8";
    browser.get("/").await.says("lang=\"zh-CN\"").says("队列").does_not_say("To send");
    let chosen = browser.get("/language/en?to=%2Fjobs").await;
    assert_eq!((chosen.status, chosen.header("location")), (303, "/jobs"), "{chosen:?}");
    browser.cookie = format!("{}; {}", browser.cookie, chosen.header("set-cookie").split(';').next().unwrap());
    browser.get("/").await.says("lang=\"en\"").says("To send");
    assert_eq!(browser.get("/language/tlh").await.status, 404);
}

#[tokio::test]
async fn a_token_that_leaves_the_file_takes_its_sessions_with_it_and_a_shared_key_serves_all_replicas() {
    let world = Plan::new().start().await;
    let key = world.file("k".repeat(40)).display().to_string();
    world.set("server.session_key_file", toml::Value::from(key));
    let (one, other) = (world.serve().await, world.serve().await);
    let mut browser = Browser::signed_in(&one, &one.tokens.reader).await;
    browser.address = format!("http://{}", other.address);
    assert_eq!(browser.get("/").await.status, 200, "another replica");
    let (_, without) = server::token("other", "reader").await;
    std::fs::write(world.tokens_file(), without).unwrap();
    other.hang_up();
    bursar_test_support::eventually(SOON, "the session to end", async || {
        let status = browser.get("/").await.status;
        if status == 303 { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test]
async fn forms_that_are_too_long_or_no_forms_and_wrong_methods_are_refused() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let path = "/queues/main/transfer/pause";
    let long = browser.post(path, &[("reason", &"x".repeat(20_000))]).await;
    assert_eq!(long.status, 413, "{long:?}");
    let json = browser.client.post(format!("{}{path}", browser.address)).body(Value::Null.to_string());
    assert_eq!(browser.answer(json).await.status, 415);
    for path in ["/", "/jobs", "/notifications", "/notifications/main/1", "/charts", "/live"] {
        assert_eq!(browser.post(path, &[]).await.status, 405, "{path}");
    }
    assert_eq!(browser.get("/sign-out").await.status, 405, "a link signs nobody out");
    assert_eq!(browser.get("/assets/x/none.js").await.status, 404);
}

#[tokio::test]
async fn a_session_of_a_token_for_some_accounts_shows_those_alone() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T"), split("S", "order-1")]).await;
    let token = server.admit(&world, "operator", &["main"]).await;
    let browser = Browser::signed_in(&server, &token).await;
    for path in ["/", "/jobs", "/review", "/charts"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{page:?}");
        page.does_not_say("shop/split");
    }
    browser.get("/").await.says("main/transfer");
    for path in [
        "/jobs/shop/split/S",
        "/jobs/shop/split/S/cancel",
        "/jobs?queue=shop/split",
        "/jobs?key=S",
        "/queues/shop/split/pause",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 404, "{path}: {page:?}");
        page.does_not_say("order-1").does_not_say("shop/split,");
    }
    browser.get("/charts?queue=shop/split").await.does_not_say("value=\"shop/split\"");
    world.books_agree().await;
}
