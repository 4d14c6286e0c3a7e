//! Four eyes on the command line: one operator proposes, another one approves with a token, and the money moves once.

use bursar_server::new_token;
use bursar_test_support::{Finished, Process};
use serde_json::{Value, json};

use crate::plan::Plan;
use crate::world::{SOON, World};

/// The tokens file with these operators; their tokens.
fn operators(world: &World, names: &[&str]) -> Vec<String> {
    let (mut lines, mut tokens) = (String::new(), Vec::new());
    for name in names {
        let (token, sha256) = new_token().unwrap();
        lines += &format!("[[token]]\nname = \"{name}\"\nrole = \"operator\"\nsha256 = \"{sha256}\"\n");
        tokens.push(token);
    }
    let path = world.file(lines);
    world.set("server.tokens_file", toml::Value::from(path.display().to_string()));
    tokens
}

async fn run_as(world: &World, token: &str, arguments: &[&str]) -> Finished {
    let mut command = world.command(arguments);
    command.env("BURSAR_TOKEN", token);
    Process::run(&format!("bursar {}", arguments.join(" ")), command, SOON).await
}

#[tokio::test]
async fn a_send_is_proposed_by_one_operator_and_made_by_another() {
    let plan = Plan::new().both("on_ambiguous", "hold").set("server.approvals", 2);
    let world = plan.start().await;
    let _worker = world.worker().await;
    world.in_review("T").await;
    let sends_before = world.job("T").await["attempts"].as_u64().unwrap();
    let one = operators(&world, &["li"]);
    let checked = world.run(&["config", "check"]).await;
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.stdout.contains("fewer than two operators for account main: li"), "{checked:?}");
    let refused = world.run(&["doctor"]).await;
    assert!(refused.stdout.contains("fewer than two operators for account main: li"), "{refused:?}");
    drop(one);

    let tokens = operators(&world, &["li", "wang"]);
    let [li, wang] = tokens.as_slice() else { panic!("two tokens") };
    world.ok(&["config", "check"]).await;
    let send = ["send", "T", "--reason", "it never arrived"];
    let approve = ["send", "T", "--reason", "checked with the bank", "--approve"];
    let by_user = world.run(&send).await;
    assert_eq!(by_user.code, Some(2), "a system user alone proposes nothing: {by_user:?}");
    assert!(by_user.stderr.contains("a proposal needs an operator's token"), "{by_user:?}");
    assert_eq!(world.ok(&["approvals"]).await, "");
    let proposed = run_as(&world, li, &send).await;
    assert_eq!(proposed.code, Some(0), "{proposed:?}");
    let how = "another operator approves it with `BURSAR_TOKEN=… bursar send T --reason … --approve`";
    assert!(proposed.stdout.contains(how), "{proposed:?}");
    let listed: Value = serde_json::from_str(&world.ok(&["approvals", "--json"]).await).unwrap();
    assert_eq!((&listed["platform_no"], &listed["proposed_by"]), (&json!("T"), &json!("li")), "{listed}");
    assert_eq!(world.job("T").await["state"], "needs_review", "nothing is done yet");

    let without_token = world.run(&approve).await;
    assert_eq!(without_token.code, Some(2), "a system user approves nothing: {without_token:?}");
    for (token, code, why) in [
        ("", 2, "an approval needs an operator's token"),
        ("wrong", 2, "the token is not one of"),
        (li, 1, "made the proposal"),
    ] {
        let refused = run_as(&world, token, &approve).await;
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    let before = run_as(&world, wang, &send).await;
    assert_eq!(before.code, Some(1), "{before:?}");
    let (done, other) = tokio::join!(run_as(&world, wang, &approve), run_as(&world, wang, &approve));
    let mut codes = [done.code, other.code];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(1)], "{done:?} {other:?}");

    let job = world.until("T", "succeeded").await;
    let actions: Vec<&Value> =
        job["history"].as_array().unwrap().iter().filter(|line| line["event"] == "operator_action").collect();
    assert_eq!(actions.len(), 1, "{job}");
    let names = ["proposed_by", "approved_by", "comment", "approval_comment"].map(|name| &actions[0][name]);
    assert_eq!(names, ["li", "wang", "it never arrived", "checked with the bank"], "{job}");
    let sends = (job["attempts"].as_u64().unwrap(), world.ok(&["approvals"]).await);
    assert_eq!(sends, (sends_before + 1, String::new()), "{job}");
    let events = world.ok(&["export", "--audit"]).await;
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_job = |result: &str| {
        let found = events.iter().filter(|event| (&event["key"], &event["result"]) == (&json!("T"), &json!(result)));
        found.map(|event| json!([event["action"], event["operator"], event["reason"]])).collect::<Vec<Value>>()
    };
    assert_eq!(of_job("proposed"), [json!(["send", "li", "it never arrived"])], "{events:?}");
    assert_eq!(of_job("done"), [json!(["approve", "wang", "checked with the bank"])], "{events:?}");
    let approved =
        events.iter().find(|event| (&event["action"], &event["result"]) == (&json!("approve"), &json!("done")));
    assert!(approved.unwrap()["detail"].as_str().unwrap().contains("send, proposed_by li"), "{approved:?}");
    assert_eq!(
        of_job("refused").len(),
        6,
        "three without a token, li's own, another proposal, the later one: {events:?}"
    );
    world.books_agree().await;
}

