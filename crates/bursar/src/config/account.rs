//! One account: a gateway's address and credentials, and the policy of its sends and queries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bursar_domain::{AccountName, FairBy, FairOrder, GatewayKind, OnAmbiguous, Policy, Zone};
use bursar_gateways::{Authorities, ContentType, GatewayBlock, TooManyRequests};
use toml::Table as Toml;

use super::beingfi::BeingfiKeys;
use super::fault::Fault;
use super::rules::{DAY, HOUR, MINUTE, Rule, SECOND, SHORTEST, duration, durations, flag, number, whole, word};
use super::section::Section;
use super::source::Table;
use super::table::{Keys, Row, Setting, section};
use super::texts::{self, base_url, file, parsed};
use super::yzt::{Balance, Notify, YztKeys};

/// Automatic resends at most. More would hide a gateway that is down.
const MAX_RESENDS: u32 = 10;

/// Calls a second that no gateway of this kind takes.
const MAX_RATE: f64 = 10_000.0;

/// The longest deadline. A job that was silent for so long belongs to an operator.
pub(super) const LONGEST_DEADLINE: Duration = DAY.saturating_mul(90);

/// The lightest and the heaviest group: beyond that, one group's jobs would never be sent, or no other group's.
const WEIGHTS: std::ops::RangeInclusive<f64> = 0.001..=1_000.0;

/// The most groups with a weight: every claim names them all.
const MAX_WEIGHTS: usize = 100;

/// The longest name of a group, in characters. A longer one is cut in a job, so it would never match.
const MAX_GROUP_CHARS: usize = 64;

/// `[accounts.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    /// The keys that all gateways share.
    pub(crate) keys: AccountKeys,
    own: OwnKeys,
    /// The gateway, with what only it needs.
    pub(crate) gateway: GatewayBlock,
    /// Waits, deadlines and bounds.
    pub(crate) policy: Policy,
    /// The order of each queue's sends.
    pub(crate) fair_order: FairOrder,
    /// The treatment of the gateway's notifications.
    pub(crate) notify: Notify,
    /// The balance that is queried, if one is.
    pub(crate) balance: Option<Balance>,
}

