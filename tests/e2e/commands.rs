//! The command line's promises: help, JSON, exit codes, `--config` anywhere, and pipes that close early.

use std::process::{Command, Stdio};

use bursar_test_support::{Finished, Process};
use serde_json::{Value, json};

use crate::jobs::{self, bill, split, transfer};
use crate::plan::Plan;
use crate::world::{SOON, World, bursar};

/// The fields of a job as read, in the interface's words.
const FIELDS: [&str; 13] = [
    "account",
    "attempts",
    "created_at",
    "due_at",
    "gateway_status",
    "history",
    "kind",
    "platform_no",
    "queries",
    "reason",
    "state",
    "trade_no",
    "updated_at",
];

fn field_names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// Every command that `--help` lists, with its subcommands.
async fn commands() -> Vec<Vec<String>> {
    let help = Process::run("help", bursar(&["--help"]), SOON).await;
    assert_eq!(help.code, Some(0));
    let listed =
        help.stdout.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let mut commands: Vec<Vec<String>> = names.map(|name| vec![name.to_owned()]).collect();
    for subcommand in ["check", "show"] {
        commands.push(vec!["config".into(), subcommand.into()]);
    }
    commands
}

#[tokio::test]
async fn every_help_text_has_an_example_to_type() {
    let commands = commands().await;
    assert!(commands.len() >= 20, "{commands:?}");
    for command in commands {
        let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let typed = format!("bursar {}", arguments.join(" "));
        arguments.push("--help");
        let help = Process::run("help", bursar(&arguments), SOON).await;
        assert_eq!(help.code, Some(0), "{help:?}");
        let examples = help.stdout.split_once("Example:\n").unwrap_or_else(|| panic!("{typed}: {}", help.stdout)).1;
        assert!(examples.contains(&typed), "{typed}: {examples}");
    }
}

#[tokio::test]
async fn wrong_use_is_exit_code_2_and_touches_nothing() {
    let wrong: [&[&str]; 14] = [
        &[],
        &["pay"],
        &["--jsno"],
        &["submit"],
        &["submit", "/nonexistent/jobs.jsonl"],
        &["submit", "/"],
        &["show"],
        &["show", "a b"],
        &["list", "--state", "paid"],
        &["list", "--kind", "payment"],
        &["list", "--limit", "0"],
        &["resolve", "T", "--as", "cancelled", "--reason", "x"],
        &["simulate", "--faults", "some"],
        &["bind", "/nonexistent/receiver.json"],
    ];
    let world = Plan::new().start().await;
    for arguments in wrong {
        let finished = world.run(arguments).await;
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{arguments:?}: {finished:?}");
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
        if let Some(path) = arguments.last().filter(|path| path.starts_with('/')) {
            assert!(finished.stderr.contains(&format!("cannot read {path}")), "{finished:?}");
        }
    }
    for place in [["--account", "unknown"], ["--account", "shop/split"]] {
        for command in [&["list"][..], &["show", "T"], &["query", "T", "--reason", "x"]] {
            let finished = world.run(&[command, &place].concat()).await;
            assert_eq!(finished.code, Some(2), "{command:?}: {finished:?}");
            assert!(finished.stderr.contains("the configuration has no account"), "{finished:?}");
        }
    }
    world.books_agree().await;
}

#[tokio::test]
async fn the_configuration_path_goes_anywhere_or_in_the_environment() {
    let world = Plan::new().start().await;
    world.submit_new(&[transfer("T")]).await;
    let config = world.config().display().to_string();
    for arguments in [
        &["--config", config.as_str(), "show", "T"][..],
        &["show", "--config", &config, "T"],
        &["show", "T", "--config", &config],
    ] {
        let finished = Process::run("show", bursar(arguments), SOON).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stdout.starts_with("main/transfer T\n"), "{finished:?}");
    }
    let mut command = bursar(&["show", "T"]);
    command.env("BURSAR_CONFIG", &config);
    assert_eq!(Process::run("show", command, SOON).await.code, Some(0));
    world.books_agree().await;
}

