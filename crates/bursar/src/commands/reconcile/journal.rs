//! Compares Redis with journals, and puts back what it has forgotten.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, bail};
use bursar_domain::{
    Facts, JobView, Key, Lane, Millis, Names, Next, Policy, Reason, Received, RestoredFromJournal, State, Subject,
    about, recalled,
};
use bursar_gateways::{Gateway, Order, SharedParts};
use bursar_store::{PutBack, Record, Remembered, Standing, Store};
use comfy_table::{Table, presets};
use serde_json::{Map, Value, json};

use super::Arguments;
use super::memory::{Known, Memory, Sends};
use crate::cli::{Exit, Global};
use crate::commands::bind::Misuse;
use crate::journals;
use crate::output::{line, one_line};
use crate::session::Session;
use crate::work::gateway;

/// Records that are read at once.
const BATCH: usize = 500;

/// How often a job is put back anew when it changes under our hands.
const TRIES: usize = 5;

/// One difference, and what was done about it.
struct Difference {
    lane: Lane,
    key: Key,
    standing: Standing,
    /// As Redis had it.
    was: Option<State>,
    /// As it stands now, or would.
    next: Option<Next>,
    /// What else was done.
    note: Option<String>,
    /// The gateway's last answer to a send, as the journals have it.
    answer: Option<Value>,
}

/// What both sides of the comparison of one lane need.
struct Reconciler<'a> {
    store: &'a Store,
    memory: &'a Memory,
    arguments: &'a Arguments,
    lane: &'a Lane,
    gateway: Arc<dyn Gateway>,
    policy: Policy,
    now: Millis,
}

pub(super) async fn run(session: &Session, arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let memory = Memory::of(&arguments.journal)?;
    if memory.files.is_empty() {
        bail!(Misuse("there is no journal in what --journal names".into()));
    }
    let mut differences = Vec::new();
    let (mut jobs, mut unknown) = (0, Vec::new());
    let (lanes, parts) = (session.config.lanes(), SharedParts::default());
    for (lane, known) in &memory.lanes {
        jobs += known.len();
        let Some(account) = session.config.accounts.get(&lane.account).filter(|_| lanes.contains(lane)) else {
            unknown.push(format!(
                "{} jobs of {lane}, which the configuration does not have: name that account, reconcile again, and hand its jobs on by `bursar adopt` if it has another name now",
                known.len()
            ));
            continue;
        };
        let reconciler = Reconciler {
            store: &session.store,
            memory: &memory,
            arguments,
            lane,
            gateway: gateway(lane.account.as_str(), account, &parts)?,
            policy: account.policy.for_kind(lane.kind),
            now: session.store.now().await?,
        };
        differences.extend(reconciler.lane(known).await?);
    }
    if !arguments.dry_run {
        settle(session, &memory, unknown.is_empty()).await?;
    }
    print(&differences, arguments, global)?;
    for complaint in memory.complaints.iter().chain(&unknown) {
        eprintln!("bursar: {complaint}");
    }
    let done = if arguments.dry_run { "would be put back" } else { "put back" };
    let put_back = differences.iter().filter(|difference| difference.next.is_some()).count();
    eprintln!(
        "bursar: {jobs} jobs in {} journals; {} differ, {put_back} {done}",
        memory.files.len(),
        differences.len()
    );
    let agree = differences.is_empty() && memory.complaints.is_empty() && unknown.is_empty();
    Ok(if agree { Exit::Done } else { Exit::No })
}

/// From now on this Redis knows what these journals know: workers that have sent nothing because of them go on. Last of all, so
/// that a process that dies before it leaves them waiting.
///
/// Jobs of an account that the configuration does not have are not put back, and its producer may repeat them under a new name: then
/// files of another Redis stay unsettled.
async fn settle(session: &Session, memory: &Memory, all_known: bool) -> anyhow::Result<()> {
    let store = &session.store;
    for lane in session.config.lanes() {
        if let Some(epoch) = memory.epochs.get(&lane) {
            store.settle_lane(&lane, *epoch).await?;
        }
    }
    // An empty Redis is one that Bursar has come to now: a person has said so by putting its jobs back.
    store.incarnate(&journals::fresh()).await?;
    if all_known {
        store.settle_incarnations(&memory.incarnations).await?;
    }
    Ok(())
}

