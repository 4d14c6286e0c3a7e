//! The permissions of roles, and their changes while the server runs.

use bursar_test_support::eventually;
use serde_json::{Value, json};

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::server::{Server, token, tokens};
use crate::world::{SOON, World};
use bursar_test_support::api::answer;

async fn status(server: &Server, token: &str) -> u16 {
    answer(server.request("GET", "/v1/queues", token)).await.status
}

async fn until_status(server: &Server, token: &str, wanted: u16) {
    eventually(SOON, &format!("the token to be answered with {wanted}"), async || {
        let got = status(server, token).await;
        if got == wanted { Ok(()) } else { Err(got) }
    })
    .await;
}

#[tokio::test]
async fn tokens_reload_on_sighup_and_a_broken_file_changes_nothing() {
    // The test shows a token again and again until it is known.
    let world = Plan::new().set("server.failures_per_minute", 0).start().await;
    let server = world.serve().await;
    let (new, lines) = token("new", "reader").await;
    assert_eq!(status(&server, &new).await, 401);
    std::fs::write(world.tokens_file(), &lines).unwrap();
    server.hang_up();
    until_status(&server, &new, 200).await;
    assert_eq!(status(&server, &server.tokens.reader).await, 401, "a token that is not in the file is refused");

    for broken in ["[[token]]\nname = \"x\"\n", "[[token", "[[token]]\nname = \"x\"\nrole = \"root\"\nsha256 = \"\"\n"]
    {
        std::fs::write(world.tokens_file(), broken).unwrap();
        server.hang_up();
    }
    std::fs::remove_file(world.tokens_file()).unwrap();
    server.hang_up();
    let stay = |line: &str| line.contains("server.tokens_file") && line.contains("stay");
    server.process.wait_line(SOON, "word of the broken file", stay).await;
    server.process.wait_line(SOON, "word of the missing file", |line| stay(line) && line.contains("cannot read")).await;
    assert_eq!(status(&server, &new).await, 200);
    assert!(server.process.is_running());
    assert!(!server.process.stderr().contains(&new), "the log has no token");
}

#[tokio::test]
async fn a_server_without_a_usable_tokens_file_does_not_start() {
    let world = Plan::new().start().await;
    let missing = world.run(&["serve"]).await;
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("server.tokens_file: cannot read"), "{missing:?}");
    std::fs::write(world.tokens_file(), "[[token]]\nname = \"x\"\ncolour = \"red\"\n").unwrap();
    for command in ["serve", "up"] {
        let wrong = world.run(&[command]).await;
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.stderr.contains("server.tokens_file") && wrong.stderr.contains("colour"), "{wrong:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let world = Plan::new().start().await;
    let server = world.serve().await;
    world.set("server.listen", toml::Value::from(server.address.clone()));
    for command in ["serve", "up"] {
        let taken = world.run(&[command]).await;
        assert_eq!(taken.code, Some(2), "{taken:?}");
        assert!(taken.stderr.contains("server.listen: cannot listen on 127.0.0.1:"), "{taken:?}");
    }
}

#[tokio::test]
async fn up_without_tokens_works_and_says_that_the_api_is_closed() {
    let world: World = Plan::new().start().await;
    let up = bursar_test_support::Process::start("bursar up", world.command(&["up"]));
    up.wait_line(SOON, "word that there are no tokens", |line| line.contains("no client can use the API yet")).await;
    world.submit_new(&[transfer("T")]).await;
    world.until("T", "succeeded").await;
    world.books_agree().await;
}

#[tokio::test]
async fn the_token_command_prints_the_secret_once() {
    let finished = bursar_test_support::Process::run(
        "bursar token",
        crate::world::bursar(&["token", "shop", "--role", "producer", "--json"]),
        SOON,
    )
    .await;
    let made: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&made["name"], &made["role"]), (&json!("shop"), &json!("producer")));
    assert!(made["token"].as_str().is_some_and(|token| token.len() >= 43), "{made}");
    for wrong in [&["token", "a b", "--role", "reader"][..], &["token", "a", "--role", "root"], &["token", "a"]] {
        let finished = bursar_test_support::Process::run("bursar token", crate::world::bursar(wrong), SOON).await;
        assert_eq!(finished.code, Some(2), "{finished:?}");
    }
    assert!(tokens().await.file.matches("[[token]]").count() == 3);
}

#[tokio::test]
async fn tokens_are_listed_with_their_expiry_and_last_use() {
    let world = Plan::new().start().await;
    let new = ["token", "soon", "--role", "reader", "--expires", "3d"];
    let soon = bursar_test_support::Process::run("bursar token", crate::world::bursar(&new), SOON).await;
    assert_eq!(soon.code, Some(0), "{soon:?}");
    let server = world.serve().await;
    std::fs::write(world.tokens_file(), format!("{}{}", server.tokens.file, soon.stdout)).unwrap();
    until_status(&server, &server.tokens.reader, 200).await;
    let listed = eventually(SOON, "the use to be noted", async || {
        let listed = world.run(&["token", "list", "--json"]).await;
        let tokens: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let used = tokens.iter().any(|token| token["name"] == "audit" && token["last_used"].is_string());
        if used { Ok(tokens) } else { Err(listed) }
    })
    .await;
    let names: Vec<&str> = listed.iter().map(|token| token["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["shop", "li", "audit", "soon"]);
    assert!(listed[0]["last_used"].is_null() && listed[3]["expires"].is_string(), "{listed:?}");
    assert!(listed.iter().all(|token| token["expired"] == false && token["sha256"].is_null()), "{listed:?}");
    let table = world.run(&["token", "list"]).await;
    assert!(table.stdout.contains("last used") && table.stdout.contains("soon"), "{table:?}");
    let doctor = world.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("soon: the token expires at"), "{doctor:?}");
    for wrong in ["2020-01-01T00:00:00Z", "tomorrow"] {
        let arguments = ["token", "x", "--role", "reader", "--expires", wrong];
        let refused = bursar_test_support::Process::run("bursar token", crate::world::bursar(&arguments), SOON).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
    }
}
