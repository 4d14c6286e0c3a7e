//! Producers that submit at the same time over a bad wire, and repeat what was not answered, as they are told to.

use std::time::Duration;

use bursar_domain::Millis;
use bursar_producer::{AccountRules, NewJob, Outcome, Producer, Settings};
use bursar_store::Store;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::jobs::ACCOUNTS;
use crate::plan::{Batch, Plan};

/// Between a submission that failed and its repetition.
const PAUSE: Duration = Duration::from_millis(40);

/// What one submission was answered.
#[derive(Clone, Debug)]
pub(crate) struct Ack {
    pub(crate) thing: usize,
    pub(crate) variant: usize,
    pub(crate) outcome: Outcome,
    /// How often it was submitted for this answer; the answers before were errors, which tell nothing.
    pub(crate) tries: u32,
}

/// Starts the producers of a plan. Each ends when everything of its own was answered.
pub(crate) fn start(
    plan: &Plan,
    settings: &Settings,
    prefix_time: Millis,
    began: Instant,
) -> Vec<JoinHandle<Vec<Ack>>> {
    let jobs: Vec<Vec<NewJob>> = plan
        .things
        .iter()
        .map(|thing| {
            let run_at = thing.later.map(|later| prefix_time.plus(later).rfc3339());
            thing.variants.iter().map(|job| NewJob { run_at: run_at.clone(), ..job.clone() }).collect()
        })
        .collect();
    let start = |batches: &Vec<Batch>| tokio::spawn(submit_all(settings.clone(), batches.clone(), jobs.clone(), began));
    plan.batches.iter().map(start).collect()
}

/// Submits every variant once more, when all is over: late duplicates.
pub(crate) async fn submit_again(plan: &Plan, store: &Store) -> Vec<Ack> {
    let producer = with_accounts(Producer::on(store.clone()));
    let mut acks = Vec::new();
    for (thing, it) in plan.things.iter().enumerate() {
        let outcomes = producer.submit_many(&it.variants).await.expect("Redis is there at the end");
        let answered = outcomes.into_iter().enumerate();
        acks.extend(answered.map(|(variant, outcome)| Ack { thing, variant, outcome, tries: 1 }));
    }
    acks
}

fn with_accounts(producer: Producer) -> Producer {
    let accounts = ACCOUNTS.iter();
    accounts.fold(producer, |producer, (name, gateway)| producer.account(name, AccountRules::new(*gateway)))
}

async fn submit_all(settings: Settings, batches: Vec<Batch>, jobs: Vec<Vec<NewJob>>, began: Instant) -> Vec<Ack> {
    let producer = connect(&settings).await;
    let mut acks = Vec::new();
    for batch in batches {
        tokio::time::sleep_until(began + batch.at).await;
        let submitted: Vec<NewJob> = batch.jobs.iter().map(|(thing, variant)| jobs[*thing][*variant].clone()).collect();
        let mut tries = 1;
        let outcomes = loop {
            match producer.submit_many(&submitted).await {
                Ok(outcomes) => break outcomes,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
            tries += 1;
        };
        let answered = batch.jobs.iter().zip(outcomes);
        acks.extend(answered.map(|(&(thing, variant), outcome)| Ack { thing, variant, outcome, tries }));
    }
    acks
}

async fn connect(settings: &Settings) -> Producer {
    loop {
        match Producer::connect(settings).await {
            Ok(producer) => return with_accounts(producer),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
