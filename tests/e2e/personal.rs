//! Gateways quote parts of requests: nothing secret and no account number is written anywhere: not in a log, an output or
//! a message at the finest level, and not into Redis.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use bursar_test_support::{Finished, Listen, Options, OwnRedis, Process, private_redis};
use serde_json::{Value, json};

use crate::http;
use crate::jobs::{having, split, transfer};
use crate::metrics;
use crate::plan::Plan;
use crate::world::{SOON, World};

const PASSWORD: &str = "correct-horse-battery";

/// A secret that a form encodes differently.
const TOKEN: &str = "202105BB/7d6c+9a4191bfd4609d26==";

/// A bank account and whose it is.
const ACCOUNT_NO: &str = "6222021234567890123";
const NAME: &str = "欧阳锋";

/// An account that a gateway names from its own record, as `bkfunds.acct.transfer.notify` does in `out_acct_no`.
const OUT_ACCOUNT_NO: &str = "110060149018800049367";

/// No piece of a secret this long, in characters, may be seen.
const PIECE: usize = 16;

/// A gateway that answers every request with all of it, as a page for developers does, and with an account of its books.
/// Names are masked only if they are in a request: no rule can distinguish another name from a word.
fn quoting_gateway() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || quote(stream.unwrap()));
        }
    });
    format!("http://{address}")
}

fn quote(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 8192];
    let body = loop {
        let read = stream.read(&mut buffer).unwrap_or_default();
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request);
        let length = text.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        match text.split_once("\r\n\r\n") {
            Some((_, body)) if body.len() >= length.unwrap_or(0) => break body.to_owned(),
            _ if read == 0 => return,
            _ => {}
        }
    };
    // Identifiers of people and apps come first, for messages are cut.
    let mut params: Vec<&str> = body.split('&').collect();
    params.sort_by_key(|param| !(param.starts_with("app_auth_token") || param.starts_with("acc")));
    let quoted = params.join("&");
    let said = format!("{ACCOUNT_NO} {OUT_ACCOUNT_NO} {quoted}");
    let answer = if body.contains("accNo") {
        json!({"code": 9999, "msg": format!("参数有误 {NAME} {said}")}).to_string()
    } else if body.contains("payOrderId") {
        json!({"code": 9999, "msg": format!("参数有误 {said}")}).to_string()
    } else if body.contains("balance.pay.apply") {
        json!({"error_response": {"code": "40002", "msg": quoted, "sub_code": "isv.invalid-signature", "sub_msg": said}})
            .to_string()
    } else {
        format!("<html>{quoted} {said}</html>")
    };
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}", answer.len());
}

async fn traced(name: &str, mut command: Command) -> Finished {
    command.env("RUST_LOG", "trace");
    Process::run(name, command, SOON).await
}

fn settings(world: &World) -> toml::Table {
    std::fs::read_to_string(world.config()).unwrap().parse().unwrap()
}

/// Everything that must not be seen, in pieces, with what it is.
fn hidden(world: &World) -> Vec<(&'static str, String)> {
    let settings = settings(world);
    let file = |account: &str, key: &str| {
        std::fs::read_to_string(settings["accounts"][account][key].as_str().unwrap()).unwrap()
    };
    let key = file("main", "private_key_file");
    let bare: Vec<char> = key.lines().filter(|line| !line.starts_with("-----")).flat_map(str::chars).collect();
    let pieces = bare.chunks(PIECE).filter(|piece| piece.len() == PIECE);
    let mut hidden: Vec<(&str, String)> = pieces.map(|piece| ("the private key", piece.iter().collect())).collect();
    assert!(hidden.len() > 90, "a key of 2048 bits has more base64 than {} pieces", hidden.len());
    let secret = file("shop", "secret_file").trim().to_owned();
    hidden.extend([("BeingFi's secret", secret), ("the token", TOKEN.into()), ("the password", PASSWORD.into())]);
    hidden.push(("the token in a form", "202105BB%2F7d6c%2B9a4191bfd4609d26%3D%3D".into()));
    hidden.extend([("an account", ACCOUNT_NO.into()), ("an account of the gateway's", OUT_ACCOUNT_NO.into())]);
    hidden.push(("a name", NAME.into()));
    hidden
}

fn assert_hides(hidden: &[(&str, String)], place: &str, text: &str) {
    for (what, secret) in hidden {
        if let Some(at) = text.find(secret) {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            panic!("{what} is shown by {place}: {}…", &text[line..at]);
        }
    }
}

/// A server with a password, and the folder of everything that it ever wrote down.
fn locked_redis() -> (OwnRedis, String, PathBuf) {
    let mut folder = PathBuf::new();
    let redis = private_redis(|options| {
        folder = options.data_dir.join("appendonlydir");
        let options = Options { listen: Listen::Loopback, ..options };
        options.setting("requirepass", PASSWORD)
    });
    let url = redis.url().replace("redis://", &format!("redis://:{PASSWORD}@"));
    (redis, url, folder)
}

