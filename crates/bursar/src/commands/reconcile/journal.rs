//! Compares Redis with journals, and restores the sends that Redis has lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bursar_domain::{
    ContentSummary, JobProgress, JobView, Key, Millis, Names, Policy, Queue, Reason, Received, RestoredFromJournal,
    State, Transition, business_key, restored_from_journal,
};
use bursar_gateways::{Gateway, GatewayRequest, SharedParts};
use bursar_store::{JobRecord, JournalDiff, JournalView, Operator, Restored, Store, StoredAs, Unreadable};
use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

use super::Arguments;
use super::memory::{Known, Memory, Sends};
use crate::commands::show::unreadable;
use crate::context::CommandContext;
use crate::exit::{Context, Exit, Failure, Global, UsageError};
use crate::journals;
use crate::output::{line, one_line};
use crate::renamed;
use crate::role_worker::gateway;

/// Records that are read in one step.
const BATCH: usize = 500;

/// Tries to restore a job that changes meanwhile.
const TRIES: usize = 5;

/// One difference, and what was done about it.
struct Difference {
    queue: Queue,
    key: Key,
    found: Found,
    /// The state in Redis before.
    was: Option<State>,
    /// The state after the restore, made or planned.
    next: Option<Transition>,
    /// A further remark.
    note: Option<String>,
    /// The gateway's last response to a send in the journals.
    answer: Option<Value>,
}

/// The difference between Redis's record and the journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The difference that the store reports.
    Diff(JournalDiff),
    /// There is a record that this build cannot read.
    Unreadable,
}

/// The store, the journals and the account of one queue's comparison.
struct Reconciler<'a> {
    store: &'a Store,
    memory: &'a Memory,
    arguments: &'a Arguments,
    operator: &'a str,
    queue: &'a Queue,
    gateway: Arc<dyn Gateway>,
    policy: Policy,
    now: Millis,
}

pub(super) async fn run(
    context: &CommandContext,
    arguments: &Arguments,
    operator: Operator<'_>,
    global: &Global,
) -> Result<Exit, Failure> {
    let memory = Memory::of(&arguments.journal)?;
    if memory.files.is_empty() {
        return Err(UsageError("there is no journal in what --journal names".into()).into());
    }
    let mut differences = Vec::new();
    let (mut jobs, mut unknown, mut newer) = (0, Vec::new(), BTreeSet::new());
    let mut restored = Vec::new();
    let (queues, parts) = (context.config.queues(), SharedParts::default());
    for (queue, known) in &memory.queues {
        jobs += known.len();
        let Some(account) = context.config.accounts.get(&queue.account).filter(|_| queues.contains(queue)) else {
            unknown.push(format!(
                "{} jobs of {queue}, which the configuration does not have: add that account, reconcile again, and run `bursar adopt` if it was renamed",
                known.len()
            ));
            continue;
        };
        let reconciler = Reconciler {
            store: &context.store,
            memory: &memory,
            arguments,
            operator: operator.who,
            queue,
            gateway: gateway(queue.account.as_str(), account, &parts)?,
            policy: account.policy.for_kind(queue.kind),
            now: context.store.now().await?,
        };
        let found = reconciler.queue(known).await?;
        if !known.is_empty() {
            restored.push(queue);
        }
        if found.has_newer {
            newer.insert(queue.clone());
        }
        differences.extend(found.differences);
    }
    if !arguments.dry_run {
        let kept_paused = renamed::pause_rivals_of_restored(&context.config, &context.store, &restored).await?;
        settle(context, &memory, &newer, &kept_paused, unknown.is_empty()).await?;
    }
    print(&differences, arguments, global)?;
    for complaint in memory.complaints.iter().chain(&unknown) {
        eprintln!("bursar: {complaint}");
    }
    let done = if arguments.dry_run { "would be restored" } else { "restored" };
    let restored_jobs = differences.iter().filter(|difference| difference.next.is_some()).count();
    eprintln!(
        "bursar: {jobs} jobs in {} journals; {} differ, {restored_jobs} {done}",
        memory.files.len(),
        differences.len()
    );
    let agree = differences.is_empty() && memory.complaints.is_empty() && unknown.is_empty();
    Ok(if agree { Exit::Done } else { Exit::No })
}

