//! Seeds in which an account gets another name while its jobs are open: the workers' ends, the producers' repetitions under the new
//! name, and the operators' `bursar adopt`.

use std::path::PathBuf;
use std::time::Duration;

use bursar_producer::{AccountRules, GatewayKind, NewJob, Queue};
use bursar_store::Store;
use bursar_test_support::Process;
use fastrand::Rng;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::event::Event;
use crate::jobs::{ACCOUNTS, Thing, queues, queues_of};
use crate::operators;
use crate::plan::{Batch, PRODUCERS};
use crate::timeline::Moment;
use crate::workers::bursar;

/// The account's other name.
pub(crate) const NEW_NAME: &str = "pay";

/// The time for which an operator repeats `bursar adopt` before the next one continues.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(25);

/// The longest run of one `bursar adopt`: Redis may be frozen for seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(40);

/// Between a try that left something behind and the next.
const PAUSE: Duration = Duration::from_millis(100);

/// The end of a worker of the old name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGKILL.
    Killed,
    /// SIGTERM, and SIGKILL if that does not end it.
    Drained,
}

/// The end of a `bursar adopt` that is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// SIGKILL so long after its start.
    Killed(Duration),
    /// It dies before it moves its job of this number.
    Crashes(u32),
}

/// The stages of a seed's renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The account has its old name.
    Old,
    /// The configuration has the new name, and operators touch neither before the jobs are adopted.
    Renamed,
    /// The jobs of the old name are the new one's.
    Adopted,
}

/// An account's other name, with the times from which producers use it.
#[derive(Clone, Debug)]
pub(crate) struct Renaming {
    pub(crate) old: &'static str,
    gateway: GatewayKind,
    /// By producer: the time after the start from which it uses the new name.
    pub(crate) by_producers: [Duration; PRODUCERS],
    /// The submissions that are repeated under the new name, by any producer.
    pub(crate) repeats: Vec<Batch>,
}

impl Renaming {
    /// Draws the producers' times of the new name, and adds the acts of workers and operators to the timeline.
    pub(crate) fn draw(dice: &mut Rng, things: &[Thing], timeline: &mut Vec<Moment>, workers: usize) -> Self {
        let (old, gateway) = ACCOUNTS[dice.usize(..ACCOUNTS.len())];
        let at_ms = dice.u64(800..4_000);
        let moment = |at_ms, event| Moment { at: Duration::from_millis(at_ms), event };
        let ending = |dice: &mut Rng| if dice.bool() { Ending::Killed } else { Ending::Drained };
        timeline.push(moment(at_ms, Event::Rename((0..workers).map(|_| ending(dice)).collect())));
        for worker in 0..workers {
            timeline.push(moment(at_ms + dice.u64(1..2_000), Event::Start(worker)));
        }
        let cut = |dice: &mut Rng| match dice.u32(..3) {
            0 => Cut::Killed(Duration::from_millis(dice.u64(1..150))),
            _ => Cut::Crashes(dice.u32(1..40)),
        };
        let cuts = (0..dice.usize(..4)).map(|_| cut(dice)).collect();
        timeline.push(moment(at_ms + dice.u64(1..3_000), Event::Adopt(cuts)));
        timeline.sort_by_key(|moment| moment.at);
        let by_producers =
            std::array::from_fn(|_| Duration::from_millis((at_ms + dice.u64(..1_500)).saturating_sub(500)));
        Self { old, gateway, by_producers, repeats: repeats(dice, things, old, at_ms) }
    }

    pub(crate) fn queues(&self) -> Vec<Queue> {
        queues_of(NEW_NAME, self.gateway)
    }

    pub(crate) fn rules(&self) -> AccountRules {
        AccountRules::new(self.gateway)
    }

    /// The job under the account's new name.
    pub(crate) fn renamed(&self, job: NewJob) -> NewJob {
        if job.account == self.old { NewJob { account: NEW_NAME.into(), ..job } } else { job }
    }
}

