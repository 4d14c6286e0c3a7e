//! Producers that submit at the same time over a bad wire, and repeat what was not answered, as they are told to.

use std::time::Duration;

use bursar_domain::Millis;
use bursar_producer::{AccountRules, NewJob, Outcome, Producer, Settings};
use bursar_store::Store;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::door;
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
    /// Whether everything was over by then.
    pub(crate) late: bool,
}

/// The producers of a seed.
pub(crate) struct Producers {
    /// Those who are answered.
    submit: Vec<JoinHandle<Vec<Ack>>>,
    /// Those who are not.
    push: Vec<JoinHandle<()>>,
}

impl Producers {
    /// Whether everybody has got rid of everything.
    pub(crate) fn are_done(&self) -> bool {
        self.submit.iter().all(JoinHandle::is_finished) && self.push.iter().all(JoinHandle::is_finished)
    }

    /// What was answered. Whoever has not come to the end by now has nothing to tell: the properties will say what is missing.
    pub(crate) async fn acks(self) -> Vec<Ack> {
        let mut acks = Vec::new();
        for mut producer in self.submit {
            match tokio::time::timeout(PAUSE, &mut producer).await {
                Ok(finished) => acks.extend(finished.expect("a producer does not panic")),
                Err(_) => producer.abort(),
            }
        }
        self.push.iter().for_each(JoinHandle::abort);
        acks
    }
}

/// Starts the producers of a plan. Each ends when everything of its own was answered.
pub(crate) fn start(plan: &Plan, settings: &Settings, prefix_time: Millis, began: Instant) -> Producers {
    let jobs: Vec<Vec<NewJob>> = plan
        .things
        .iter()
        .map(|thing| {
            let run_at = thing.later.map(|later| prefix_time.plus(later).rfc3339());
            thing.variants.iter().map(|job| NewJob { run_at: run_at.clone(), ..job.clone() }).collect()
        })
        .collect();
    let submit =
        |batches: &Vec<Batch>| tokio::spawn(submit_all(settings.clone(), batches.clone(), jobs.clone(), began));
    let Some(door) = &plan.door else {
        return Producers { submit: plan.batches.iter().map(submit).collect(), push: Vec::new() };
    };
    let (pushed, submitted) = plan.batches.split_at(door.pushers);
    let push = pushed.iter().map(|batches| door::push_jobs(&settings.url, batches, &jobs, began));
    Producers {
        submit: submitted.iter().map(submit).collect(),
        push: push.chain([door::push_wrong(&settings.url, &door.wrong, began)]).collect(),
    }
}

/// Submits every variant once more, when all is over: late duplicates.
pub(crate) async fn submit_again(plan: &Plan, store: &Store) -> Vec<Ack> {
    let producer = with_accounts(Producer::on(store.clone()));
    let mut acks = Vec::new();
    for (thing, it) in plan.things.iter().enumerate() {
        let outcomes = producer.submit_many(&it.variants).await.expect("Redis is there at the end");
        let answered = outcomes.into_iter().enumerate();
        acks.extend(answered.map(|(variant, outcome)| Ack { thing, variant, outcome, tries: 1, late: true }));
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
        acks.extend(answered.map(|(&(thing, variant), outcome)| Ack { thing, variant, outcome, tries, late: false }));
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
