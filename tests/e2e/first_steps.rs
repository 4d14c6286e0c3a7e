//! A first minute with the program: `up --simulate`, tokens, completions, manual pages, and errors for programs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bursar_test_support::api::{answer, with_json};
use bursar_test_support::{Finished, Process};
use serde_json::Value;

use crate::jobs::transfer;
use crate::plan::Plan;
use crate::world::{SOON, bursar};

async fn run(arguments: &[&str]) -> Finished {
    Process::run("bursar", bursar(arguments), SOON).await
}

fn read(file: impl AsRef<Path>) -> String {
    std::fs::read_to_string(file).unwrap().trim().to_owned()
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn up_with_a_simulator_needs_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("trial");
    let start = || {
        let mut command = bursar(&["up", "--simulate=127.0.0.1:0", "--data", data.to_str().unwrap()]);
        command.current_dir(folder.path()).env("BURSAR_SERVER__LISTEN", "127.0.0.1:0");
        Process::start("up", command)
    };
    let up = start();
    let line = up.wait_line(SOON * 4, "what to try", |line| line.starts_with("curl ")).await;
    let server = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    for name in ["shop.token", "li.token", "tokens.toml", "bursar.toml"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&data), 0o700);
    let token = read(data.join("shop.token"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let submitted = client.post(&server).bearer_auth(&token);
    let submitted = answer(with_json(submitted, transfer("FIRST-1").to_string())).await;
    assert_eq!(submitted.status, 201, "{submitted:?}");
    let ended = answer(client.get(format!("{server}/main/transfer/FIRST-1?wait=30s")).bearer_auth(&token)).await;
    assert_eq!(ended.body["state"], "succeeded", "{ended:?}");

    let configured = data.join("bursar.toml").display().to_string();
    let shown = run(&["show", "FIRST-1", "--config", &configured]).await;
    assert!(shown.code == Some(0) && shown.stdout.contains("succeeded"), "{shown:?}");
    up.terminate();
    assert_eq!(up.finished(SOON * 4).await.code, Some(0));

    let again = start();
    again.wait_line(SOON * 4, "what to try", |line| line.starts_with("curl ")).await;
    assert_eq!(read(data.join("shop.token")), token, "the files of the first run are used again");
    again.terminate();
    assert_eq!(again.finished(SOON * 4).await.code, Some(0));

    let both = run(&["up", "--simulate", "--config", &configured]).await;
    assert_eq!(both.code, Some(2), "{both:?}");
    assert!(both.stderr.contains("leave out --config"), "{both:?}");
}

#[tokio::test]
async fn a_token_goes_into_its_file_and_alone_to_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let path = file.to_str().unwrap();
    let made = run(&["token", "shop", "--role", "producer", "--file", path]).await;
    assert!(made.stdout.starts_with("bursar_") && made.stdout.lines().count() == 1, "{made:?}");
    assert_eq!((made.stderr.as_str(), mode(&file)), ("", 0o600), "{made:?}");
    assert!(!read(&file).contains(&made.stdout), "the file has the hash alone");
    let object: Value =
        serde_json::from_str(&run(&["token", "li", "--role", "operator", "--file", path, "--json"]).await.stdout)
            .unwrap();
    assert!(object["token"].is_string());
    assert_eq!(read(&file).matches("[[token]]").count(), 2);
    let refused = run(&["token", "x", "--role", "reader", "--file", "/nowhere/tokens.toml"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
}

#[tokio::test]
async fn errors_are_objects_where_the_output_is_json() {
    let world = Plan::new().start().await;
    world.set("redis.url", toml::Value::from("redis://127.0.0.1:1/0"));
    let config = world.config().display().to_string();
    for (arguments, code, word) in [
        (&["pay", "--json"][..], 2, "misused"),
        (&["--json", "show"], 2, "misused"),
        (&["doctor", "--json", "--config", &config], 3, "unreachable"),
        (&["--json", "list", "--account", "none", "--config", "/nowhere.toml"], 2, "misused"),
        (&["show", "none", "--json", "--config", &config], 3, "unreachable"),
    ] {
        let finished = run(arguments).await;
        let error: Value = serde_json::from_str(&finished.stderr).unwrap_or_else(|_| panic!("{finished:?}"));
        assert_eq!((finished.code, &error["exit_code"]), (Some(code), &code.into()), "{finished:?}");
        assert_eq!(error["code"], word, "{finished:?}");
        assert!(error["message"].as_str().is_some_and(|text| !text.is_empty()), "{finished:?}");
    }
    let plain = run(&["pay"]).await;
    assert!(plain.stderr.starts_with("error: "), "{plain:?}");
    for harmless in ["--help", "--version"] {
        let shown = run(&[harmless, "--json"]).await;
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""), "{shown:?}");
    }
}

#[tokio::test]
async fn shells_and_man_know_every_command() {
    for (shell, begins) in [
        ("bash", "_bursar() {"),
        ("zsh", "#compdef bursar"),
        ("fish", "# Print an optspec"),
        ("elvish", ""),
        ("powershell", ""),
    ] {
        let printed = run(&["completions", shell]).await;
        assert!(printed.code == Some(0) && printed.stdout.starts_with(begins), "{shell}: {printed:?}");
        assert!(printed.stdout.contains("reconcile") && printed.stdout.contains("--simulate"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let written = run(&["man", "--dir", pages.to_str().unwrap()]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    for page in ["bursar.1", "bursar-up.1", "bursar-quarantine-retry.1"] {
        assert!(read(pages.join(page)).contains(".SH NAME"), "{page}");
    }
    assert!(run(&["man"]).await.stdout.contains(".TH bursar 1"));
}

#[tokio::test]
async fn no_colour_leaves_a_pipe() {
    let world = Plan::new().start().await;
    let checked = world.run(&["config", "check"]).await;
    let doctor = world.run(&["doctor"]).await;
    for finished in [&checked, &doctor] {
        assert!(!finished.stdout.contains('\u{1b}'), "{finished:?}");
    }
    assert!(doctor.stdout.lines().any(|line| line.starts_with("fine    ")), "{doctor:?}");
    world.submit_new(&[transfer("订单-1"), transfer("ORDER-22")]).await;
    let listed = world.ok(&["list"]).await;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["queue", "key", "state", "amount", "parties", "updated", "reason"]
    );
    assert_eq!(lines.len(), 3, "{listed}");
}