/// Marks these journals as known to this Redis: workers that sent nothing because of them go on. It is the last step: a process that
/// dies before it leaves the workers waiting.
///
/// Jobs of an account that the configuration does not have are not restored, and their producer may repeat them under a new name. In
/// that case the files of another Redis stay unsettled.
///
/// A queue whose account also has another name stays paused until an operator runs `bursar adopt` and resumes it.
///
/// A record of a newer build may lack a send, and workers of that build would send it again. A queue with such a record stays paused
/// until that build has compared it. No build sends a damaged record.
async fn settle(
    context: &CommandContext,
    memory: &Memory,
    newer: &BTreeSet<Queue>,
    kept_paused: &BTreeSet<Queue>,
    all_known: bool,
) -> Result<(), Failure> {
    let store = &context.store;
    for queue in context.config.queues().into_iter().filter(|queue| !newer.contains(queue)) {
        if let Some(fence) = memory.fences.get(&queue) {
            if kept_paused.contains(&queue) {
                store.raise_fence(&queue, *fence).await?;
            } else {
                store.settle_queue(&queue, *fence).await?;
            }
        }
    }
    // An empty Redis gets its id here: the operator has confirmed it by restoring its jobs.
    store.incarnate(&journals::fresh()).await?;
    if all_known && newer.is_empty() {
        store.settle_incarnations(&memory.incarnations).await?;
    }
    Ok(())
}

/// The outcome for one queue.
#[derive(Default)]
struct OfQueue {
    differences: Vec<Difference>,
    /// A newer build wrote the record of a job with a send in the journals.
    has_newer: bool,
}

