//! Signing in by an OpenID Connect provider, rightly and in every way that must be refused.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bursar_server::probe_provider;
use bursar_test_support::{SOON, eventually};
use reqwest::Url;
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::pages::{Browser, Page};
use crate::provider::{CLIENT, Provider, RETURN, SIGNED_OUT, Signed};
use crate::world::{Server, World};

async fn scene() -> (World, Server, Arc<Provider>) {
    let provider = Provider::start().await;
    let world = World::with(|settings| settings.oidc = Some(provider.settings())).await;
    let server = world.serve().await;
    (world, server, provider)
}

/// The value of a cookie that a page sets, with its name.
fn cookie(page: &Page, name: &str) -> String {
    let set = page.headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
    let mut set = set.filter(|set| set.starts_with(&format!("{name}=")));
    set.next().unwrap_or_else(|| panic!("no cookie {name}: {page:?}")).split(';').next().unwrap().to_owned()
}

fn has_session(page: &Page) -> bool {
    page.headers.get_all("set-cookie").iter().any(|set| set.to_str().unwrap().starts_with("bursar_session="))
}

/// Begins an attempt and lets the person agree: the browser with the attempt, and the address at which the provider sends it back.
async fn agreed(server: &Server, to: &str) -> (Browser, String) {
    let mut browser = Browser::new(server);
    let to: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
    let leaving = browser.get(&format!("/sign-in/provider?to={to}")).await;
    assert_eq!(leaving.status, 303, "{leaving:?}");
    browser.cookie = cookie(&leaving, "bursar_sign_in");
    let back = browser.client.get(leaving.header("location")).send().await.unwrap();
    let back = back.headers()["location"].to_str().unwrap().to_owned();
    let back = back.strip_prefix("https://bursar.example").expect("the registered address").to_owned();
    (browser, back)
}

/// The page on which a whole attempt ends.
async fn tried(server: &Server) -> (Browser, Page) {
    let (browser, back) = agreed(server, "/jobs").await;
    let page = browser.get(&back).await;
    (browser, page)
}

#[tokio::test]
async fn an_operator_acts_under_the_name_at_the_provider() {
    let (world, server, _provider) = scene().await;
    world.submit_new(&[transfer("T")]).await;
    let asking = Browser::new(&server).get("/sign-in?to=/jobs").await;
    asking.says("Sign in with 127.0.0.1").says("/sign-in/provider?to=%2Fjobs");
    let (mut browser, page) = tried(&server).await;
    assert_eq!((page.status, page.header("refresh")), (200, "0; url=/jobs"), "{page:?}");
    assert!(cookie(&page, "bursar_sign_in").ends_with('='), "the attempt is over: {page:?}");
    browser.cookie = cookie(&page, "bursar_session");
    browser.get("/").await.says("li.lei · operator").says("main/transfer").says("shop/split");
    let done = browser.act("/jobs/main/transfer/T/cancel", &[("reason", "ordered twice")]).await;
    assert_eq!(done.status, 303, "{done:?}");
    assert_eq!(world.job("T").await["history"][0]["operator"], "li.lei");
    let api = server.request("POST", "/v1/jobs", "").header("cookie", &browser.cookie).send().await.unwrap();
    assert_eq!(api.status(), 401, "a person submits nothing");

    let out = browser.post("/sign-out", &[("form_token", browser.get("/").await.field("form_token"))]).await;
    assert_eq!(out.status, 200, "{out:?}");
    assert_eq!(browser.get("/").await.status, 303, "a sign-out ends this session as any other");
    world.books_agree().await;
}

#[tokio::test]
async fn a_reader_by_the_provider_only_reads() {
    let (world, server, provider) = scene().await;
    world.submit_new(&[transfer("T")]).await;
    provider.plan(Signed::Rightly, |claims| claims["groups"] = json!("payments-readers"));
    let (mut browser, page) = tried(&server).await;
    browser.cookie = cookie(&page, "bursar_session");
    browser.get("/jobs").await.says("li.lei · reader");
    assert_eq!(browser.get("/jobs/main/transfer/T/cancel").await.status, 403);
}