impl Reconciler<'_> {
    async fn lane(&self, known: &BTreeMap<Key, Known>) -> anyhow::Result<Vec<Difference>> {
        let mut differences = Vec::new();
        let all: Vec<(&Key, &Known)> = known.iter().collect();
        for batch in all.chunks(BATCH) {
            let keys: Vec<Key> = batch.iter().map(|(key, _)| (*key).clone()).collect();
            let records = self.store.jobs(self.lane, &keys).await?;
            let records: HashMap<&Key, &Record> = records.iter().map(|record| (&record.key, record)).collect();
            for (key, known) in batch {
                if let Some(sends) = known.sends() {
                    differences.extend(self.job(key, known, &sends, records.get(key).copied()).await?);
                }
            }
        }
        Ok(differences)
    }

    /// Looks at one job until it agrees, or has been put back.
    async fn job(
        &self,
        key: &Key,
        known: &Known,
        sends: &Sends,
        record: Option<&Record>,
    ) -> anyhow::Result<Option<Difference>> {
        let mut record = record.cloned();
        for _ in 0..TRIES {
            let standing = Standing::of(record.as_ref(), &sends.last.hash, sends.fence, sends.sends);
            let difference = |next, note| Difference {
                lane: self.lane.clone(),
                key: key.clone(),
                standing,
                was: record.as_ref().map(|record| record.state),
                next,
                note,
                answer: known.answer().cloned(),
            };
            let is_its_own = record.as_ref().is_some_and(|record| record.hash == sends.last.hash);
            if is_its_own && standing == Standing::Agrees {
                return Ok(None);
            }
            let content = self.content(sends)?;
            let trade_nos = known.trade_nos(record.as_ref().map_or(&[], |record| &record.trade_nos));
            let remembered = Remembered {
                hash: &sends.last.hash,
                content: &content,
                about: &about(self.lane.kind, key, &content),
                fence: sends.highest_fence,
                sends: sends.sends,
                resends: sends.resends,
                first_sent: sends.first,
                last_sent: sends.last_at(),
                trade_nos: &trade_nos,
            };
            match standing {
                Standing::Agrees => {
                    let rival = self.rival(key, &remembered).await?;
                    return Ok(rival.map(|rival| difference(None, Some(rival))));
                }
                Standing::Missing | Standing::Behind | Standing::OtherContent | Standing::EndedUnsent => {}
            }
            let next = self.next(standing, key, sends, record.as_ref(), &content, &trade_nos);
            if self.arguments.dry_run {
                return Ok(Some(difference(Some(next), None)));
            }
            let was = record.as_ref().map(|record| record.state);
            let event = RestoredFromJournal {
                at: Millis::default(),
                operator: self.arguments.who.clone(),
                was,
                sends: sends.sends,
                // One of a newer build is in the journal still.
                response: known.answer().and_then(|read| serde_json::from_value(read.clone()).ok()),
                more: Map::new(),
            };
            match self.store.put_back(self.lane, key, record.as_ref(), &remembered, &next, event).await? {
                PutBack::Done => return Ok(Some(difference(Some(next), None))),
                PutBack::Beside(other) => {
                    let note = format!("about the same thing as {other}");
                    let next = Next::review(Reason::RestoredBesideAnotherJob { key: other });
                    return Ok(Some(difference(Some(next), Some(note))));
                }
                PutBack::Changed => record = self.store.job(self.lane, key).await?,
            }
        }
        bail!("job {key} in {} changes while it is put back: stop the workers, then try again", self.lane)
    }

    /// A record that says nothing of what was sent by its key does not keep another key from the same order. Puts that one before a
    /// person, and tells of it.
    async fn rival(&self, key: &Key, remembered: &Remembered<'_>) -> anyhow::Result<Option<String>> {
        if self.arguments.dry_run {
            return Ok(None);
        }
        let rival = self.store.set_rival_aside(self.lane, key, remembered, &self.arguments.who).await?;
        Ok(rival.map(|rival| format!("{rival}, about the same thing, was put before a person")))
    }

    fn content(&self, sends: &Sends) -> anyhow::Result<String> {
        let path = self.memory.files.get(sends.last.file).context("a journal is gone")?;
        let content = bursar_journal::content_at(path, sends.last.place)
            .with_context(|| format!("cannot read the journal {}", path.display()))?;
        content.with_context(|| format!("{} has changed while it was read", path.display()))
    }

    /// What the rules make of it.
    fn next(
        &self,
        standing: Standing,
        key: &Key,
        sends: &Sends,
        record: Option<&Record>,
        content: &str,
        trade_nos: &[String],
    ) -> Next {
        let is_its_own = record.is_none_or(|record| record.hash == sends.last.hash);
        if standing == Standing::OtherContent || (standing == Standing::EndedUnsent && !is_its_own) {
            return Next::review(Reason::OtherContentInJournal);
        }
        // It ended as never executed in a Redis that had forgotten a send: somebody acted on that.
        if standing == Standing::EndedUnsent {
            return Next::review(Reason::RestoredFromJournal);
        }
        let order = Order {
            kind: self.lane.kind,
            key: key.to_string(),
            content: content.into(),
            trade_nos: trade_nos.to_vec(),
            sent_before: true,
            send_by: None,
        };
        let facts = Facts {
            state: State::InDoubt,
            sends: sends.sends,
            resends: sends.resends.max(record.map_or(0, |record| record.resends)),
            asks: record.map_or(0, |record| record.asks),
            losses: 0,
            first_sent: Some(sends.first),
            last_sent: Some(sends.last_at()),
            sent_before: None,
            ordered: None,
            late_response: None,
            can_ask: self.gateway.can_ask(&order),
            names: Names::Nothing,
            received: Received::Nothing,
            not_ready: false,
            resend_tells: self.gateway.resend_tells(),
            next_day: Subject::of(self.lane.kind, content).next_day,
            seed: key.seed(),
        };
        recalled(&facts, &self.policy, self.now)
    }
}

