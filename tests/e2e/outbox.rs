//! The outbox: an app writes payments in its own transactions, relays submit them. On SQLite wherever there is Python; on
//! PostgreSQL and MariaDB where `.ci/run` has installed them.

use std::process::{Command, Stdio};
use std::time::Duration;

use bursar_test_support::{Fault, FaultProxy, Finished, Process, eventually};
use serde_json::{Value, json};

use crate::clients::is_installed;
use crate::databases::Database;
use crate::examples::{at, folder};
use crate::jobs::{having, transfer, with};
use crate::plan::Plan;
use crate::server::Server;
use crate::world::{SOON, World};

/// The time that a relay may take to empty the outbox.
const RELAYED_WITHIN: Duration = Duration::from_secs(60);

/// Rows in one request of a relay.
const BATCH: usize = 7;

/// An app with its database, and the server that its relays submit to.
struct Shop<'a> {
    world: World,
    server: Server,
    database: &'a Database,
}

impl<'a> Shop<'a> {
    /// An app without orders.
    async fn open(database: &'a Database) -> Self {
        let world = Plan::new().start().await;
        let server = world.serve_as("up").await;
        let shop = Self { world, server, database };
        for table in ["bursar_outbox", "orders"] {
            shop.sql(&format!("DROP TABLE IF EXISTS {table}")).await;
        }
        shop
    }

    fn python(&self, file: &str) -> Command {
        let mut command = Command::new(self.database.python);
        command.arg(folder().join("outbox").join(file)).arg(&self.database.address).stdin(Stdio::null());
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
        command.args(arguments).env("RELAY_BATCH", BATCH.to_string());
        at(&mut command, url, &self.server);
        Process::start("relay.py", command)
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// The rows of a statement; changes are kept.
    async fn sql(&self, statement: &str) -> Value {
        self.sql_with(statement, &[]).await
    }

    async fn sql_with(&self, statement: &str, parameters: &[&str]) -> Value {
        const RUN: &str = "import json, sys\nimport databases\ndatabase = databases.opened(sys.argv[1])\n\
                           rows = database.execute(*json.load(open(sys.argv[2])))\ndatabase.commit()\n\
                           print(json.dumps([list(row) for row in rows]))";
        let mut command = Command::new(self.database.python);
        command.args(["-c", RUN, &self.database.address]);
        command.arg(self.world.file(json!([statement, parameters]).to_string()));
        command.env("PYTHONPATH", folder().join("outbox")).env("PYTHONDONTWRITEBYTECODE", "1");
        let finished = Process::run("python3", command, SOON).await;
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    }

    /// The number of rows by outcome.
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
        const INSERT: &str =
            "INSERT INTO bursar_outbox (account, kind, platform_no, job) VALUES ('main', 'transfer', %s, %s)";
        self.sql_with(INSERT, &[platform_no, job]).await;
    }

    /// Every connection to the database breaks off.
    async fn cut(&self) {
        let statements = self.sql(self.database.cut).await;
        let statements: Vec<[String; 1]> = serde_json::from_value(statements).unwrap();
        assert!(!statements.is_empty(), "a relay is connected");
        for [statement] in statements {
            self.sql(&statement).await;
        }
    }

    /// These orders, and no others, are paid, each once.
    async fn paid(self, orders: &[String]) {
        for order in orders {
            self.world.accepted(transfer(&format!("PAY-{order}")));
        }
        self.world.settled().await;
        assert_eq!(self.world.books_agree().await.executed, orders.len() as u64);
    }
}

/// The orders of these numbers.
fn orders(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|number| format!("{number:03}")).collect()
}

async fn each_row_is_paid_once(database: &Database) {
    let shop = Shop::open(database).await;
    assert_eq!(shop.order(&orders(1..=40)).await.code, Some(0));
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
    if database.locks_rows {
        let expected = json!([["existing", BATCH], ["new", 40 - BATCH]]);
        assert_eq!(shop.outcomes().await, expected, "only what the dead relay had sent was sent twice");
    } else {
        let unsent = "SELECT count(*) FROM bursar_outbox WHERE outcome NOT IN ('new', 'existing') OR outcome IS NULL";
        assert_eq!(shop.sql(unsent).await, json!([[0]]));
    }
    shop.paid(&orders(1..=40)).await;
}

async fn an_order_that_is_taken_back_pays_nothing(database: &Database) {
    let shop = Shop::open(database).await;
    assert_eq!(shop.order(&orders(1..=1)).await.code, Some(0));
    let relay = shop.relay(&shop.url(), &[]);
    shop.until_marked(&json!([["new", 1]])).await;
    let twice = shop.order(&["900".into(), "001".into()]).await;
    assert_eq!(twice.code, Some(1), "the second order exists: {twice:?}");
    assert_eq!(shop.order(&orders(2..=2)).await.code, Some(0));
    shop.until_marked(&json!([["new", 2]])).await;
    relay.terminate();
    assert_eq!(relay.finished(RELAYED_WITHIN).await.code, Some(0));
    shop.paid(&orders(1..=2)).await;
}

