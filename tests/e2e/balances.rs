//! Balances that the configuration names: queried by one worker at a time, within the queue's rate, and reported by all.

use bursar_test_support::{Answer, Process, Receiver, eventually};
use serde_json::Value;

use crate::http;
use crate::jobs::transfer;
use crate::metrics::{listener, sample, scraped};
use crate::plan::Plan;
use crate::world::{SOON, World};

const COLLECTING: [&str; 2] = ["account=\"main\"", "sub_type=\"collecting\""];

/// A plan with a balance, whose workers serve metrics.
fn asking(every: &str) -> Plan {
    Plan::new().set("accounts.main.balance_every", every).set("worker.listen", "127.0.0.1:0")
}

async fn worker(world: &World) -> (Process, String) {
    let worker = world.worker().await;
    let address = listener(&worker).await;
    (worker, address)
}

fn available(text: &str) -> Option<f64> {
    sample(text, "bursar_account_balance_fen", &[COLLECTING[0], COLLECTING[1], "part=\"available\""])
}

/// Waits until a scrape has what `found` looks for.
async fn until_shown<T>(address: &str, what: &str, found: impl Fn(&str) -> Option<T>) -> T {
    eventually(SOON, what, async || {
        let text = scraped(address).await;
        found(&text).ok_or(text)
    })
    .await
}

#[tokio::test]
async fn every_process_shows_the_gateways_balance_and_follows_it() {
    let plan = asking("1s")
        .set("accounts.main.balance_node_id", "00061783")
        .set("accounts.main.balance_sub_types", vec!["collecting", "paying"])
        .set("accounts.main.balance_low", 5_000);
    let world = plan.start().await;
    let (_worker, address) = worker(&world).await;
    let server = world.serve().await;
    let before = until_shown(&address, "a balance", available).await;
    let shown = world.ok(&["balance", "--account", "main", "--node-id", "00061783", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(Some(before), shown["available_balance"].as_f64(), "{shown}");
    world.submit_new(&[transfer("PAID")]).await;
    world.until("PAID", "succeeded").await;
    until_shown(&server.address, "the balance without the payment", |text| {
        available(text).filter(|now| *now == before - 10.0)
    })
    .await;
    let text = scraped(&server.address).await;
    let of = |name, having: &[&str]| sample(&text, name, having);
    for (sub_type, part) in [("paying", "available"), ("paying", "total"), ("collecting", "retained")] {
        let labels = [format!("sub_type=\"{sub_type}\""), format!("part=\"{part}\"")];
        assert!(
            of("bursar_account_balance_fen", &labels.each_ref().map(String::as_str)).is_some(),
            "{labels:?} {text}"
        );
    }
    assert!(of("bursar_account_balance_age_seconds", &COLLECTING) < Some(10.0), "{text}");
    assert_eq!(of("bursar_account_balance_every_seconds", &[]), Some(1.0), "{text}");
    assert_eq!(of("bursar_account_balance_low_fen", &[]), Some(5_000.0), "{text}");
    world.books_agree().await;
}

#[tokio::test]
async fn a_silent_gateway_is_queried_once_and_by_no_scrape() {
    let world = asking("1h").start().await;
    let broken = Receiver::start(|_| Answer::Status(500)).await;
    world.set("accounts.main.base_url", toml::Value::from(broken.url("gateway")));
    let ((_one, first), (_other, second)) = (worker(&world).await, worker(&world).await);
    let failures = async || {
        let text = [scraped(&first).await, scraped(&second).await].concat();
        sample(&text, "bursar_account_balance_failures_total", &COLLECTING)
    };
    eventually(SOON, "one failure", async || (failures().await == Some(1.0)).then_some(())).await;
    let age = |text: &str| sample(text, "bursar_account_balance_age_seconds", &COLLECTING).filter(|age| *age > 2.0);
    until_shown(&second, "it to have been unknown for a while", age).await;
    assert_eq!(available(&scraped(&first).await), None, "an unknown balance is not shown");
    assert_eq!((broken.received().len(), failures().await), (1, Some(1.0)));
}

#[tokio::test]
async fn a_question_for_a_balance_takes_its_place_in_the_queue_s_rate() {
    // One call in a quarter of an hour: the first worker makes it.
    let world = asking("1h").set("accounts.main.rate_per_second", 0.001).start().await;
    let (_worker, address) = worker(&world).await;
    until_shown(&address, "a balance", available).await;
    world.submit_new(&[transfer("WAITS")]).await;
    let due = |text: &str| {
        let of = ["queue=\"main/transfer\"", "call=\"send\""];
        sample(text, "bursar_due_age_seconds", &of).filter(|age| *age > 1.0)
    };
    until_shown(&address, "the transfer to have been due for a while", due).await;
    assert!(!world.ledger().await.keys.contains_key("WAITS"));
}

#[tokio::test]
async fn no_balance_is_queried_without_configuration() {
    let world = Plan::new().set("worker.listen", "127.0.0.1:0").start().await;
    let gateway = Receiver::start(|_| Answer::Status(500)).await;
    world.set("accounts.main.base_url", toml::Value::from(gateway.url("gateway")));
    let (worker, address) = worker(&world).await;
    eventually(SOON, "it to be ready", async || (http::read(&address, "/readyz").await.0 == 200).then_some(())).await;
    let text = scraped(&address).await;
    assert!(!text.contains("bursar_account_balance_every_seconds{"), "{text}");
    worker.terminate();
    assert_eq!(worker.finished(SOON).await.code, Some(0));
    assert_eq!(gateway.received(), []);
}