#[tokio::test]
async fn show_and_list_print_exactly_the_interfaces_fields() {
    let world = Plan::new().start().await;
    world.life("T", "9-1").await;
    let _worker = world.worker().await;
    let queued = jobs::having(transfer("QUEUED"), "run_at", json!(jobs::in_days(300).rfc3339()));
    world.submit_new(&[transfer("T"), bill("B", "100010001"), split("S", "P1"), queued]).await;
    for key in ["T", "B", "S"] {
        world.until(key, "succeeded").await;
    }
    let listed = world.list().await;
    assert_eq!(listed.len(), 4);
    for job in &listed {
        assert_eq!(field_names(job), FIELDS.into_iter().filter(|name| *name != "history").collect::<Vec<_>>(), "{job}");
        let mut shown = world.job(jobs::key(job)).await;
        assert_eq!(field_names(&shown), FIELDS, "{shown}");
        let log = shown.as_object_mut().unwrap().remove("history").unwrap();
        assert_eq!(&shown, job, "show and list print the same");
        for line in log.as_array().unwrap() {
            assert!(line["at"].is_string() && line["event"].is_string(), "{line}");
        }
    }
    let text = world.ok(&["show", "T"]).await;
    for word in ["main/transfer T", "state           succeeded", "1 sent,", "response"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(world.refused(&["show", "UNKNOWN"]).await.contains("there is no job UNKNOWN"));
    world.books_agree().await;
}

#[tokio::test]
async fn a_job_shows_the_environment_of_its_submission() {
    let world = Plan::new().set("accounts.main.environment", "production").start().await;
    world.submit_new(&[transfer("T"), split("S", "P1")]).await;
    assert_eq!(world.job("T").await["environment"], "production");
    assert!(world.ok(&["show", "T"]).await.contains("environment     production"));
    assert_eq!(world.job("S").await.get("environment"), None, "its account names none");
    let _worker = world.worker().await;
    assert_eq!(world.until("T", "succeeded").await["environment"], "production", "it stays");
}

#[tokio::test]
async fn lists_are_narrowed_by_queue_and_state_and_page_by_themselves() {
    let world = Plan::new().start().await;
    world.submit_new(&jobs::transfers("T", 1_100)).await;
    world.submit_new(&[bill("B", "100010001"), split("S", "P1")]).await;
    // Without its header, which only a list with jobs has.
    let count = async |arguments: &[&str]| world.ok(&[&["list"], arguments].concat()).await.lines().skip(1).count();
    assert_eq!(count(&[]).await, 100, "a hundred by default");
    assert_eq!(count(&["--limit", "1050"]).await, 1_050);
    assert_eq!(count(&["--limit", "9999"]).await, 1_102);
    assert_eq!(count(&["--limit", "9999", "--account", "main"]).await, 1_101);
    assert_eq!(count(&["--kind", "split"]).await, 1);
    assert_eq!(count(&["--kind", "bill_upload", "--state", "queued"]).await, 1);
    assert_eq!(count(&["--state", "succeeded"]).await, 0);
    assert!(world.ok(&["list", "--kind", "split"]).await.lines().any(|line| line.starts_with("shop/split  S ")));
    world.books_agree().await;
}

/// Runs `bursar … | head -1`; stderr ends with the command's own exit code.
async fn piped_to_head(world: &World, arguments: &[&str]) -> Finished {
    let command = world.command(arguments);
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{{ {}; echo \"exit $?\" >&2; }} | head -1", words.join(" "))]).stdin(Stdio::null());
    Process::run("a pipe to head", shell, SOON).await
}

#[tokio::test]
async fn a_reader_that_leaves_early_is_no_error() {
    let world = Plan::new().start().await;
    world.submit_new(&jobs::transfers("T", 900)).await;
    let finished = piped_to_head(&world, &["list", "--json", "--limit", "900"]).await;
    assert_eq!(finished.stdout.lines().count(), 1, "{finished:?}");
    assert_eq!(finished.stderr, "exit 0", "{finished:?}");
    world.books_agree().await;
}

#[tokio::test]
async fn one_key_in_two_queues_is_two_jobs() {
    let world = Plan::new().start().await;
    world.ok(&["pause", "main/transfer", "--reason", "x"]).await;
    world.submit_new(&[transfer("BOTH"), split("BOTH", "P1")]).await;
    let both = world.ok(&["show", "BOTH", "--json"]).await;
    assert_eq!(both.lines().count(), 2, "{both}");
    let said = world.refused(&["cancel", "BOTH", "--reason", "x"]).await;
    assert!(said.contains("BOTH is the key of several jobs (main/transfer, shop/split)"), "{said}");
    world.ok(&["cancel", "BOTH", "--kind", "transfer", "--reason", "x"]).await;
    let one = world.ok(&["show", "BOTH", "--json", "--account", "shop"]).await;
    assert_eq!(serde_json::from_str::<Value>(&one).unwrap()["state"], "queued");
    world.books_agree().await;
}