/// Every write since the server's start, as its append-only file has it: plain text.
fn written_to(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// Adds two accounts like those of the world at a gateway that quotes requests.
fn add_accounts_at(world: &World, quoting: &str) {
    for (account, like) in [("quoting", "main"), ("quoting-shop", "shop")] {
        let mut settings = settings(world)["accounts"][like].as_table().unwrap().clone();
        settings.insert("base_url".into(), quoting.to_owned().into());
        settings.insert("poll_deadline".into(), "2s".into());
        settings.insert("retry_deadline".into(), "2s".into());
        world.set(&format!("accounts.{account}"), toml::Value::Table(settings));
    }
}

/// The files of two receivers that name a person: one to bind, and one with a wrong field.
fn receivers(world: &World) -> (String, String) {
    let receiver = json!({"ifCode": "alipay", "accNo": ACCOUNT_NO, "accName": NAME, "relationType": "USER",
        "receiverGroupId": 1, "accType": 0, "divisionProfit": "0.1"});
    let wrong = json!({"ifCode": "alipay", "accNo": ACCOUNT_NO, "accName": NAME, "accType": 7, "acctNo": ACCOUNT_NO});
    let file = |receiver: serde_json::Value| world.file(receiver.to_string()).display().to_string();
    (file(receiver), file(wrong))
}

/// Runs a command at the finest log level; its name and all that it wrote.
async fn recorded(world: &World, arguments: &[&str]) -> (String, Finished) {
    let name = arguments.join(" ");
    let finished = traced(&name, world.command(arguments)).await;
    (name, finished)
}

#[tokio::test]
async fn quoted_secrets_and_names_are_written_nowhere() {
    let (_redis, url, folder) = locked_redis();
    let world = Plan::new().on_redis(&url).set("worker.listen", "127.0.0.1:0").start().await;
    let quoting = quoting_gateway();
    world.set("accounts.main.app_auth_token_file", toml::Value::from(world.file(TOKEN).display().to_string()));
    add_accounts_at(&world, &quoting);
    let worker = world
        .worker_as(|command| {
            command.env("RUST_LOG", "trace");
        })
        .await;
    let jobs = [
        transfer("GOOD"),
        having(transfer("QUOTED"), "account", json!("quoting")),
        having(split("QUOTED-SPLIT", "P1"), "account", json!("quoting-shop")),
    ];
    let file = world.file(jobs.iter().map(|job| format!("{job}\n")).collect::<String>());
    let (bind, wrong) = receivers(&world);
    let submit = file.display().to_string();
    world.accepted(jobs[0].clone());

    let mut written = Vec::new();
    let early: [(&[&str], i32); 3] = [
        (&["submit", &submit], 0),
        (&["bind", &bind, "--account", "quoting-shop"], 1),
        (&["bind", &bind, "--account", "shop"], 0),
    ];
    for (arguments, code) in early {
        let (name, finished) = recorded(&world, arguments).await;
        assert_eq!(finished.code, Some(code), "{name}: {finished:?}");
        written.push((name, finished));
    }
    world.until("GOOD", "succeeded").await;
    let quoted = world.until("QUOTED-SPLIT", "failed").await;
    assert!(
        quoted.to_string().contains("****"),
        "the gateway's words are kept, people's numbers by their ends: {quoted}"
    );
    let late: [&[&str]; 13] = [
        &["show", "QUOTED"],
        &["show", "QUOTED", "--json"],
        &["show", "QUOTED-SPLIT"],
        &["list"],
        &["list", "--json"],
        &["queues"],
        &["config", "show"],
        &["config", "check"],
        &["doctor"],
        &["balance", "--account", "main", "--node-id", "00061783"],
        &["balance", "--account", "quoting", "--node-id", "00061783"],
        &["bind", &wrong, "--account", "shop"],
        &["cancel", "QUOTED", "--reason", "the test is over"],
    ];
    for arguments in late {
        written.push(recorded(&world, arguments).await);
    }
    let (_, output) = http::read(&metrics::listener(&worker).await, "/metrics").await;
    assert!(output.contains("quoting/transfer"), "{output}");
    worker.terminate();
    written.push(("the worker".into(), worker.finished(SOON).await));

    let hidden = hidden(&world);
    assert_hides(&hidden, "the metrics", &output);
    for (place, finished) in &written {
        assert_hides(&hidden, place, &format!("{}\n{}", finished.stdout, finished.stderr));
    }
    let (_, worker) = written.last().unwrap();
    assert!(worker.stderr.contains("TRACE"), "the finest level is on");
    let kept = written_to(&folder);
    assert!(kept.contains("QUOTED") && kept.contains("40002"), "Redis was looked through");
    assert_hides(&hidden, "Redis", &kept);
}

/// Unencrypted traffic, and traffic that only TLS protects, is reported before money is sent.
#[tokio::test]
async fn risky_settings_are_reported_by_doctor_and_the_worker() {
    let world = Plan::new().start().await;
    for (key, value) in [
        ("accounts.main.require_response_sign", Value::from(false)),
        ("accounts.shop.allow_http", Value::from(true)),
        ("accounts.shop.base_url", Value::from("http://gateway.invalid")),
    ] {
        world.set(key, toml::Value::try_from(value).unwrap());
    }
    let doctor = world.run(&["doctor"]).await;
    let check = world.run(&["config", "check"]).await;
    let worker = world.worker().await;
    worker.terminate();
    let worker = worker.finished(SOON).await;
    for warning in ["accounts.main.require_response_sign is false", "accounts.shop.base_url is plain http"] {
        let warned =
            |text: &str| text.lines().any(|line| line.to_lowercase().contains("warn") && line.contains(warning));
        assert!(warned(&doctor.stdout), "{warning}: {doctor:?}");
        assert!(warned(&check.stdout), "{warning}: {check:?}");
        assert!(warned(&worker.stderr), "{warning}: {worker:?}");
    }
}
