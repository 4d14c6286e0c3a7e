//! Tokens with an expiry, and their last use.

use bursar_test_support::api::answer;
use bursar_test_support::{SOON, eventually};

use crate::pages::Browser;
use crate::world::{World, hang_up, token};

#[tokio::test]
async fn an_expired_token_gets_401_and_signs_no_one_in() {
    let world = World::start().await;
    let (expired, lines) = token("old", "operator", &[]);
    let (fresh, others) = token("new", "operator", &[]);
    let [lines, others] = [lines, others].map(|lines| lines.trim_end().to_owned());
    let file = format!("{lines}\nexpires = \"2020-01-01T00:00:00+08:00\"\n{others}\nexpires = 2999-01-01T00:00:00Z\n");
    std::fs::write(world.tokens_file(), file).unwrap();
    let server = world.serve_as_it_is().await;
    let refused = answer(server.request("GET", "/v1/queues", &expired)).await;
    refused.refuses(401, "unauthenticated");
    assert!(refused.body["detail"].as_str().unwrap().contains("expired"), "{refused:?}");
    assert_eq!(answer(server.request("GET", "/v1/queues", &fresh)).await.status, 200);
    let page = Browser::new(&server).post("/sign-in", &[("token", &expired)]).await;
    assert!(page.status == 401 && page.header("set-cookie").is_empty(), "{page:?}");
    page.says("The token has expired");
    Browser::signed_in(&server, &fresh).await;
}

#[tokio::test]
async fn a_session_ends_when_its_token_is_given_an_expiry() {
    let world = World::start().await;
    let (operator, lines) = token("li", "operator", &[]);
    std::fs::write(world.tokens_file(), &lines).unwrap();
    let server = world.serve_as_it_is().await;
    let browser = Browser::signed_in(&server, &operator).await;
    assert_eq!(browser.get("/").await.status, 200);
    std::fs::write(world.tokens_file(), format!("{}\nexpires = 2020-01-01T00:00:00Z\n", lines.trim_end())).unwrap();
    hang_up();
    eventually(SOON, "the session to end", async || {
        let status = browser.get("/").await.status;
        if status == 303 { Ok(()) } else { Err(status) }
    })
    .await;
}

#[tokio::test]
async fn the_last_use_of_a_token_is_known_to_all() {
    let world = World::start().await;
    let server = world.serve().await;
    eventually(SOON, "the server to note what it knows", async || {
        let uses = world.token_uses().await;
        if uses.values().all(|used| used.known_since.is_some()) { Ok(()) } else { Err(uses) }
    })
    .await;
    assert!(world.token_uses().await.values().all(|used| used.used_at.is_none()));
    assert_eq!(server.get("/v1/queues").await.status, 200);
    Browser::signed_in(&server, &server.tokens.operator).await;
    for (name, who) in [("audit", "a caller of the API"), ("li", "a person in the dashboard")] {
        eventually(SOON, who, async || world.token_uses().await[name].used_at).await;
    }
    assert_eq!(world.token_uses().await["shop"].used_at, None, "no one has used it");
}
