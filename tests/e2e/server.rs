//! `bursar serve` as its clients know it: a process, an address, and a token of each role.

use std::ops::Deref;
use std::process::Command;

use bursar_test_support::api::{Api, Tokens, answer};
use bursar_test_support::{Process, eventually, private_file};
use tokio::sync::OnceCell;

use crate::world::{SOON, World, bursar};

/// A running server.
pub(crate) struct Server {
    pub(crate) process: Process,
    api: Api,
}

impl Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

/// Makes a token by the command; its value and its lines.
pub(crate) async fn token(name: &str, role: &str) -> (String, String) {
    token_for(name, role, &[]).await
}

/// The same for these accounts alone.
pub(crate) async fn token_for(name: &str, role: &str, accounts: &[&str]) -> (String, String) {
    let accounts = accounts.iter().flat_map(|account| ["--account", account]);
    let arguments: Vec<&str> = ["token", name, "--role", role].into_iter().chain(accounts).collect();
    let finished = Process::run("bursar token", bursar(&arguments), SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let token = finished.stderr.rsplit(' ').next().expect("the command prints the token").trim().to_owned();
    assert!(!finished.stdout.contains(&token), "the file gets the hash alone: {finished:?}");
    (token, format!("{}\n", finished.stdout))
}

/// The tokens that all tests share: `shop` is a producer, `li` an operator, `audit` a reader.
pub(crate) async fn tokens() -> &'static Tokens {
    static TOKENS: OnceCell<Tokens> = OnceCell::const_new();
    TOKENS
        .get_or_init(|| async {
            let (producer, shop) = token("shop", "producer").await;
            let (operator, li) = token("li", "operator").await;
            let (reader, audit) = token("audit", "reader").await;
            Tokens { producer, operator, reader, file: [shop, li, audit].concat() }
        })
        .await
}

impl World {
    /// Writes the tokens file, starts `bursar serve`, and waits until it listens.
    pub(crate) async fn serve(&self) -> Server {
        self.serve_as("serve").await
    }

    /// The same by `bursar up`, which works besides.
    pub(crate) async fn serve_as(&self, command: &str) -> Server {
        self.serve_with(command, |_| {}).await
    }

    /// The same by a command that was changed by `adjust`.
    pub(crate) async fn serve_with(&self, command: &str, adjust: impl FnOnce(&mut Command)) -> Server {
        let tokens = tokens().await;
        private_file(&self.tokens_file(), &tokens.file);
        let mut started = self.command(&[command]);
        adjust(&mut started);
        let process = Process::start(&format!("bursar {command}"), started);
        let line = process.wait_line(SOON, "its address", |line| line.contains("listening on http://")).await;
        let address = line.split("listening on http://").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.expect("the line has the address").to_owned();
        Server { process, api: Api::new(address, tokens) }
    }

    /// A file with the token of a new operator of this name, whom commands know from now on.
    pub(crate) async fn token_file(&self, name: &str) -> String {
        self.token_file_of(name, "operator", &[]).await
    }

    /// The same for a token of another role or for these accounts alone.
    pub(crate) async fn token_file_of(&self, name: &str, role: &str, accounts: &[&str]) -> String {
        let (token, lines) = token_for(name, role, accounts).await;
        let known = std::fs::read_to_string(self.tokens_file()).unwrap_or_default();
        std::fs::write(self.tokens_file(), known + &lines).expect("writing the tokens file");
        self.file(token + "\n").display().to_string()
    }

    /// Where the server looks for its tokens.
    pub(crate) fn tokens_file(&self) -> std::path::PathBuf {
        self.config().with_file_name("tokens.toml")
    }
}

impl Server {
    /// Makes a token of this role for these accounts alone, and adds it to the server's tokens of all tests.
    pub(crate) async fn admit(&self, world: &World, role: &str, accounts: &[&str]) -> String {
        let (token, lines) = token_for("restricted", role, accounts).await;
        private_file(&world.tokens_file(), format!("{}{lines}", self.tokens.file));
        self.hang_up();
        eventually(SOON, "the token to be known", async || {
            let status = answer(self.request("GET", "/v1/queues", &token)).await.status;
            if status == 200 { Ok(()) } else { Err(status) }
        })
        .await;
        token
    }

    /// Tells it to read its tokens again.
    pub(crate) fn hang_up(&self) {
        let sent = std::process::Command::new("kill").args(["-HUP", &self.process.pid().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIGHUP");
    }
}
