//! The jobs that are measured: transfers whose content is about 300 bytes.

use bursar_domain::{AccountRules, GatewayKind, Kind, Lane};
use bursar_producer::{NewJob, Outcome, Producer};
use bursar_store::Store;
use serde_json::json;

/// The one account.
pub(crate) const ACCOUNT: &str = "main";

/// Jobs in one call where they are submitted to be worked on, not to be measured.
const BATCH: u32 = 500;

/// The one lane that jobs are in.
pub(crate) fn lane() -> anyhow::Result<Lane> {
    Ok(Lane { account: ACCOUNT.parse()?, kind: Kind::Transfer })
}

/// A producer that knows the account.
pub(crate) fn producer(store: &Store) -> Producer {
    Producer::on(store.clone()).account(ACCOUNT, AccountRules::new(GatewayKind::Yzt))
}

/// One job. Its content is 300 bytes long, give or take a few.
pub(crate) fn job(number: u32) -> NewJob {
    named(number, &key(number))
}

/// The same under another key.
pub(crate) fn named(number: u32, key: &str) -> NewJob {
    let store = |side: &str| format!("M880012345678-ST-{:06}-T-{:04}-lane-4-{side}", number % 5_000, number % 9_999);
    let body = json!({
        "node_id": format!("{:08}", number % 64),
        "total_amount": 1_000 + (u64::from(number) * 37) % 90_000,
        "payer_store_no": store("payer"),
        "payer_type": "1",
        "payee_store_no": store("payee-wxpay-CNY"),
        "payee_type": "2",
        "arrive_time": "T0",
    });
    NewJob::new(ACCOUNT, Kind::Transfer.as_str(), key, body)
}

/// The key of a job.
pub(crate) fn key(number: u32) -> String {
    format!("P20260314-{number:09}")
}

/// Submits `count` jobs, to be worked on.
pub(crate) async fn fill(store: &Store, count: u32) -> anyhow::Result<()> {
    fill_from(store, 0, count).await
}

/// Submits the jobs with these numbers.
pub(crate) async fn fill_from(store: &Store, from: u32, to: u32) -> anyhow::Result<()> {
    let producer = producer(store);
    for from in (from..to).step_by(BATCH as usize) {
        let jobs: Vec<NewJob> = (from..(from + BATCH).min(to)).map(job).collect();
        all_new(&producer.submit_many(&jobs).await?)?;
    }
    Ok(())
}

/// A figure over jobs that were not accepted would be about something else.
pub(crate) fn all_new(outcomes: &[Outcome]) -> anyhow::Result<()> {
    match outcomes.iter().find(|outcome| **outcome != Outcome::New) {
        None => Ok(()),
        Some(other) => anyhow::bail!("the benchmark's own job was not accepted: {other:?}"),
    }
}
