//! The outbox: an app writes payments in its own transactions, relays submit them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use bursar_test_support::{Fault, FaultProxy, Finished, Process, eventually};
use serde_json::{Value, json};

use crate::examples::{at, folder, is_installed};
use crate::jobs::{transfer, with};
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{SOON, World};

/// How long a relay may take to empty the outbox.
const RELAYED_WITHIN: Duration = Duration::from_secs(60);

/// An app with its database, and the server that its relays submit to.
struct Shop {
    world: World,
    server: Server,
    database: PathBuf,
}

impl Shop {
    async fn open() -> Self {
        let world = Plan::new().start().await;
        let server = world.serve_as("up").await;
        let database = world.config().with_file_name("shop.db");
        Self { world, server, database }
    }

    fn python(&self, file: &str) -> Command {
        let mut command = Command::new("python3");
        command.arg(folder().join("outbox").join(file)).arg(&self.database).stdin(Stdio::null());
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// The app takes these orders in one transaction.
    async fn order(&self, orders: &[String]) -> Finished {
        let mut command = self.python("shop.py");
        command.args(orders);
        Process::run("shop.py", command, SOON).await
    }

    fn relay(&self, url: &str, arguments: &[&str]) -> Process {
        let mut command = self.python("relay.py");
        command.args(arguments).env("RELAY_BATCH", "7");
        at(&mut command, url, &self.server);
        Process::start("relay.py", command)
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// What a statement answers, a list a row; changes are kept.
    async fn sql(&self, statement: &str) -> Value {
        const RUN: &str = "import json, sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=30) as connection:\n    \
                           print(json.dumps(connection.execute(open(sys.argv[2]).read()).fetchall()))";
        let mut command = Command::new("python3");
        command.args(["-c", RUN]).arg(&self.database).arg(self.world.file(statement));
        let finished = Process::run("python3", command, SOON).await;
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    }

    /// How many rows have which outcome.
    async fn outcomes(&self) -> Value {
        self.sql("SELECT outcome, count(*) FROM bursar_outbox GROUP BY outcome ORDER BY outcome").await
    }

    async fn until_marked(&self, expected: &Value) {
        eventually(RELAYED_WITHIN, "the rows to be marked", async || {
            let outcomes = self.outcomes().await;
            if outcomes == *expected { Ok(()) } else { Err(outcomes) }
        })
        .await;
    }

    async fn insert(&self, platform_no: &str, job: &str) {
        let job = job.replace('\'', "''");
        self.sql(&format!(
            "INSERT INTO bursar_outbox (account, kind, platform_no, job) VALUES ('main', 'transfer', '{platform_no}', '{job}')"
        ))
        .await;
    }
}

fn orders(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{number:03}")).collect()
}

#[tokio::test]
async fn each_row_is_paid_once_though_answers_are_lost_a_relay_dies_and_two_work_at_once() {
    if !is_installed("python3") {
        return;
    }
    let shop = Shop::open().await;
    assert_eq!(shop.order(&orders(40)).await.code, Some(0));
    let wire = FaultProxy::start(&shop.server.address).await;
    wire.set(Fault::DropReplies);
    let relay = shop.relay(&wire.http_url(), &[]);
    eventually(RELAYED_WITHIN, "a batch to be taken", async || (wire.lost_reply_bytes() > 0).then_some(())).await;
    relay.kill();
    assert_eq!(shop.outcomes().await, json!([[null, 40]]), "nothing that was not answered is marked");

    let relays = [shop.relay(&shop.url(), &["--once"]), shop.relay(&shop.url(), &["--once"])];
    for relay in relays {
        let finished = relay.finished(RELAYED_WITHIN).await;
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
    let unsent =
        shop.sql("SELECT count(*) FROM bursar_outbox WHERE outcome NOT IN ('new', 'existing') OR outcome IS NULL");
    assert_eq!(unsent.await, json!([[0]]));
    for order in orders(40) {
        shop.world.accepted(transfer(&format!("PAY-{order}")));
    }
    shop.world.settled().await;
    assert_eq!(shop.world.books_agree().await.executed, 40);
}

#[tokio::test]
async fn an_order_that_is_taken_back_pays_nothing_and_a_relay_that_runs_on_takes_what_comes() {
    if !is_installed("python3") {
        return;
    }
    let shop = Shop::open().await;
    assert_eq!(shop.order(&orders(1)).await.code, Some(0));
    let relay = shop.relay(&shop.url(), &[]);
    shop.until_marked(&json!([["new", 1]])).await;
    let twice = shop.order(&["900".into(), "001".into()]).await;
    assert_eq!(twice.code, Some(1), "the second order exists: {twice:?}");
    assert_eq!(shop.order(&["002".into()]).await.code, Some(0));
    shop.until_marked(&json!([["new", 2]])).await;
    relay.terminate();
    assert_eq!(relay.finished(RELAYED_WITHIN).await.code, Some(0));
    for order in ["PAY-001", "PAY-002"] {
        shop.world.accepted(transfer(order));
    }
    shop.world.settled().await;
    assert_eq!(shop.world.books_agree().await.executed, 2);
}

#[tokio::test]
async fn what_is_refused_is_marked_with_its_reason_and_holds_no_row_back() {
    if !is_installed("python3") {
        return;
    }
    let shop = Shop::open().await;
    shop.world.submit_new(&[with(transfer("PAY-001"), "total_amount", json!(11))]).await;
    assert_eq!(shop.order(&orders(1)).await.code, Some(0));
    shop.insert("TEXT", "no JSON").await;
    shop.insert("NUMBER", "{\"account\": NaN}").await;
    shop.insert("FREE", &with(transfer("FREE"), "total_amount", json!(0)).to_string()).await;
    shop.insert("LONG", &with(transfer("LONG"), "payer_type", json!("x".repeat(9_000_000))).to_string()).await;
    assert_eq!(shop.order(&["002".into()]).await.code, Some(0));
    let finished = shop.relay(&shop.url(), &["--once"]).finished(RELAYED_WITHIN).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let marked = shop.sql("SELECT platform_no, outcome, detail FROM bursar_outbox ORDER BY id").await;
    let marked: Vec<[Option<String>; 3]> = serde_json::from_value(marked).unwrap();
    let expected = [
        ("PAY-001", "conflict", "submitted before with other content"),
        ("TEXT", "invalid", "must be one JSON object"),
        ("NUMBER", "invalid", "HTTP 422"),
        ("FREE", "invalid", "body.total_amount must be a positive integer of fen"),
        ("LONG", "invalid", "HTTP 413"),
        ("PAY-002", "new", ""),
    ];
    assert_eq!(marked.len(), expected.len(), "{marked:?}");
    for (row, (key, outcome, detail)) in marked.iter().zip(expected) {
        assert_eq!((row[0].as_deref(), row[1].as_deref()), (Some(key), Some(outcome)), "{marked:?}");
        assert!(row[2].as_deref().unwrap_or_default().contains(detail), "{row:?}");
    }
    shop.world.accepted(transfer("PAY-002"));
    shop.world.settled().await;
    shop.world.books_agree().await;
}