/// Everything that the account has, once or twice.
fn repeats(dice: &mut Rng, things: &[Thing], old: &str, at_ms: u64) -> Vec<Batch> {
    let its = things.iter().enumerate().filter(|(_, thing)| thing.queue.account.as_str() == old);
    let mut jobs: Vec<(usize, usize)> = its.map(|(number, _)| (number, 0)).collect();
    jobs.extend(jobs.clone().into_iter().filter(|_| dice.u32(..4) == 0));
    dice.shuffle(&mut jobs);
    let mut batches = Vec::new();
    while !jobs.is_empty() {
        let size = dice.usize(1..15).min(jobs.len());
        let at = Duration::from_millis((at_ms + dice.u64(..3_000)).saturating_sub(300));
        batches.push(Batch { at, jobs: jobs.split_off(jobs.len() - size) });
    }
    batches.sort_by_key(|batch| batch.at);
    batches
}

/// The queues on which operators act in this stage.
pub(crate) fn queues_in_hand(renaming: Option<&Renaming>, stage: Stage) -> Vec<Queue> {
    let Some(renaming) = renaming.filter(|_| stage != Stage::Old) else { return queues() };
    let others = queues().into_iter().filter(|queue| queue.account.as_str() != renaming.old);
    others.chain((stage == Stage::Adopted).then(|| renaming.queues()).into_iter().flatten()).collect()
}

/// The data that an operator needs for `bursar adopt`.
pub(crate) struct HandingOn {
    pub(crate) renaming: Renaming,
    pub(crate) config: PathBuf,
    pub(crate) redis_url: String,
    pub(crate) store: Store,
    pub(crate) stage: watch::Sender<Stage>,
}

impl HandingOn {
    /// Runs `bursar adopt` until nothing is left behind, then resumes the queues that it has paused; returns the result as a text.
    pub(crate) async fn run(self, cuts: Vec<Cut>) -> String {
        let began = Instant::now();
        let (mut cuts, mut said) = (cuts.into_iter(), Vec::new());
        while began.elapsed() < GIVEN_UP_AFTER {
            self.let_a_minute_pass().await;
            let (code, line) = self.adopt(cuts.next()).await;
            said.push(line);
            if code == Some(0) {
                for queue in self.renaming.queues() {
                    said.push(operators::resume(self.store.clone(), queue).await);
                }
                self.stage.send_replace(Stage::Adopted);
                return said.join("; ");
            }
            sleep(PAUSE).await;
        }
        said.drain(..said.len().saturating_sub(4));
        format!("something is left behind: {}", said.join("; "))
    }

    async fn adopt(&self, cut: Option<Cut>) -> (Option<i32>, String) {
        let mut command = bursar(&["adopt", self.renaming.old, NEW_NAME, "--reason", "renamed", "--config"]);
        command.arg(&self.config).env("BURSAR_REDIS__URL", &self.redis_url);
        if let Some(Cut::Crashes(pass)) = cut {
            command.env("BURSAR_CRASH_AT", format!("before_adopt:{pass}"));
        }
        let process = Process::start("bursar adopt", command);
        if let Some(Cut::Killed(after)) = cut {
            sleep(after).await;
            if process.is_running() {
                process.kill();
            }
        }
        let finished = process.finished(ENDS_WITHIN).await;
        let lines = finished.stdout.lines().chain(finished.stderr.lines()).collect::<Vec<_>>().join(" | ");
        (finished.code, format!("{:?} {lines}", finished.code))
    }

    /// No worker of the old name runs any more; its last report about the old queues is made old.
    async fn let_a_minute_pass(&self) {
        let mut command = redis::cmd("ZADD");
        command.arg("bursar:queues").arg("XX");
        for queue in queues_of(self.renaming.old, self.renaming.gateway) {
            command.arg(1).arg(queue.to_string());
        }
        let said = async {
            let client = redis::Client::open(self.redis_url.as_str())?;
            let mut connection = client.get_multiplexed_async_connection().await?;
            command.query_async::<redis::Value>(&mut connection).await
        };
        // While Redis is away, `bursar adopt` fails as well.
        let _ = tokio::time::timeout(ENDS_WITHIN, said).await;
    }
}