section! {
    /// An account: a merchant at a gateway. Jobs name it.
    pub(crate) struct AccountKeys {
        /// The gateway's address. Must be https unless the gateway is on this machine, or `allow_http` is set. YZT's test environment is
        /// `https://fzxt-yzt-openapi.imageco.cn`.
        base_url: String = base_url(), required("https://gateway.example.com");
        /// The name of the environment behind `base_url`. Set it if workers reach one gateway by different addresses, for example a proxy per
        /// site. A queue remembers it with `app_id` (without it: `base_url`), and a worker with another one leaves the queue alone. Jobs
        /// that are submitted with this configuration carry it in their records.
        environment: Option<String> = texts::name(), optional("production");
        /// Use keys that every user of this machine can read. Without it such a key is refused: the files that sign payments belong to
        /// Bursar's user alone (mode 0600), or to another user and a group of Bursar's (0440, as Kubernetes mounts them with `fsGroup`).
        allow_readable_keys: ReadableKeys = flag(ReadableKeys::Used, ReadableKeys::Refused), default(ReadableKeys::Refused);
        /// The account's time zone, by its IANA name: a day of `bursar report`, of the API's and of the dashboard's is a day there.
        time_zone: Zone = texts::time_zone(), default(Zone::default());
        /// # Connections
        /// Allow http beyond this machine. Only for tests, or where something else encrypts the way.
        allow_http: PlainHttp = flag(PlainHttp::Anywhere, PlainHttp::LoopbackOnly), default(PlainHttp::LoopbackOnly);
        /// Trust this certificate authority (PEM) besides the system's.
        ca_file: Option<PathBuf> = file(), optional("ca.pem");
        /// Trust the authority of `ca_file` alone: a certificate by any public authority is refused. Ask the gateway for its authority, and
        /// for word before it changes.
        ca_only: Authorities = flag(Authorities::Only, Authorities::Also), default(Authorities::Also);
        /// The encoding of parameters.
        content_type: ContentType = word(&[("form", ContentType::Form), ("json", ContentType::Json)]), default(ContentType::default());
        /// The longest wait for a connection (name, TCP and TLS). Half of `call_timeout` if that is shorter.
        connect_timeout: Duration = duration(SHORTEST..=MINUTE), default(SECOND * 5);
        /// The longest wait for a whole call.
        call_timeout: Duration = duration(SHORTEST..=MINUTE * 10), default(SECOND * 30);
        /// A connection that has carried a response may be idle for this time before it carries another request. `"0s"` gives each request a
        /// separate connection: no payment then meets a connection that is just being closed and becomes `in_doubt` for it, and none
        /// gets another request's response.
        ///
        /// A longer time saves handshakes. Set it at least a second shorter than the shortest idle time of everything on the way (balancers
        /// often have 2 s, Node.js 5 s), and only if the gateway is known to answer each request exactly once.
        keep_alive: Duration = duration(Duration::ZERO..=MINUTE), default(Duration::ZERO);
        /// Set `true` only if the server that answers HTTP 429 is known to stand before the gateway and to pass nothing on. A 429 then means:
        /// not executed.
        http_429_not_executed: TooManyRequests = flag(TooManyRequests::NotExecuted, TooManyRequests::InDoubt), default(TooManyRequests::default());
        /// # Sends with an unknown outcome
        /// `"hold"`: query where the gateway can be queried, else wait for an operator. `"resend"`: after `resend_after`, send the identical
        /// bytes again, at most `resend_max` times. Use it only if you have seen that the gateway recognises a repeated job (RUNBOOK, "Does
        /// the gateway honour repeated keys?"): no page of either gateway promises it. It applies to kinds that move money. A bill upload
        /// moves none and is sent again either way.
        ///
        /// At BeingFi try it with one order first. BeingFi is made from Jeepay, whose open-source version divides an order once, whatever is
        /// repeated; its commercial version divides again at each call. BeingFi's page tells neither.
        on_ambiguous: OnAmbiguous = word(&[("resend", OnAmbiguous::Resend), ("hold", OnAmbiguous::Hold)]), default(OnAmbiguous::default());
        /// A request may still take effect for this time after it was sent. Set it longer than `call_timeout` and a third of `worker.lease`
        /// together.
        resend_after: Duration = duration(SHORTEST..=DAY), default(Policy::default().resend_after);
        /// The most automatic resends.
        resend_max: u32 = whole(0..=MAX_RESENDS), default(Policy::default().resend_max);
        /// # Rate and fairness
        /// Requests a second over all replicas, fractions allowed. 0 for no limit. A call that makes several requests (a query by up to three
        /// numbers) counts each.
        rate_per_second: f64 = number(0.0..=MAX_RATE), default(10.0);
        /// Groups share the rate fairly: while jobs wait, each group has its turns, and a group with a thousand jobs does not delay another
        /// group's first one. `"payer"`: one group per payer (`payer_store_no`, `payer_merchant_id`; `store_id` of a bill). `"none"`: no
        /// groups, jobs are sent in the order in which they are due. Any other text is the name of a field of the body whose value is the
        /// group.
        fair_by: FairBy = fair_by(), default(FairBy::default());
        /// Groups that get more turns than others, or fewer: a weight of 3 gives three times the turns of a group without one. 0.001 to 1000,
        /// for at most 100 groups: `{ amy99a = 3, amy99b = 0.5 }`. In the environment: `amy99a=3,amy99b=0.5`.
        fair_weights: BTreeMap<String, f64> = number(WEIGHTS), entries(());
        /// # Queries
        /// The waits between queries for an accepted job. The last one repeats until `poll_deadline`; then the job needs review. 1 to 100 waits
        /// of 1ms to 1d.
        poll: Vec<Duration> = durations(SHORTEST..=DAY), default(Policy::default().poll);
        /// An accepted job is queried for this time after its first send.
        poll_deadline: Duration = duration(SHORTEST..=LONGEST_DEADLINE), default(Policy::default().poll_deadline);
        /// # Retries
        /// The first wait before a retry of a send that was certainly not executed. Waits double up to `retry_max`, and each is a random part
        /// of that.
        retry_initial: Duration = duration(SHORTEST..=HOUR), default(Policy::default().retry_initial);
        /// The longest such wait.
        retry_max: Duration = duration(SHORTEST..=DAY), default(Policy::default().retry_max);
        /// Retries end this long after the first send. Then the job has failed.
        retry_deadline: Duration = duration(SHORTEST..=LONGEST_DEADLINE), default(Policy::default().retry_deadline);
    }
}

fn fair_by() -> Rule<FairBy> {
    let words = "\"payer\", \"none\" or the name of a field";
    parsed(words, |text| Ok(FairBy::read(&text)), |by| by.to_string().into())
}

/// The treatment of keys that every user of the machine can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadableKeys {
    /// They sign nothing.
    Refused,
    /// They are used, and named.
    Used,
}

/// The permission to speak to a gateway without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    /// On this machine only.
    LoopbackOnly,
    /// Anywhere: something else encrypts the way, or it is a test.
    Anywhere,
}

/// The keys that only the account's gateway has, as they are configured.
#[derive(Clone, Debug, PartialEq)]
enum OwnKeys {
    Yzt(Box<YztKeys>),
    Beingfi(Box<BeingfiKeys>),
}

const GATEWAYS: &[(&str, Option<GatewayKind>)] =
    &[("yzt", Some(GatewayKind::Yzt)), ("beingfi", Some(GatewayKind::Beingfi))];