#[tokio::test]
async fn one_token_under_another_name_is_no_second_operator() {
    let plan = Plan::new().both("on_ambiguous", "hold").set("server.approvals", 2);
    let world = plan.start().await;
    let worker = world.worker().await;
    world.in_review("T").await;
    worker.terminate();
    worker.finished(SOON).await;
    let (token, sha256) = new_token().unwrap();
    let (other, other_sha256) = new_token().unwrap();
    let file = |name: &str| {
        let entry = |name: &str, sha256: &str| {
            format!("[[token]]\nname = \"{name}\"\nrole = \"operator\"\nsha256 = \"{sha256}\"\n")
        };
        let path = world.file(entry(name, &sha256) + &entry("wang", &other_sha256));
        world.set("server.tokens_file", toml::Value::from(path.display().to_string()));
    };
    file("li");
    let proposed = run_as(&world, &token, &["send", "T", "--reason", "it never arrived"]).await;
    assert_eq!(proposed.code, Some(0), "{proposed:?}");
    let approve = ["send", "T", "--reason", "checked with the bank", "--approve"];
    file("zhao");
    let renamed = run_as(&world, &token, &approve).await;
    assert_eq!(renamed.code, Some(1), "{renamed:?}");
    assert!(renamed.stderr.contains("zhao made the proposal: another operator must approve it"), "{renamed:?}");
    assert_eq!(world.job("T").await["state"], "needs_review");
    let withdrawn = run_as(&world, &token, &["approvals", "reject", &id(&world).await, "--reason", "no"]).await;
    assert!(withdrawn.code == Some(0) && withdrawn.stdout.contains("withdrawn"), "{withdrawn:?}");

    let again = run_as(&world, &other, &["send", "T", "--reason", "it never arrived"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let done = run_as(&world, &token, &approve).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let shown = world.ok(&["show", "T", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let outcomes = shown["history"].as_array().unwrap().iter().filter(|event| event["event"] == "proposal");
    let outcomes: Vec<&Value> = outcomes.map(|event| &event["outcome"]).collect();
    assert_eq!(outcomes, ["proposed", "withdrawn", "proposed"], "{shown}");
}

/// The id of the only open proposal.
async fn id(world: &World) -> String {
    let listed: Value = serde_json::from_str(&world.ok(&["approvals", "--json"]).await).unwrap();
    listed["id"].as_str().unwrap().to_owned()
}