impl Difference {
    fn found(&self) -> &'static str {
        match self.standing {
            Standing::Agrees => "agrees",
            Standing::Missing => "missing",
            Standing::Behind => "behind",
            Standing::OtherContent => "other content",
            Standing::EndedUnsent => "ended, and a send is known",
        }
    }

    fn due(&self) -> Option<String> {
        match self.next.as_ref()?.due {
            bursar_domain::Due::Send(at) | bursar_domain::Due::Ask(at) => JobView::time(Some(at)),
            bursar_domain::Due::Never => None,
        }
    }

    fn reason(&self) -> Option<&Reason> {
        self.next.as_ref()?.reason.as_ref()
    }

    fn json(&self, dry_run: bool) -> Value {
        json!({
            "account": self.lane.account, "kind": self.lane.kind, "platform_no": self.key, "found": self.found(),
            "was": self.was, "state": self.next.as_ref().map(|next| next.state), "due_at": self.due(),
            "reason": self.reason().map(Reason::view), "note": self.note, "last_response": self.answer, "dry_run": dry_run,
        })
    }

    fn row(&self) -> [String; 7] {
        let state = |state: Option<State>| state.map_or_else(|| "-".to_owned(), |state| state.to_string());
        let answer = self.answer.as_ref().and_then(|read| read.get("outcome")?.as_str()).unwrap_or("none read");
        [
            self.lane.to_string(),
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

fn print(differences: &[Difference], arguments: &Arguments, global: &Global) -> anyhow::Result<()> {
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
    table.set_header(["lane", "key", "found", "was", "put back as", "due", "last response"]);
    for difference in differences {
        table.add_row(difference.row());
    }
    Ok(line(table)?)
}