/// The row of the key that decides which other keys an account has.
pub(super) fn gateway_row(gateway: GatewayKind) -> Row {
    let setting = Setting::Required(gateway.as_str().into());
    Row { name: "gateway", doc: &[], rule: word(GATEWAYS).words.into(), setting }
}

/// Reads every account; one whose gateway is unknown is noted and left out.
pub(super) fn read_all(section: Section<'_>) -> BTreeMap<AccountName, Account> {
    let (sections, folder, faults) = section.into_sections();
    sections.into_iter().filter_map(|(name, table)| read(&name, table, folder, faults)).collect()
}

fn read(name: &str, table: Table, folder: &Path, faults: &mut Vec<Fault>) -> Option<(AccountName, Account)> {
    let mut section = Section::new(format!("accounts.{name}"), table, folder, faults);
    let parsed = name.parse::<AccountName>().map_err(|error| section.wrong_name(&error.to_string())).ok();
    // Without its gateway nothing can be said about an account's other keys.
    let kind = section.require("gateway", || word(GATEWAYS))?;
    let account = Account::read(&mut section, kind);
    section.finish();
    Some((parsed?, account))
}

impl Account {
    fn read(section: &mut Section<'_>, kind: GatewayKind) -> Self {
        let keys = AccountKeys::read(section);
        if keys.allow_http == PlainHttp::LoopbackOnly && texts::is_exposed(&keys.base_url) {
            section.wrong("base_url", "must be https unless it is on this machine (or allow_http = true)");
        }
        if keys.ca_only == Authorities::Only && !section.has("ca_file") {
            section.wrong("ca_only", texts::CA_ONLY);
        }
        let mut policy = keys.policy();
        let (own, gateway, notify, balance) = match kind {
            GatewayKind::Yzt => {
                refuse::<BeingfiKeys, YztKeys>(
                    section,
                    "is a key of gateway beingfi, and this account's gateway is yzt",
                );
                let keys = YztKeys::read(section);
                let gateway = GatewayBlock::Yzt(keys.block(section, &mut policy));
                let (notify, balance) = (keys.notify(), keys.balance(section));
                (OwnKeys::Yzt(Box::new(keys)), gateway, notify, balance)
            }
            GatewayKind::Beingfi => {
                refuse::<YztKeys, BeingfiKeys>(
                    section,
                    "is a key of gateway yzt, and this account's gateway is beingfi",
                );
                let keys = BeingfiKeys::read(section);
                let gateway = GatewayBlock::Beingfi(keys.block(&mut policy));
                (OwnKeys::Beingfi(Box::new(keys)), gateway, Notify::default(), None)
            }
        };
        let fair_order = keys.fair_order(section);
        Self { keys, own, gateway, policy, fair_order, notify, balance }
    }

    /// Adds every key that has a value.
    pub(super) fn show(&self, shown: &mut Toml) {
        shown.insert("gateway".to_owned(), self.gateway.kind().as_str().into());
        self.keys.show(shown);
        match &self.own {
            OwnKeys::Yzt(keys) => keys.show(shown),
            OwnKeys::Beingfi(keys) => keys.show(shown),
        }
    }
}

/// Refuses the keys that `Other` has and `Ours` has not.
fn refuse<Other: Keys, Ours: Keys>(section: &mut Section<'_>, rule: &str) {
    section.refuse(Other::NAMES.iter().copied().filter(|key| !Ours::NAMES.contains(key)), rule);
}

impl AccountKeys {
    /// The policy, with the domain's defaults for what only one gateway has.
    fn policy(&self) -> Policy {
        Policy {
            on_ambiguous: self.on_ambiguous,
            resend_after: self.resend_after,
            resend_max: self.resend_max,
            poll: self.poll.clone(),
            poll_deadline: self.poll_deadline,
            retry_initial: self.retry_initial,
            retry_max: self.retry_max,
            retry_deadline: self.retry_deadline,
            ..Policy::default()
        }
    }

    fn fair_order(&self, section: &mut Section<'_>) -> FairOrder {
        let weights = &self.fair_weights;
        let is_long = |group: &&String| group.chars().count() > MAX_GROUP_CHARS || group.chars().any(char::is_control);
        if let Some(group) = weights.keys().find(is_long) {
            let group = group.escape_debug();
            let rule = format!("must name groups of at most {MAX_GROUP_CHARS} characters: {group} is none");
            section.wrong("fair_weights", &rule);
        } else if weights.len() > MAX_WEIGHTS {
            section.wrong("fair_weights", &format!("must have at most {MAX_WEIGHTS} groups"));
        } else if self.fair_by == FairBy::Nothing && !weights.is_empty() {
            section.wrong("fair_weights", "has no meaning where fair_by is \"none\"");
        }
        FairOrder { by: self.fair_by.clone(), weights: weights.clone() }
    }
}
