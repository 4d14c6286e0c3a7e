//! A newcomer's first hour by README.md: its commands as they are, from a folder that holds the files that `./x demo` leaves.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bursar_test_support::Process;
use reqwest::{Client, header, redirect};
use serde_json::Value;

use crate::world::SOON;

const KEY: &str = "1001XP2025010110000001";

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The commands of a section, block by block.
fn commands(section: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(project().join("README.md")).unwrap();
    let text = readme.split("\n## ").find(|text| text.starts_with(section)).expect("README.md has the section");
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| block.to_owned()).collect()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// The files that `./x demo` leaves: the program, which ends with this test, and a Redis to run.
fn built(folder: &Path) {
    let release = folder.join("target/release");
    std::fs::create_dir_all(&release).unwrap();
    let program = format!("#!/bin/sh\nexec setpriv --pdeathsig TERM {} \"$@\"\n", env!("CARGO_BIN_EXE_bursar"));
    std::fs::write(release.join("bursar"), program).unwrap();
    std::fs::set_permissions(release.join("bursar"), std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink(project().join(".bursar"), folder.join(".bursar")).unwrap();
}

#[tokio::test]
async fn a_job_is_followed_from_curl_to_the_dashboard() {
    for program in ["bash", "curl", "setpriv"] {
        if !crate::examples::is_installed(program) {
            return;
        }
    }
    let folder = tempfile::Builder::new().prefix("bursar-readme-").tempdir().unwrap();
    built(folder.path());
    let [gateway, server] = [free_port(), free_port()];
    let blocks = commands("A first job");
    let [simulate, start, submit, look] = blocks.as_slice() else { panic!("{blocks:#?}") };
    // A reader takes longer than the processes; a script waits for them.
    let script = [
        "set -eu; trap 'exit 0' TERM",
        simulate,
        "until [ -s keys/platform.pub.pem ]; do sleep 0.05; done",
        start,
        "until curl -so /dev/null http://127.0.0.1:8080/healthz; do sleep 0.05; done",
        submit,
        "echo",
        look,
        "echo everything done; wait",
    ];
    let script = script.join("\n").replace("4711", &gateway.to_string()).replace("8080", &server.to_string());
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null()).env_clear();
    command.env("HOME", folder.path()).env("PATH", std::env::var_os("PATH").unwrap());
    command.env("BURSAR_SERVER__LISTEN", format!("127.0.0.1:{server}"));
    command.envs(std::env::var_os("BURSAR_REDIS_BIN").map(|binary| ("BURSAR_REDIS_BIN", binary)));
    let reader = Process::start("README.md", command);
    reader.wait_line(SOON * 2, "the end of it", |line| line == "everything done").await;

    let output = reader.stdout();
    // curl ends no line, so one may hold several.
    let objects = output.lines().flat_map(|line| serde_json::Deserializer::from_str(line).into_iter::<Value>());
    let answers: Vec<Value> = objects.filter_map(Result::ok).collect();
    let has = |name: &str, value: &str| answers.iter().any(|answer| answer[name] == value);
    assert!(has("outcome", "new") && has("state", "succeeded"), "{output}");
    assert!(output.contains("call=send") && !output.lines().any(|line| line.starts_with("refuse")), "{output}");

    let token = reader.wait_line(SOON, "li's token", |line| line.starts_with("the token of li")).await;
    let token = token.rsplit(' ').next().unwrap();
    let client = Client::builder().redirect(redirect::Policy::none()).timeout(SOON).build().unwrap();
    let at = |path: &str| format!("http://127.0.0.1:{server}{path}");
    let form = client.post(at("/sign-in")).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let signed_in = form.body(format!("token={token}&to=/")).send().await.unwrap();
    let cookie = signed_in.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let get = async |path: &str| client.get(at(path)).header(header::COOKIE, &cookie).send().await.unwrap();
    let found = get(&format!("/jobs?key={KEY}")).await;
    let place = found.headers()[header::LOCATION].to_str().unwrap();
    let page = get(place).await.text().await.unwrap();
    let trade_no = answers.iter().find_map(|answer| answer["trade_no"].as_str()).unwrap();
    assert!(page.contains(KEY) && page.contains(trade_no), "{page}");

    // And back: the page's address is the job's, below /v1.
    let listed = client.get(at(&format!("/v1{place}/history"))).bearer_auth(token).send().await.unwrap();
    let listed: Value = serde_json::from_str(&listed.text().await.unwrap()).unwrap();
    assert_eq!(listed["history"].as_array().map(Vec::len), Some(1), "{listed}");
    reader.terminate();
    reader.finished(SOON).await;
}