#[tokio::test]
async fn what_machines_read_is_one_object_a_line() {
    let world = Plan::new().start().await;
    world.submit_new(&[transfer("T")]).await;
    let commands: [&[&str]; 11] = [
        &["show", "T"],
        &["list"],
        &["queues"],
        &["export"],
        &["reconcile"],
        &["pause", "main/transfer", "--reason", "x"],
        &["cancel", "T", "--reason", "x"],
        &["doctor"],
        &["config", "check"],
        &["config", "show"],
        &["balance", "--node-id", "00061783"],
    ];
    for arguments in commands {
        let text = world.ok(&[arguments, &["--json"]].concat()).await;
        assert!(!text.is_empty(), "{arguments:?}");
        for line in text.lines() {
            let value: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {line}"));
            assert!(value.is_object(), "{arguments:?}: {line}");
        }
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_closed_output_pipe_keeps_no_job_from_submission() {
    let world = Plan::new().start().await;
    let jobs = jobs::transfers("T", 1_200);
    let file = world.file(jobs.iter().map(|job| format!("{job}\n")).collect::<String>());
    let finished = piped_to_head(&world, &["submit", &file.display().to_string()]).await;
    assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("new T-001", "exit 0"), "{finished:?}");
    jobs.into_iter().for_each(|job| world.accepted(job));
    assert_eq!(world.list().await.len(), 1_200);
    world.books_agree().await;
}

#[tokio::test]
async fn a_reason_of_many_lines_is_kept_whole_and_shown_on_one() {
    let world = Plan::new().start().await;
    let (reason, li) = ("ordered twice\nmain/transfer FORGED succeeded", world.token_file("li").await);
    world.ok(&["pause", "main/transfer", "--reason", reason, "--token-file", &li]).await;
    world.submit_new(&[transfer("T")]).await;
    let refused = world.run(&["cancel", "T", "--reason", "gone\u{1b}[2J"]).await;
    assert_eq!(refused.code, Some(2), "a terminal obeys it: {refused:?}");
    world.ok(&["cancel", "T", "--reason", reason, "--token-file", &li]).await;
    assert_eq!(world.job("T").await["history"][0]["comment"], reason);
    for arguments in [&["list"][..], &["show", "T"], &["queues"]] {
        let text = world.ok(arguments).await;
        let wanted = r"li: ordered twice\nmain/transfer FORGED succeeded";
        assert!(text.contains(wanted) && !text.contains('\u{1b}'), "{arguments:?}: {text}");
    }
    world.books_agree().await;
}

#[tokio::test]
async fn a_second_action_is_refused_with_the_first() {
    let world = Plan::new().start().await;
    world.submit_new(&[transfer("T")]).await;
    let li = world.token_file("li").await;
    world.ok(&["cancel", "T", "--reason", "ordered twice", "--token-file", &li]).await;
    for act in ["cancel", "send"] {
        let output = world.refused(&[act, "T", "--reason", "I, too"]).await;
        assert!(output.contains("a job that is cancelled cannot be"), "{output}");
        assert!(
            output.contains("The last action was cancel by li at ") && output.ends_with(": ordered twice"),
            "{output}"
        );
    }
    world.books_agree().await;
}

#[tokio::test]
async fn an_input_without_a_job_is_reported() {
    let world = Plan::new().start().await;
    let empty = world.file("\n \n").display().to_string();
    let output = world.run(&["submit", &empty]).await;
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""), "{output:?}");
    assert!(output.stderr.contains("holds no job"), "{output:?}");
}

#[tokio::test]
async fn an_unreachable_redis_is_reported_once() {
    let world = Plan::new().on_redis("redis://127.0.0.1:1/").start().await;
    let output = world.run(&["list"]).await;
    assert_eq!(output.code, Some(3), "{output:?}");
    assert_eq!(output.stderr.matches("Connection refused").count(), 1, "{output:?}");
}
