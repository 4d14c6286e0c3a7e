//! The dashboard as a browser without scripts knows it: who sees it, in which language, and what its forms refuse.

use bursar_test_support::{SOON, eventually};
use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::{Value, json};

use crate::jobs::{split, transfer, with};
use crate::pages::Browser;
use crate::world::{World, hang_up, token};

#[tokio::test]
async fn nothing_is_shown_or_done_without_signing_in() {
    let world = World::start().await;
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
        "/proposals",
        "/proposals/00000000000000000000000000000000/approve",
        "/notifications",
        "/notifications/main/1",
        "/charts",
        "/charts.csv",
        "/report",
        "/report.csv",
        "/workers",
        "/audit",
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
        page.says("The token is not valid");
    }
    assert_eq!(world.job("T").await["state"], "queued");
}

#[tokio::test]
async fn a_session_is_an_http_only_cookie_and_pages_are_not_cached() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::new(&server);
    let page = browser.post("/sign-in", &[("token", &server.tokens.reader), ("to", "//evil.example")]).await;
    assert_eq!((page.status, page.header(LOCATION.as_str())), (303, "/"), "a browser is not sent elsewhere: {page:?}");
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
    let world = World::start().await;
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
    assert_eq!(browser.answer(signing_in).await.status, 403, "a session does not change its user");
    assert_eq!(world.job("T").await["state"], "queued", "nothing was done");
    assert_eq!(browser.post(path, &whole).await.status, 303);
    assert_eq!(world.job("T").await["state"], "cancelled");
    world.books_agree().await;
}

#[tokio::test]
async fn what_people_write_and_gateways_say_is_text_on_every_page() {
    let world = World::start().await;
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
async fn a_second_pause_is_answered_with_who_did_the_first() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    browser.get("/queues/main/transfer/pause").await.says("No worker sends anything new");
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
async fn pages_are_chinese_on_request_and_stay_so() {
    let world = World::start().await;
    let server = world.serve().await;
    let mut browser = Browser::signed_in(&server, &server.tokens.operator).await;
    browser.language = "zh-CN,zh;q=0.9,en;q=0.8";
    browser.get("/").await.says("lang=\"zh-CN\"").says("队列").does_not_say("Queued");
    let chosen = browser.get("/language/en?to=%2Fjobs").await;
    assert_eq!((chosen.status, chosen.header("location")), (303, "/jobs"), "{chosen:?}");
    browser.cookie = format!("{}; {}", browser.cookie, chosen.header("set-cookie").split(';').next().unwrap());
    browser.get("/").await.says("lang=\"en\"").says("Queued");
    assert_eq!(browser.get("/language/tlh").await.status, 404);
}

#[tokio::test]
async fn a_removed_token_ends_its_sessions_on_all_replicas() {
    let mut world = World::start().await;
    world.share_session_key();
    let (one, other) = (world.serve().await, world.serve().await);
    let mut browser = Browser::signed_in(&one, &one.tokens.reader).await;
    browser.address = format!("http://{}", other.address);
    assert_eq!(browser.get("/").await.status, 200, "another replica");
    let (_, without) = token("other", "reader", &[]);
    std::fs::write(world.tokens_file(), without).unwrap();
    hang_up();
    eventually(SOON, "the session to end", async || {
        let status = browser.get("/").await.status;
        if status == 303 { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test]
async fn oversized_or_foreign_forms_and_wrong_methods_are_refused() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let path = "/queues/main/transfer/pause";
    let long = browser.post(path, &[("reason", &"x".repeat(20_000))]).await;
    assert_eq!(long.status, 413, "{long:?}");
    let json = browser.client.post(format!("{}{path}", browser.address)).body(Value::Null.to_string());
    assert_eq!(browser.answer(json).await.status, 415);
    for path in ["/", "/jobs", "/notifications", "/notifications/main/1", "/charts", "/audit", "/live"] {
        assert_eq!(browser.post(path, &[]).await.status, 405, "{path}");
    }
    assert_eq!(browser.get("/sign-out").await.status, 405, "a link does not sign out");
    assert_eq!(browser.get("/assets/x/none.js").await.status, 404);
}

#[tokio::test]
async fn a_session_of_a_token_for_some_accounts_shows_those_alone() {
    let world = World::start().await;
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

#[tokio::test]
async fn an_address_that_is_none_is_a_page_for_browsers_alone() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let stranger = Browser::new(&server);
    let html = |browser: &Browser, path: &str| {
        browser.client.get(format!("{}{path}", browser.address)).header("accept", "text/html,application/xhtml+xml")
    };
    let page = browser.answer(html(&browser, "/no-such-page")).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"), "{page:?}");
    page.says("Page not found").says("href=\"/review\"");
    let page = stranger.answer(html(&stranger, "/no-such-page")).await;
    assert_eq!(page.status, 404);
    page.says("Page not found").does_not_say("href=\"/review\"");
    for path in ["/no-such-page", "/v1/no-such-route"] {
        let program = browser.get(path).await;
        assert_eq!((program.status, program.header("content-type")), (404, "application/problem+json"), "{path}");
    }
    let of_the_api = browser.answer(html(&browser, "/v1/no-such-route")).await;
    assert_eq!((of_the_api.status, of_the_api.header("content-type")), (404, "application/problem+json"));
}

#[tokio::test]
async fn a_page_names_the_chosen_zone_and_the_choice_leads_back() {
    let world = World::start().await;
    let server = world.serve().await;
    let mut browser = Browser::signed_in(&server, &server.tokens.reader).await;
    browser.get("/review").await.does_not_say("data-zone=").says("Times are in");
    let chosen = browser.get("/zone?name=Asia/Shanghai&to=/review").await;
    assert_eq!((chosen.status, chosen.header("location")), (303, "/review"));
    let kept = chosen.header("set-cookie").split(';').next().unwrap().to_owned();
    let session = browser.cookie.clone();
    browser.cookie = format!("{session}; {kept}");
    browser.get("/review").await.says("data-zone=\"Asia/Shanghai\"").says("selected>Asia/Shanghai");
    for (query, place) in [("name=Mars/Olympus&to=/jobs", "/jobs"), ("name=UTC&to=//evil.example", "/"), ("", "/")] {
        let answered = browser.get(&format!("/zone?{query}")).await;
        assert_eq!((answered.status, answered.header("location")), (303, place), "{query}");
        assert_eq!(answered.header("set-cookie").contains("UTC"), query.contains("UTC"), "{query}");
    }
    browser.cookie = format!("{session}; bursar_zone=\"><script>");
    browser.get("/review").await.does_not_say("<script>").does_not_say("data-zone=");
}
