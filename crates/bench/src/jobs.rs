//! The jobs that are measured: transfers whose content is about 300 bytes.

use bursar_domain::{AccountRules, GatewayKind, Kind, Queue};
use bursar_producer::{NewJob, Outcome, Producer};
use bursar_store::Store;
use serde_json::json;

/// The account where there is one.
pub(crate) const ACCOUNT: &str = "main";

/// Jobs in one call where they are submitted to be worked on, not to be measured.
const BATCH: u32 = 500;

/// The one queue that jobs are in.
pub(crate) fn queue() -> anyhow::Result<Queue> {
    Ok(Queue { account: ACCOUNT.parse()?, kind: Kind::Transfer })
}

/// The names of so many accounts; one alone is [`ACCOUNT`].
pub(crate) fn accounts(count: u32) -> Vec<String> {
    if count == 1 { vec![ACCOUNT.to_owned()] } else { (0..count).map(|number| format!("a{number:05}")).collect() }
}

/// The kinds of job that each account takes: a queue each.
pub(crate) fn kinds() -> Vec<Kind> {
    AccountRules::new(GatewayKind::Yzt).kinds()
}

/// The queues of these accounts.
pub(crate) fn queues(accounts: &[String]) -> anyhow::Result<Vec<Queue>> {
    let queues = accounts.iter().flat_map(|account| kinds().into_iter().map(move |kind| (account, kind)));
    queues.map(|(account, kind)| Ok(Queue { account: account.parse()?, kind })).collect()
}

/// A producer that knows the account.
pub(crate) fn producer(store: &Store) -> Producer {
    producer_for(store, &accounts(1))
}

/// A producer that knows these accounts.
pub(crate) fn producer_for(store: &Store, accounts: &[String]) -> Producer {
    let rules = || AccountRules::new(GatewayKind::Yzt);
    accounts.iter().fold(Producer::on(store.clone()), |producer, account| producer.account(account, rules()))
}

/// One job. Its content is 300 bytes long, give or take a few.
pub(crate) fn job(number: u32) -> NewJob {
    named(number, &key(number))
}

/// The same under another key.
pub(crate) fn named(number: u32, key: &str) -> NewJob {
    let store = |side: &str| format!("M880012345678-ST-{:06}-T-{:04}-queue-4-{side}", number % 5_000, number % 9_999);
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

/// One job of another account.
pub(crate) fn job_of(account: &str, number: u32) -> NewJob {
    NewJob { account: account.to_owned(), ..job(number) }
}

/// One job that this store pays for.
pub(crate) fn job_paid_by(payer_store_no: &str, number: u32) -> NewJob {
    let mut job = job(number);
    job.body.insert("payer_store_no".to_owned(), payer_store_no.into());
    job
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
    fill_with(&producer(store), from, to, job).await
}

/// Submits the jobs that `made` builds from these numbers.
pub(crate) async fn fill_with(
    producer: &Producer,
    from: u32,
    to: u32,
    made: impl Fn(u32) -> NewJob,
) -> anyhow::Result<()> {
    for from in (from..to).step_by(BATCH as usize) {
        let jobs: Vec<NewJob> = (from..(from + BATCH).min(to)).map(&made).collect();
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
