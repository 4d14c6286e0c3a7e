//! Sessions of the dashboard: they end everywhere and for good, by a sign-out, by idleness and by age.

use std::time::Duration;

use bursar_test_support::api::answer;
use bursar_test_support::{SOON, eventually, private_redis};

use crate::jobs::transfer;
use crate::pages::{Browser, Page};
use crate::world::{Server, World};

/// Short enough to wait for.
const SHORT: Duration = Duration::from_secs(1);

/// A page that is read by the script that renews it.
async fn renewed(browser: &Browser) -> Page {
    browser.answer(browser.client.get(format!("{}/", browser.address)).header("sec-fetch-mode", "cors")).await
}

/// The same browser at another replica.
fn at(server: &Server, browser: &Browser) -> Browser {
    Browser {
        client: browser.client.clone(),
        address: format!("http://{}", server.address),
        cookie: browser.cookie.clone(),
        ..*browser
    }
}

#[tokio::test]
async fn a_sign_out_holds_at_other_replicas_and_after_a_restart() {
    let mut world = World::start().await;
    world.share_session_key();
    world.submit_new(&[transfer("T")]).await;
    let (one, other) = (world.serve().await, world.serve().await);
    let browser = Browser::signed_in(&one, &one.tokens.operator).await;
    let elsewhere = at(&other, &browser);
    let path = "/jobs/main/transfer/T/cancel";
    let asking = elsewhere.get(path).await;
    assert_eq!(asking.status, 200, "another replica knows the session: {asking:?}");
    let stolen = [("form_token", asking.field("form_token")), ("seen", asking.field("seen")), ("reason", "stolen")];

    let ended = browser.post("/sign-out", &[("form_token", browser.get("/").await.field("form_token"))]).await;
    assert_eq!((ended.status, ended.header("location")), (303, "/sign-in"), "{ended:?}");
    assert!(ended.header("set-cookie").contains("Max-Age=0"), "{ended:?}");

    drop(one);
    let restarted = world.serve().await;
    for (server, which) in [(&other, "another replica"), (&restarted, "a server that has restarted")] {
        let browser = at(server, &browser);
        for path in ["/", path, "/live"] {
            assert_eq!(browser.get(path).await.status, 303, "{which}: {path}");
        }
        let acted = browser.post(path, &stolen).await;
        assert_eq!((acted.status, acted.header("location")), (303, "/sign-in"), "{which}: {acted:?}");
        let api = answer(server.request("GET", "/v1/queues", "").header("cookie", &browser.cookie)).await;
        assert_eq!(api.status, 401, "{which}: {api:?}");
    }
    assert_eq!(world.job("T").await["state"], "queued");
    let again = Browser::signed_in(&restarted, &restarted.tokens.operator).await;
    assert_eq!(again.get("/").await.status, 200);
    assert_eq!(at(&other, &browser).get("/").await.status, 303, "a new session does not bring the old one back");
}

#[tokio::test]
async fn a_session_without_its_person_ends_though_pages_renew() {
    let mut world = World::start().await;
    world.share_session_key();
    let lenient = world.serve().await;
    world.adjust(|settings| settings.session_limits.idle = SHORT);
    let strict = world.serve().await;
    let [used, left] = [
        Browser::signed_in(&strict, &strict.tokens.operator).await,
        Browser::signed_in(&strict, &strict.tokens.operator).await,
    ];
    assert_eq!(at(&lenient, &used).get("/").await.status, 200, "its person is there, and is given a day");
    let left = at(&lenient, &left);
    eventually(SOON, "the session to end", async || {
        let page = renewed(&left).await;
        if page.status == 303 { Ok(()) } else { Err(page.status) }
    })
    .await;
    assert_eq!(left.get("/").await.status, 303, "what has ended does not come back");
    assert_eq!(at(&lenient, &used).get("/").await.status, 200);
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    let live = browser.client.get(format!("{}/live", browser.address)).header("cookie", &browser.cookie);
    let mut stream = live.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    browser.post("/sign-out", &[("form_token", browser.get("/").await.field("form_token"))]).await;
    let ended = async { while stream.chunk().await.is_ok_and(|chunk| chunk.is_some()) {} };
    tokio::time::timeout(SOON, ended).await.expect("the stream ends");
}

#[tokio::test]
async fn a_session_ends_after_its_lifetime_although_it_is_used() {
    let world = World::with(|settings| settings.session_limits.lifetime = SHORT).await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.reader).await;
    eventually(SOON, "the session to end", async || {
        let page = browser.get("/").await;
        if page.status == 303 { Ok(()) } else { Err(page.status) }
    })
    .await;
}

#[tokio::test]
async fn a_cookie_counts_under_the_name_of_its_way_only() {
    let world = World::start().await;
    let server = world.serve().await;
    let browser = Browser::new(&server);
    let sign_in = || browser.form("/sign-in", &[("token", &server.tokens.reader)]);
    let behind_tls = browser.answer(sign_in().header("x-forwarded-proto", "https")).await;
    let set = behind_tls.header("set-cookie");
    let parts: Vec<&str> = set.split("; ").collect();
    assert!(parts.contains(&"Secure") && parts.contains(&"Path=/") && !set.contains("Domain"), "{set}");
    let host = parts[0].strip_prefix("__Host-bursar_session=").expect("the host's own cookie");
    let plain = browser.answer(sign_in()).await.header("set-cookie").split(';').next().unwrap().to_owned();
    let plain = plain.strip_prefix("bursar_session=").expect("a cookie that plain HTTP carries");
    for (cookie, https, expected) in [
        (format!("__Host-bursar_session={host}"), true, 200),
        (format!("bursar_session={plain}"), false, 200),
        (format!("bursar_session={host}"), true, 303),
        (format!("bursar_session={plain}"), true, 303),
        (format!("__Host-bursar_session={host}"), false, 303),
        (format!("bursar_session={plain}; __Host-bursar_session=x"), true, 303),
    ] {
        let browser = Browser { cookie: cookie.clone(), ..Browser::new(&server) };
        let request = browser.client.get(format!("{}/", browser.address));
        let request = if https { request.header("x-forwarded-proto", "https") } else { request };
        assert_eq!(browser.answer(request).await.status, expected, "{cookie} https: {https}");
    }
}

#[tokio::test]
async fn while_redis_is_away_no_one_is_let_in_or_signed_out() {
    let own = private_redis(|options| options);
    let world = World::on(own.url().to_owned(), |_| {}).await;
    let server = world.serve().await;
    let browser = Browser::signed_in(&server, &server.tokens.operator).await;
    let form_token = browser.get("/").await.field("form_token").to_owned();
    own.stop().unwrap();
    for path in ["/", "/review"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 503, "{path}: {page:?}");
        page.says("Redis does not answer").does_not_say("main/transfer");
    }
    let page = browser.post("/sign-out", &[("form_token", &form_token)]).await;
    assert!(page.status == 503 && page.header("set-cookie").is_empty(), "it can be repeated: {page:?}");
    let page = browser.post("/sign-in", &[("token", &server.tokens.operator)]).await;
    assert!(page.status == 503 && page.header("set-cookie").is_empty(), "{page:?}");
}
