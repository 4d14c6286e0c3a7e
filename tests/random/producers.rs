//! Producers that submit at the same time over a bad wire, and repeat each submission without a reply.

use std::time::Duration;

use bursar_domain::Millis;
use bursar_producer::{AccountRules, NewJob, Outcome, Producer, Settings};
use bursar_store::Store;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::import;
use crate::plan::{Batch, Plan};
use crate::renaming::Renaming;

/// Between a submission that failed and its repetition.
const PAUSE: Duration = Duration::from_millis(40);

/// The reply to one submission.
#[derive(Clone, Debug)]
pub(crate) struct Ack {
    pub(crate) thing: usize,
    pub(crate) variant: usize,
    /// The account's name in it.
    pub(crate) account: String,
    pub(crate) outcome: Outcome,
    /// The number of submissions until this reply; the replies before were errors.
    pub(crate) tries: u32,
    /// True if the timeline was over by then.
    pub(crate) late: bool,
}

/// The producers of a seed.
pub(crate) struct Producers {
    /// Producers that submit.
    submit: Vec<JoinHandle<Vec<Ack>>>,
    /// Producers that push.
    push: Vec<JoinHandle<()>>,
}

impl Producers {
    /// True if every producer has a reply to everything.
    pub(crate) fn are_done(&self) -> bool {
        self.submit.iter().all(JoinHandle::is_finished) && self.push.iter().all(JoinHandle::is_finished)
    }

    /// The replies. A producer that has not ended by now has none to give: the properties show the missing jobs.
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

/// Starts the producers of a plan. Each ends when it has a reply to everything.
pub(crate) fn start(plan: &Plan, settings: &Settings, prefix_time: Millis, began: Instant) -> Producers {
    let jobs: Vec<Vec<NewJob>> = plan
        .things
        .iter()
        .map(|thing| {
            let run_at = thing.later.map(|later| prefix_time.plus(later).rfc3339());
            thing.variants.iter().map(|job| NewJob { run_at: run_at.clone(), ..job.clone() }).collect()
        })
        .collect();
    let submitter = |new_name: Option<Duration>| Submitter {
        settings: settings.clone(),
        accounts: plan.accounts(),
        renaming: plan.renaming.clone().zip(new_name),
        jobs: jobs.clone(),
        began,
    };
    let submit = |(producer, batches): (usize, &Vec<Batch>)| {
        let new_name = plan.renaming.as_ref().map(|renaming| renaming.by_producers[producer]);
        tokio::spawn(submitter(new_name).submit_all(batches.clone()))
    };
    let repeat =
        |renaming: &Renaming| tokio::spawn(submitter(Some(Duration::ZERO)).submit_all(renaming.repeats.clone()));
    let Some(import) = &plan.import else {
        let submit = plan.batches.iter().enumerate().map(submit).chain(plan.renaming.as_ref().map(repeat));
        return Producers { submit: submit.collect(), push: Vec::new() };
    };
    let (pushed, submitted) = plan.batches.split_at(import.pushers);
    let push = pushed.iter().map(|batches| import::push_jobs(&settings.url, batches, &jobs, began));
    Producers {
        submit: submitted.iter().enumerate().map(submit).collect(),
        push: push.chain([import::push_wrong(&settings.url, &import.wrong, began)]).collect(),
    }
}

/// Submits every variant once more, when all is over: late duplicates.
pub(crate) async fn submit_again(plan: &Plan, store: &Store) -> Vec<Ack> {
    let producer = with_accounts(Producer::on(store.clone()), &plan.accounts());
    let mut acks = Vec::new();
    for (thing, it) in plan.things.iter().enumerate() {
        let newest =
            |job: &NewJob| plan.renaming.as_ref().map_or(job.clone(), |renaming| renaming.renamed(job.clone()));
        let jobs: Vec<NewJob> = it.variants.iter().map(newest).collect();
        let outcomes = producer.submit_many(&jobs).await.expect("Redis is there at the end");
        for (variant, (job, outcome)) in jobs.into_iter().zip(outcomes).enumerate() {
            acks.push(Ack { thing, variant, account: job.account, outcome, tries: 1, late: true });
        }
    }
    acks
}

fn with_accounts(producer: Producer, accounts: &[(&str, AccountRules)]) -> Producer {
    accounts.iter().fold(producer, |producer, (name, rules)| producer.account(name, *rules))
}

/// One producer, and what it submits.
struct Submitter {
    settings: Settings,
    accounts: Vec<(&'static str, AccountRules)>,
    /// The time after the start from which it uses an account's other name.
    renaming: Option<(Renaming, Duration)>,
    jobs: Vec<Vec<NewJob>>,
    began: Instant,
}

impl Submitter {
    async fn submit_all(self, batches: Vec<Batch>) -> Vec<Ack> {
        let producer = self.connect().await;
        let mut acks = Vec::new();
        for batch in batches {
            tokio::time::sleep_until(self.began + batch.at).await;
            let mut tries = 1;
            let (submitted, outcomes) = loop {
                let submitted: Vec<NewJob> = batch.jobs.iter().map(|job| self.job(*job)).collect();
                match producer.submit_many(&submitted).await {
                    Ok(outcomes) => break (submitted, outcomes),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
                tries += 1;
            };
            for ((&(thing, variant), job), outcome) in batch.jobs.iter().zip(submitted).zip(outcomes) {
                acks.push(Ack { thing, variant, account: job.account, outcome, tries, late: false });
            }
        }
        acks
    }

    /// As it is submitted now.
    fn job(&self, (thing, variant): (usize, usize)) -> NewJob {
        let job = self.jobs[thing][variant].clone();
        match &self.renaming {
            Some((renaming, from)) if self.began.elapsed() >= *from => renaming.renamed(job),
            _ => job,
        }
    }

    async fn connect(&self) -> Producer {
        loop {
            match Producer::connect(&self.settings).await {
                Ok(producer) => return with_accounts(producer, &self.accounts),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}