#[tokio::test]
async fn an_id_token_with_a_fault_signs_no_one_in() {
    let (_world, server, provider) = scene().await;
    type Change = fn(&mut Value);
    let wrong: [(&str, Signed, Change); 20] = [
        ("no signature", Signed::Not, |_| {}),
        ("a signature by the client's secret", Signed::BySecret, |_| {}),
        ("a signature by another key", Signed::ByAnotherKey, |_| {}),
        ("a signature by an unknown key", Signed::ByUnknownKey, |_| {}),
        ("another attempt's nonce", Signed::Rightly, |claims| claims["nonce"] = json!("x")),
        ("no nonce", Signed::Rightly, |claims| drop(claims.as_object_mut().unwrap().remove("nonce"))),
        ("another audience", Signed::Rightly, |claims| claims["aud"] = json!("shop")),
        ("a further audience", Signed::Rightly, |claims| claims["aud"] = json!([CLIENT, "shop"])),
        ("no audience", Signed::Rightly, |claims| claims["aud"] = json!([])),
        ("another issuer", Signed::Rightly, |claims| claims["iss"] = json!("https://evil.example")),
        ("an expiry in the past", Signed::Rightly, |claims| claims["exp"] = json!(1_700_000_000)),
        ("no expiry", Signed::Rightly, |claims| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("no subject", Signed::Rightly, |claims| drop(claims.as_object_mut().unwrap().remove("sub"))),
        ("no groups", Signed::Rightly, |claims| drop(claims.as_object_mut().unwrap().remove("groups"))),
        ("other groups", Signed::Rightly, |claims| claims["groups"] = json!(["all", "Payments-Operators"])),
        ("groups as an object", Signed::Rightly, |claims| claims["groups"] = json!({"payments-operators": true})),
        ("a role for producers", Signed::Rightly, |claims| claims["groups"] = json!(["producer", "operator"])),
        ("no name", Signed::Rightly, |claims| drop(claims.as_object_mut().unwrap().remove("preferred_username"))),
        ("a name that is none", Signed::Rightly, |claims| claims["preferred_username"] = json!("li\u{202e}iel")),
        ("a name that is too long", Signed::Rightly, |claims| claims["preferred_username"] = json!("x".repeat(65))),
    ];
    for (what, signed, change) in wrong {
        provider.plan(signed, change);
        let (browser, page) = tried(&server).await;
        assert!(page.status == 403 && !has_session(&page), "{what}: {page:?}");
        assert!(page.header("refresh").is_empty(), "{what}: {page:?}");
        assert_eq!(browser.get("/").await.status, 303, "{what}");
    }
    provider.plan(Signed::Rightly, |claims| claims["groups"] = json!(["all"]));
    tried(&server).await.1.says("li.lei has no role in Bursar");
    provider.refuse_codes();
    let (_, page) = tried(&server).await;
    assert!(page.status == 403 && !has_session(&page), "{page:?}");
    provider.plan(Signed::Rightly, |_| {});
    assert!(has_session(&tried(&server).await.1), "nothing of it stays");
}

#[tokio::test]
async fn an_answer_counts_in_the_browser_that_began_and_once() {
    let (_world, server, provider) = scene().await;
    let (victim, _) = agreed(&server, "/").await;
    let (attacker, back) = agreed(&server, "/").await;
    for (what, cookie) in [
        ("no attempt", String::new()),
        ("another attempt: a person must not be signed in as someone else", victim.cookie.clone()),
        ("an attempt that was changed", attacker.cookie.replacen("bursar_sign_in=e", "bursar_sign_in=f", 1)),
        ("a session in its place", attacker.cookie.replacen("bursar_sign_in", "bursar_session", 1)),
    ] {
        let browser = Browser { cookie, ..Browser::new(&server) };
        let page = browser.get(&back).await;
        assert!(page.status == 403 && !has_session(&page), "{what}: {page:?}");
        page.says("was not begun in this browser");
    }
    let issuer: String = form_urlencoded::byte_serialize(provider.issuer.as_bytes()).collect();
    let state = back.split_once("&state=").unwrap().1;
    for (what, path) in [
        ("another state", format!("{back}x")),
        ("no state", back.split_once("&state").unwrap().0.to_owned()),
        ("an error", format!("/sign-in/return?error=access_denied&state={state}")),
        ("markup", format!("/sign-in/return?error=%3Cscript%3E&error_description=%3Cscript%3E&state={state}")),
        ("another provider", format!("{back}&iss=https%3A%2F%2Fevil.example")),
        ("another code", format!("/sign-in/return?code=code-0&state={state}")),
        ("an unknown code", format!("/sign-in/return?code=x&state={state}")),
        ("no code", format!("/sign-in/return?state={state}")),
        ("two codes", format!("{back}&code=code-0")),
        ("nothing", "/sign-in/return".to_owned()),
    ] {
        let page = attacker.get(&path).await;
        assert!(page.status == 403 && !has_session(&page), "{what}: {page:?}");
        page.does_not_say("<script>");
    }
    let page = attacker.get(&format!("{back}&iss={issuer}")).await;
    assert!(has_session(&page), "the right one, after all: {page:?}");
    let again = attacker.get(&back).await;
    assert!(again.status == 403 && !has_session(&again), "a code is good once: {again:?}");
}

#[tokio::test]
async fn another_site_begins_no_attempt_and_learns_no_address() {
    let (_world, server, provider) = scene().await;
    let browser = Browser::new(&server);
    for site in ["cross-site", "same-site"] {
        let request =
            browser.client.get(format!("{}/sign-in/provider", browser.address)).header("sec-fetch-site", site);
        let page = browser.answer(request).await;
        assert!(page.status == 403 && page.header("set-cookie").is_empty(), "{site}: {page:?}");
    }
    let leaving = browser.get("/sign-in/provider").await;
    let address = Url::parse(leaving.header("location")).unwrap();
    assert_eq!(address.origin(), Url::parse(&provider.issuer).unwrap().origin());
    assert!(address.query_pairs().any(|pair| pair == ("redirect_uri".into(), RETURN.into())), "{address}");
    for to in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/x\r\nset-cookie: a=b",
        &format!("/{}", "x".repeat(600)),
    ] {
        let (browser, back) = agreed(&server, to).await;
        let page = browser.get(&back).await;
        assert_eq!((page.status, page.header("refresh")), (200, "0; url=/"), "{to}: {page:?}");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_stops_neither_the_server_nor_tokens() {
    let provider = Provider::start().await;
    // A socket that does not listen keeps its port, so that no other test's server gets it meanwhile.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let mut away = provider.settings();
    away.issuer = format!("http://{}", closed.local_addr().unwrap());
    let mut other = provider.settings();
    other.issuer = provider.issuer.replace("127.0.0.1", "localhost");
    for (what, oidc) in [("no one listens", away), ("the provider says that it is another one", other)] {
        let world = World::with(|settings| settings.oidc = Some(oidc)).await;
        let server = world.serve().await;
        let page = Browser::new(&server).get("/sign-in/provider").await;
        assert_eq!(page.status, 503, "{what}: {page:?}");
        page.says("does not answer at the moment");
        let browser = Browser::signed_in(&server, &server.tokens.operator).await;
        assert_eq!(browser.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn a_session_by_the_provider_ends_with_the_rules_that_made_it() {
    let provider = Provider::start().await;
    let mut world = World::with(|settings| settings.oidc = Some(provider.settings())).await;
    world.share_session_key();
    let server = world.serve().await;
    let (mut browser, page) = tried(&server).await;
    browser.cookie = cookie(&page, "bursar_session");
    let status = async |server: &Server| {
        let browser = Browser { cookie: browser.cookie.clone(), ..Browser::new(server) };
        browser.get("/").await.status
    };
    assert_eq!(status(&world.serve().await).await, 200, "another replica");
    world.adjust(|settings| settings.oidc.as_mut().unwrap().operator_values = vec!["others".to_owned()]);
    assert_eq!(status(&world.serve().await).await, 303, "the group is no operator any more");
    world.adjust(|settings| settings.oidc = None);
    let without = world.serve().await;
    assert_eq!(status(&without).await, 303, "there is no provider any more");
    for path in ["/sign-in/provider", "/sign-in/return?code=x&state=y"] {
        assert_eq!(Browser::new(&without).get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn renewed_keys_are_read_at_once_and_strange_ones_seldom() {
    let (_world, server, provider) = scene().await;
    assert!(has_session(&tried(&server).await.1));
    assert_eq!(provider.readings.load(Relaxed), 1);
    provider.renew_keys();
    let (_, page) = tried(&server).await;
    assert!(has_session(&page), "the new key was not read: {page:?}");
    assert_eq!(provider.readings.load(Relaxed), 2);
    provider.plan(Signed::ByUnknownKey, |_| {});
    for _ in 0..10 {
        assert_eq!(tried(&server).await.1.status, 403);
    }
    assert_eq!(provider.readings.load(Relaxed), 2, "strange tokens must not have the provider asked each time");
    provider.plan(Signed::Rightly, |_| {});
    assert!(has_session(&tried(&server).await.1), "the known keys stay good");
}

#[tokio::test]
async fn a_claim_names_the_accounts_of_a_person() {
    let provider = Provider::start().await;
    let oidc = bursar_server::OidcSettings { accounts_claim: Some("pay.accounts".to_owned()), ..provider.settings() };
    let world = World::with(|settings| settings.oidc = Some(oidc)).await;
    let server = world.serve().await;
    world.submit_new(&[transfer("T")]).await;
    let signed_in = async |accounts: Value| {
        provider.plan(Signed::Rightly, move |claims| claims["pay"] = json!({"accounts": accounts}));
        let (mut browser, page) = tried(&server).await;
        assert!(has_session(&page), "{page:?}");
        browser.cookie = cookie(&page, "bursar_session");
        browser
    };
    let of_shop = signed_in(json!(["shop", "elsewhere"])).await;
    of_shop.get("/").await.says("shop/split").does_not_say("main/transfer");
    for path in ["/jobs/main/transfer/T", "/jobs/main/transfer/T/cancel", "/queues/main/transfer/pause"] {
        assert_eq!(of_shop.get(path).await.status, 404, "{path}: what a person is not for does not exist");
    }
    let token = of_shop.get("/").await.field("form_token").to_owned();
    let forced = [("form_token", token.as_str()), ("reason", "x")];
    assert_eq!(of_shop.post("/jobs/main/transfer/T/cancel", &forced).await.status, 404);
    assert_eq!(world.job("T").await["state"], "queued");
    let of_main = signed_in(json!("main")).await;
    of_main.get("/").await.says("main/transfer").does_not_say("shop/split");
    assert_eq!(of_main.act("/jobs/main/transfer/T/cancel", &[("reason", "twice")]).await.status, 303);
    let of_all = signed_in(json!(["payments-all", "shop"])).await;
    of_all.get("/").await.says("main/transfer").says("shop/split");
    for none in [json!([]), json!(["Main", "*"]), Value::Null, json!({"main": true})] {
        let given = none.clone();
        provider.plan(Signed::Rightly, move |claims| claims["pay"] = json!({"accounts": given}));
        let (_, page) = tried(&server).await;
        assert!(page.status == 403 && !has_session(&page), "{none}: {page:?}");
        page.says("li.lei has no account in Bursar");
    }
}

#[tokio::test]
async fn a_sign_out_leads_on_to_the_provider_s_own() {
    let (_world, server, provider) = scene().await;
    let out = async |server: &Server| {
        let (mut browser, page) = tried(server).await;
        browser.cookie = cookie(&page, "bursar_session");
        let out = browser.post("/sign-out", &[("form_token", browser.get("/").await.field("form_token"))]).await;
        assert_eq!(cookie(&out, "bursar_session"), "bursar_session=");
        assert_eq!(browser.get("/").await.status, 303, "the session here is over");
        out
    };
    let page = out(&server).await;
    let address = page.header("refresh").strip_prefix("0; url=").expect("the provider's address").to_owned();
    let address = Url::parse(&address).unwrap();
    assert!(address.as_str().starts_with(&format!("{}/end?tenant=shop&", provider.issuer)), "{address}");
    for pair in [("client_id", CLIENT), ("post_logout_redirect_uri", SIGNED_OUT)] {
        assert!(address.query_pairs().any(|(name, value)| (&*name, &*value) == pair), "{address}");
    }
    let token = Browser::signed_in(&server, &server.tokens.operator).await;
    let by_token = token.post("/sign-out", &[("form_token", token.get("/").await.field("form_token"))]).await;
    assert_eq!((by_token.status, by_token.header("location")), (303, "/sign-in"), "a token has no provider");

    let (kept, silent) = (Provider::start().await, Provider::start().await);
    silent.signs_out.store(false, Relaxed);
    let not_wanted = bursar_server::OidcSettings { provider_sign_out: false, ..kept.settings() };
    for oidc in [not_wanted, silent.settings()] {
        let world = World::with(|settings| settings.oidc = Some(oidc)).await;
        let page = out(&world.serve().await).await;
        assert_eq!((page.status, page.header("location")), (303, "/sign-in"), "{page:?}");
    }
}

#[tokio::test]
async fn each_refused_sign_in_is_on_record_with_its_reason() {
    let (world, server, provider) = scene().await;
    provider.plan(Signed::Rightly, |claims| claims["groups"] = json!(["all"]));
    tried(&server).await;
    provider.plan(Signed::ByUnknownKey, |_| {});
    tried(&server).await;
    provider.plan(Signed::Rightly, |claims| claims["preferred_username"] = json!(""));
    tried(&server).await;
    Browser::new(&server).get("/sign-in/return?code=x&state=y").await;
    let (browser, back) = agreed(&server, "/").await;
    let state = back.split_once("&state=").unwrap().1.to_owned();
    browser.get(&format!("/sign-in/return?error=access_denied&state={state}")).await;
    Browser::new(&server).post("/sign-in", &[("token", "bursar_wrong")]).await;
    drop(server);
    let events = eventually(SOON, "the attempts", async || {
        let mut events = world.audit().await;
        events.retain(|event| event["action"] != "reload"); // another test's signal
        if events.len() == 6 { Ok(events) } else { Err(events) }
    })
    .await;
    let mut found: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event["file"].as_str().unwrap_or_default(), event["detail"].as_str().unwrap_or_default()))
        .collect();
    found.sort_unstable();
    let expected = [
        ("/sign-in", "the token is not known"),
        ("/sign-in/return", "li.lei has no role here"),
        ("/sign-in/return", "refused: Signature verification failed: No matching key found"),
        ("/sign-in/return", "refused: access_denied"),
        ("/sign-in/return", "the claim preferred_username is no usable name"),
        ("/sign-in/return", "this browser did not begin the attempt, or more than ten minutes ago"),
    ];
    assert_eq!(found, expected, "{events:?}");
    for event in &events {
        let of = (&event["action"], &event["result"], &event["role"], &event["count"]);
        assert_eq!(of, (&json!("sign_in_failed"), &json!("refused"), &json!("stranger"), &json!(1)), "{event}");
    }
}

#[tokio::test]
async fn a_look_at_the_provider_says_what_is_missing() {
    let provider = Provider::start().await;
    let fine = probe_provider(provider.settings(), []).await.unwrap();
    assert_eq!(fine.fine.as_deref(), Some("it has 1 keys; signing out ends the session there, too"), "{fine:?}");
    assert_eq!((fine.host.as_str(), fine.problems.as_slice()), ("127.0.0.1", &[][..]));
    let mut away = provider.settings();
    away.issuer = format!("{}/nowhere", provider.issuer);
    let away = probe_provider(away, []).await.unwrap();
    assert!(away.fine.is_none() && away.problems[0].starts_with("no one can sign in by it now: "), "{away:?}");
    let mut without_secret = provider.settings();
    without_secret.client_secret_file = "/nowhere".into();
    let refused = probe_provider(without_secret, []).await.unwrap_err();
    assert!(refused.to_string().contains("server.oidc.client_secret_file: cannot read /nowhere"), "{refused}");
}