impl Reconciler<'_> {
    async fn queue(&self, known: &BTreeMap<Key, Known>) -> Result<OfQueue, Failure> {
        let mut found = OfQueue::default();
        let all: Vec<(&Key, &Known)> = known.iter().collect();
        for batch in all.chunks(BATCH) {
            let keys: Vec<Key> = batch.iter().map(|(key, _)| (*key).clone()).collect();
            let stored = self.store.jobs(self.queue, &keys).await?;
            let mut stored: HashMap<Key, StoredAs> = stored.into_iter().map(|job| (job.key().clone(), job)).collect();
            for (key, known) in batch {
                if let Some(sends) = known.sends() {
                    let job = stored.remove(*key);
                    found.differences.extend(self.job(key, known, &sends, job, &mut found.has_newer).await?);
                }
            }
        }
        Ok(found)
    }

    /// Compares one job until it agrees or is restored.
    async fn job(
        &self,
        key: &Key,
        known: &Known,
        sends: &Sends,
        mut stored: Option<StoredAs>,
        has_newer: &mut bool,
    ) -> Result<Option<Difference>, Failure> {
        for _ in 0..TRIES {
            let record = match &stored {
                None => None,
                Some(StoredAs::Job(record)) => Some(&**record),
                Some(StoredAs::Unreadable { why, .. }) => {
                    *has_newer |= matches!(why, Unreadable::Newer { .. });
                    return self.unreadable(key, known, sends, why).await.map(Some);
                }
            };
            let diff = JournalDiff::of(record, &sends.last.hash, sends.fence, sends.sends);
            let difference = |next, note| Difference {
                was: record.map(|record| record.state),
                next,
                note,
                ..self.difference(key, known, Found::Diff(diff))
            };
            let is_its_own = record.is_some_and(|record| record.hash == sends.last.hash);
            if is_its_own && diff == JournalDiff::Agrees {
                return Ok(None);
            }
            let content = self.content(sends)?;
            let trade_nos = known.trade_nos(record.map_or(&[], |record| &record.trade_nos));
            let business_key = business_key(self.queue.kind, key, &content);
            let view = view(sends, &content, &business_key, &trade_nos);
            match diff {
                JournalDiff::Agrees => {
                    let rival = self.rival(key, &view).await?;
                    return Ok(rival.map(|rival| difference(None, Some(rival))));
                }
                JournalDiff::Missing | JournalDiff::Behind | JournalDiff::OtherContent | JournalDiff::EndedUnsent => {}
            }
            let next = self.next(diff, key, sends, record, &content, &trade_nos);
            if self.arguments.dry_run {
                return Ok(Some(difference(Some(next), None)));
            }
            let was = record.map(|record| record.state);
            let event = RestoredFromJournal {
                at: Millis::default(),
                operator: self.operator.to_owned(),
                was,
                sends: sends.sends,
                // A response of a newer build stays in the journal.
                response: known.answer().and_then(|read| serde_json::from_value(read.clone()).ok()),
                more: Map::new(),
            };
            match self.store.restore(self.queue, key, record, &view, &next, event).await? {
                Restored::Done => return Ok(Some(difference(Some(next), None))),
                Restored::WithRival(other) => {
                    let note = format!("the same business key as {other}");
                    let next = Transition::review(Reason::RestoredBesideAnotherJob { key: other });
                    return Ok(Some(difference(Some(next), Some(note))));
                }
                Restored::Changed => stored = self.store.job(self.queue, key).await?,
            }
        }
        Err(Failure::no(format_args!(
            "job {key} in {} changes while it is restored: stop the workers, then try again",
            self.queue
        )))
    }

    fn difference(&self, key: &Key, known: &Known, found: Found) -> Difference {
        let (queue, key, answer) = (self.queue.clone(), key.clone(), known.answer().cloned());
        Difference { queue, key, found, was: None, next: None, note: None, answer }
    }

    /// The job's record is unknown and not written. Another key must still not get the same business key.
    async fn unreadable(
        &self,
        key: &Key,
        known: &Known,
        sends: &Sends,
        why: &Unreadable,
    ) -> Result<Difference, Failure> {
        let content = self.content(sends)?;
        let business_key = business_key(self.queue.kind, key, &content);
        let rival = self.rival(key, &view(sends, &content, &business_key, &[])).await?;
        let note = [Some(unreadable(self.queue, key, why)), rival].into_iter().flatten().collect::<Vec<_>>().join("; ");
        Ok(Difference { note: Some(note), ..self.difference(key, known, Found::Unreadable) })
    }

    /// A record that lacks the send under its key does not keep another key from the same business key. Moves that other job to review
    /// and returns a remark about it.
    async fn rival(&self, key: &Key, view: &JournalView<'_>) -> Result<Option<String>, Failure> {
        if self.arguments.dry_run {
            return Ok(None);
        }
        let rival = self.store.send_rival_to_review(self.queue, key, view, self.operator).await?;
        Ok(rival.map(|rival| format!("{rival} has the same business key and was moved to review")))
    }

    fn content(&self, sends: &Sends) -> Result<String, Failure> {
        let path = self.memory.files.get(sends.last.file).ok_or_else(|| Failure::no("a journal is gone"))?;
        let content = bursar_journal::content_at(path, sends.last.place)
            .context(format_args!("cannot read the journal {}", path.display()))?;
        content.ok_or_else(|| Failure::no(format_args!("{} has changed while it was read", path.display())))
    }

    /// The transition by the domain's rules.
    fn next(
        &self,
        diff: JournalDiff,
        key: &Key,
        sends: &Sends,
        record: Option<&JobRecord>,
        content: &str,
        trade_nos: &[String],
    ) -> Transition {
        let is_its_own = record.is_none_or(|record| record.hash == sends.last.hash);
        if diff == JournalDiff::OtherContent || (diff == JournalDiff::EndedUnsent && !is_its_own) {
            return Transition::review(Reason::OtherContentInJournal);
        }
        // It ended as never executed in a Redis that had lost a send, and a producer may have acted on that.
        if diff == JournalDiff::EndedUnsent {
            return Transition::review(Reason::RestoredFromJournal);
        }
        let request = GatewayRequest {
            kind: self.queue.kind,
            key: key.to_string(),
            content: content.into(),
            trade_nos: trade_nos.to_vec(),
            sent_before: true,
            send_by: None,
        };
        let progress = JobProgress {
            state: State::InDoubt,
            sends: sends.sends,
            resends: sends.resends.max(record.map_or(0, |record| record.resends)),
            queries: record.map_or(0, |record| record.queries),
            losses: 0,
            first_sent: Some(sends.first),
            last_sent: Some(sends.last_at()),
            sent_before: None,
            ordered: None,
            late_response: None,
            can_query: self.gateway.can_query(&request),
            names: Names::Nothing,
            received: Received::Nothing,
            not_ready: false,
            repeat_is_answered: self.gateway.repeat_is_answered(),
            next_day: ContentSummary::of(self.queue.kind, content).next_day,
            seed: key.seed(),
        };
        restored_from_journal(&progress, &self.policy, self.now)
    }
}