async fn what_is_refused_is_marked_with_its_reason(database: &Database) {
    let shop = Shop::open(database).await;
    shop.world.submit_new(&[with(transfer("PAY-001"), "total_amount", json!(11))]).await;
    assert_eq!(shop.order(&orders(1..=1)).await.code, Some(0));
    shop.insert("TEXT", "no JSON").await;
    shop.insert("NUMBER", "{\"account\": NaN}").await;
    shop.insert("FREE", &with(transfer("FREE"), "total_amount", json!(0)).to_string()).await;
    shop.insert("NUL", &having(transfer("NUL"), "a\u{0}b", json!("a\u{0}b")).to_string()).await;
    shop.insert("LONG", &with(transfer("LONG"), "payer_store_no", json!("x".repeat(9_000_000))).to_string()).await;
    assert_eq!(shop.order(&orders(2..=2)).await.code, Some(0));
    let finished = shop.relay(&shop.url(), &["--once"]).finished(RELAYED_WITHIN).await;
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let marked = shop.sql("SELECT platform_no, outcome, detail FROM bursar_outbox ORDER BY id").await;
    let marked: Vec<[Option<String>; 3]> = serde_json::from_value(marked).unwrap();
    let expected = [
        ("PAY-001", "conflict", "submitted before with other content"),
        ("TEXT", "invalid", "must be one JSON object"),
        ("NUMBER", "invalid", "HTTP 400"),
        ("FREE", "invalid", "body.total_amount must be a positive integer of fen"),
        ("NUL", "invalid", "is not a known field"),
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

/// A relay's open rows block neither the app nor another relay, also where it has all there are.
async fn a_request_that_hangs_holds_up_its_own_rows_only(database: &Database) {
    let shop = Shop::open(database).await;
    assert_eq!(shop.order(&orders(1..=5)).await.code, Some(0));
    let wire = FaultProxy::start(&shop.server.address).await;
    wire.set(Fault::Blackhole);
    let hanging = shop.relay(&wire.http_url(), &[]);
    eventually(RELAYED_WITHIN, "a request to be out", async || (wire.connections() > 0).then_some(())).await;
    hanging.freeze();
    assert_eq!(shop.order(&orders(6..=12)).await.code, Some(0));
    let other = shop.relay(&shop.url(), &["--once"]).finished(RELAYED_WITHIN).await;
    assert_eq!(other.code, Some(0), "{other:?}");
    let unsent = "SELECT id FROM bursar_outbox WHERE outcome IS NULL ORDER BY id";
    let in_hand: Vec<[usize; 1]> = (1..=5).map(|id| [id]).collect();
    assert_eq!(shop.sql(unsent).await, json!(in_hand), "the rest was sent by the other relay");
    wire.set(Fault::None);
    hanging.thaw();
    eventually(RELAYED_WITHIN, "the rest to be sent", async || {
        let unsent = shop.sql(unsent).await;
        if unsent == json!([]) { Ok(()) } else { Err(unsent) }
    })
    .await;
    hanging.terminate();
    assert_eq!(hanging.finished(RELAYED_WITHIN).await.code, Some(0));
    shop.paid(&orders(1..=12)).await;
}

async fn a_relay_whose_connection_breaks_opens_another(database: &Database) {
    let shop = Shop::open(database).await;
    assert_eq!(shop.order(&orders(1..=1)).await.code, Some(0));
    let relay = shop.relay(&shop.url(), &[]);
    shop.until_marked(&json!([["new", 1]])).await;
    shop.cut().await;
    relay.wait_line(SOON, "word of it", |line| line.contains("the database is away")).await;
    assert_eq!(shop.order(&orders(2..=2)).await.code, Some(0));
    shop.until_marked(&json!([["new", 2]])).await;
    relay.terminate();
    assert_eq!(relay.finished(RELAYED_WITHIN).await.code, Some(0));
    shop.paid(&orders(1..=2)).await;
}

async fn keeps_every_promise(database: Database) {
    each_row_is_paid_once(&database).await;
    an_order_that_is_taken_back_pays_nothing(&database).await;
    what_is_refused_is_marked_with_its_reason(&database).await;
    a_request_that_hangs_holds_up_its_own_rows_only(&database).await;
    a_relay_whose_connection_breaks_opens_another(&database).await;
    database.close().await;
}

#[tokio::test]
async fn each_row_is_paid_once_despite_lost_responses_and_two_relays() {
    if is_installed("python3") {
        each_row_is_paid_once(&Database::sqlite()).await;
    }
}

#[tokio::test]
async fn a_withdrawn_order_pays_nothing_and_a_relay_keeps_running() {
    if is_installed("python3") {
        an_order_that_is_taken_back_pays_nothing(&Database::sqlite()).await;
    }
}

#[tokio::test]
async fn a_refused_row_is_marked_and_blocks_no_other() {
    if is_installed("python3") {
        what_is_refused_is_marked_with_its_reason(&Database::sqlite()).await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL and psycopg2; .ci/run installs them and runs this"]
async fn on_postgresql_the_outbox_keeps_every_promise() {
    keeps_every_promise(Database::postgresql().await).await;
}

#[tokio::test]
#[ignore = "needs MariaDB and PyMySQL; .ci/run installs them and runs this"]
async fn on_mariadb_the_outbox_keeps_every_promise() {
    keeps_every_promise(Database::mariadb().await).await;
}