/// A job's sends in the journals, in the store's form.
fn view<'a>(sends: &'a Sends, content: &'a str, business_key: &'a str, trade_nos: &'a [String]) -> JournalView<'a> {
    JournalView {
        hash: &sends.last.hash,
        content,
        business_key,
        fence: sends.highest_fence,
        sends: sends.sends,
        resends: sends.resends,
        first_sent: sends.first,
        last_sent: sends.last_at(),
        trade_nos,
    }
}

impl Difference {
    fn found(&self) -> &'static str {
        match self.found {
            Found::Diff(JournalDiff::Agrees) => "agrees",
            Found::Diff(JournalDiff::Missing) => "missing",
            Found::Diff(JournalDiff::Behind) => "behind",
            Found::Diff(JournalDiff::OtherContent) => "other content",
            Found::Diff(JournalDiff::EndedUnsent) => "ended, and a send is known",
            Found::Unreadable => "unreadable",
        }
    }

    fn due(&self) -> Option<String> {
        match self.next.as_ref()?.due {
            bursar_domain::Due::Send(at) | bursar_domain::Due::Query(at) => JobView::time(Some(at)),
            bursar_domain::Due::Never => None,
        }
    }

    fn reason(&self) -> Option<&Reason> {
        self.next.as_ref()?.reason.as_ref()
    }

    fn json(&self, dry_run: bool) -> Value {
        json!({
            "account": self.queue.account, "kind": self.queue.kind, "platform_no": self.key, "found": self.found(),
            "was": self.was, "state": self.next.as_ref().map(|next| next.state), "due_at": self.due(),
            "reason": self.reason().map(Reason::view), "note": self.note, "last_response": self.answer, "dry_run": dry_run,
        })
    }

    fn row(&self) -> [String; 7] {
        let state = |state: Option<State>| state.map_or_else(|| "-".to_owned(), |state| state.to_string());
        let answer = self.answer.as_ref().and_then(|read| read.get("outcome")?.as_str()).unwrap_or("none read");
        [
            self.queue.to_string(),
            one_line(self.key.as_str()),
            self.note
                .as_ref()
                .map_or_else(|| self.found().to_owned(), |note| format!("{}: {}", self.found(), one_line(note))),
            state(self.was),
            state(self.next.as_ref().map(|next| next.state)),
            self.due().unwrap_or_else(|| "-".into()),
            one_line(answer),
        ]
    }
}

fn print(differences: &[Difference], arguments: &Arguments, global: &Global) -> Result<(), Failure> {
    if global.json {
        for difference in differences {
            line(difference.json(arguments.dry_run))?;
        }
        return Ok(());
    }
    if differences.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["queue", "key", "found", "was", "restored as", "due", "last response"]);
    for difference in differences {
        table.add_row(difference.row());
    }
    Ok(line(table)?)
}
