//! One account: a gateway's credentials, and how patient to be with it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bursar_domain::{AccountName, Confirm, FairOrder, GatewayKind, OnAmbiguous, Policy};
use bursar_gateways::{
    BeingfiBlock, Channel, ContentType, GatewayBlock, QueryKey, RefusalTexts, ResponseSign, SplitMethods, SubCodes,
    TooManyRequests, UnsignedErrors, UploadMethod, YztBlock,
};

use super::balance::{self, Balance};
use super::fair;
use super::notify::{self, Notify};
use super::rules::{self, DAY, HOUR, MINUTE, SECOND, SHORTEST};
use super::section::{Notes, Section};
use super::source::Table;

/// How often the identical bytes may go out again by themselves, at most. More would hide a gateway that is down.
const MAX_RESENDS: u32 = 10;

/// Calls a second that no gateway of this kind takes.
const MAX_RATE: f64 = 10_000.0;

/// The longest deadline: a job that nothing was heard of for so long is nobody's any more.
const LONGEST_DEADLINE: Duration = DAY.saturating_mul(90);

/// `[accounts.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Account {
    /// Which gateway, with what only it needs.
    pub(crate) gateway: GatewayBlock,
    /// Where requests are posted to.
    pub(crate) base_url: String,
    /// The name of what stands there, where workers reach it by different addresses.
    pub(crate) environment: Option<String>,
    /// Whether that may be unencrypted.
    pub(crate) plain_http: PlainHttp,
    /// A private certificate authority to trust besides the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// How parameters are written.
    pub(crate) content_type: ContentType,
    /// What an HTTP 429 means for a send.
    pub(crate) http_429: TooManyRequests,
    /// The longest wait for a connection.
    pub(crate) connect_timeout: Duration,
    /// The longest wait for a whole call.
    pub(crate) call_timeout: Duration,
    /// How long an idle connection may be kept for another request; zero for never.
    pub(crate) keep_alive: Duration,
    /// Calls a second over all replicas; 0 for no limit.
    pub(crate) rate_per_second: f64,
    /// Which jobs of a queue share its turns.
    pub(crate) fair_order: FairOrder,
    /// Waits, deadlines and bounds.
    pub(crate) policy: Policy,
    /// How the gateway's notifications are treated.
    pub(crate) notify: Notify,
    /// The balance that is asked for, if one is.
    pub(crate) balance: Option<Balance>,
}

/// Whether a gateway may be spoken to without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    /// On this machine only.
    LoopbackOnly,
    /// Anywhere: somebody else encrypts the way, or it is a test.
    Anywhere,
}

/// Keys that mean nothing to the other gateway.
const YZT_ONLY: [&str; 18] = [
    "private_key_file",
    "platform_public_key_file",
    "require_response_sign",
    "unsigned_errors",
    "confirm",
    "app_auth_token_file",
    "query_key",
    "upload_method",
    "split_method",
    "split_query_method",
    "final_sub_codes",
    "duplicate_sub_codes",
    "not_executed_sub_codes",
    "unseen_sub_codes",
    "poll_deadline_t1",
    "party_types",
    "additional_kinds",
    "max_amount", // a split at BeingFi is in shares of an order
];
const BEINGFI_ONLY: [&str; 12] = [
    "mch_no",
    "secret_file",
    "not_ready_wait",
    "channel",
    "split_query_path",
    "in_doubt_texts",
    "final_texts",
    "duplicate_texts",
    "not_ready_texts",
    "not_executed_texts",
    "config_fault_texts",
    "unseen_texts",
];

/// Reads every account; one whose gateway is unknown is noted and left out.
pub(super) fn read_all(section: Section<'_>) -> BTreeMap<AccountName, Account> {
    let (sections, notes) = section.into_sections();
    sections.into_iter().filter_map(|(name, table)| read(&name, table, notes)).collect()
}

fn read(name: &str, table: Table, notes: &mut Notes) -> Option<(AccountName, Account)> {
    let mut section = Section::new(format!("accounts.{name}"), table, notes);
    let parsed = name.parse::<AccountName>().map_err(|error| section.wrong_name(&error.to_string())).ok();
    let gateways = [("yzt", Some(GatewayKind::Yzt)), ("beingfi", Some(GatewayKind::Beingfi))];
    // Without its gateway nothing can be said about an account's other keys.
    let account = match section.require("gateway", rules::word(&gateways))? {
        GatewayKind::Yzt => read_account(&mut section, read_yzt),
        GatewayKind::Beingfi => read_account(&mut section, read_beingfi),
    };
    section.finish();
    Some((parsed?, account))
}

/// Reads what both gateways need, and by `read_gateway` what only this one does.
fn read_account(section: &mut Section<'_>, read_gateway: fn(&mut Section<'_>, &mut Policy) -> GatewayBlock) -> Account {
    let mut policy = read_policy(section);
    let gateway = read_gateway(section, &mut policy);
    let (notify, balance) = match &gateway {
        GatewayBlock::Yzt(_) => (Notify::read(section), Balance::read(section)),
        GatewayBlock::Beingfi(_) => (Notify::default(), None),
    };
    let content_types = [("form", ContentType::Form), ("json", ContentType::Json)];
    let plain_http = match section.read("allow_http", rules::flag) {
        Some(true) => PlainHttp::Anywhere,
        Some(false) | None => PlainHttp::LoopbackOnly,
    };
    let http_429 = match section.read("http_429_not_executed", rules::flag) {
        Some(true) => TooManyRequests::NotExecuted,
        Some(false) | None => TooManyRequests::InDoubt,
    };
    Account {
        gateway,
        base_url: section.require("base_url", rules::base_url(plain_http)),
        environment: section.read("environment", rules::name),
        plain_http,
        ca_file: section.read("ca_file", rules::file),
        content_type: section.read("content_type", rules::word(&content_types)).unwrap_or_default(),
        http_429,
        connect_timeout: section.read("connect_timeout", rules::duration(SHORTEST..=MINUTE)).unwrap_or(SECOND * 5),
        call_timeout: section.read("call_timeout", rules::duration(SHORTEST..=MINUTE * 10)).unwrap_or(SECOND * 30),
        keep_alive: section.read("keep_alive", rules::duration(Duration::ZERO..=MINUTE)).unwrap_or(Duration::ZERO),
        rate_per_second: section.read("rate_per_second", rules::number(0.0..=MAX_RATE)).unwrap_or(10.0),
        fair_order: fair::read(section),
        policy,
        notify,
        balance,
    }
}

/// The waits and bounds of both gateways; the defaults are the domain's.
fn read_policy(section: &mut Section<'_>) -> Policy {
    let default = Policy::default();
    let policies = [("resend", OnAmbiguous::Resend), ("hold", OnAmbiguous::Hold)];
    let deadline = || rules::duration(SHORTEST..=LONGEST_DEADLINE);
    Policy {
        on_ambiguous: section.read("on_ambiguous", rules::word(&policies)).unwrap_or(default.on_ambiguous),
        resend_after: section.read("resend_after", rules::duration(SHORTEST..=DAY)).unwrap_or(default.resend_after),
        resend_max: section.read("resend_max", rules::whole(0..=MAX_RESENDS)).unwrap_or(default.resend_max),
        poll: section.read("poll", rules::durations(SHORTEST..=DAY)).unwrap_or(default.poll),
        poll_deadline: section.read("poll_deadline", deadline()).unwrap_or(default.poll_deadline),
        poll_deadline_t1: default.poll_deadline_t1,
        retry_initial: section.read("retry_initial", rules::duration(SHORTEST..=HOUR)).unwrap_or(default.retry_initial),
        not_ready_wait: default.not_ready_wait,
        retry_max: section.read("retry_max", rules::duration(SHORTEST..=DAY)).unwrap_or(default.retry_max),
        retry_deadline: section.read("retry_deadline", deadline()).unwrap_or(default.retry_deadline),
        confirm: default.confirm,
        max_amount: default.max_amount,
        manual_resend: default.manual_resend,
    }
}

fn read_yzt(section: &mut Section<'_>, policy: &mut Policy) -> GatewayBlock {
    section.refuse(&BEINGFI_ONLY, "is a key of gateway beingfi, and this account's gateway is yzt");
    let query_keys = [("trade_no", QueryKey::TradeNo), ("platform_no", QueryKey::PlatformNo), ("both", QueryKey::Both)];
    let upload_methods = [
        ("funds.bill.upload", UploadMethod::FundsBillUpload),
        ("bkfunds.order.upload", UploadMethod::BkfundsOrderUpload),
    ];
    let deadline_t1 = section.read("poll_deadline_t1", rules::duration(SHORTEST..=LONGEST_DEADLINE));
    policy.poll_deadline_t1 = deadline_t1.unwrap_or(policy.poll_deadline_t1);
    policy.max_amount = section.read("max_amount", rules::fen).or(policy.max_amount);
    let confirms = Confirm::ALL.map(|confirm| (confirm.as_str(), confirm));
    policy.confirm = section.read("confirm", rules::word(&confirms)).unwrap_or(policy.confirm);
    let split = section.read("split_method", rules::text);
    let split_query = section.read("split_query_method", rules::text);
    if split.is_none() && split_query.is_some() {
        section.wrong("split_query_method", "has no meaning without split_method");
    }
    GatewayBlock::Yzt(YztBlock {
        app_id: section.require("app_id", rules::text),
        private_key_file: section.require("private_key_file", rules::file),
        response_sign: read_response_sign(section),
        unsigned_errors: read_unsigned_errors(section, policy.on_ambiguous),
        app_auth_token_file: section.read("app_auth_token_file", rules::file),
        query_key: section.read("query_key", rules::word(&query_keys)).unwrap_or_default(),
        upload_method: section.read("upload_method", rules::word(&upload_methods)).unwrap_or_default(),
        split: split.map(|apply| SplitMethods { apply, query: split_query }),
        sub_codes: SubCodes {
            refused: section.read("final_sub_codes", rules::texts).unwrap_or_default(),
            duplicate: section.read("duplicate_sub_codes", rules::texts).unwrap_or_default(),
            not_executed: section.read("not_executed_sub_codes", rules::texts).unwrap_or_default(),
            unseen: section.read("unseen_sub_codes", rules::texts).unwrap_or_default(),
        },
        party_types: section.read("party_types", rules::party_types).unwrap_or_default(),
        additional_kinds: section
            .read("additional_kinds", rules::additional_kinds(GatewayKind::Yzt))
            .unwrap_or_default(),
    })
}

/// The platform's key may stay where it is while its use is switched off.
fn read_response_sign(section: &mut Section<'_>) -> ResponseSign<PathBuf> {
    match section.read("require_response_sign", rules::flag) {
        Some(true) | None => ResponseSign::Required(section.require("platform_public_key_file", rules::file)),
        Some(false) => {
            let _unused: Option<PathBuf> = section.read("platform_public_key_file", rules::file);
            ResponseSign::Waived
        }
    }
}

/// Believed, an unsigned error has its send made again: an account that never sends twice by itself must not believe it.
fn read_unsigned_errors(section: &mut Section<'_>, on_ambiguous: OnAmbiguous) -> UnsignedErrors {
    let words = [UnsignedErrors::Doubt, UnsignedErrors::Believe].map(|word| (word.as_str(), word));
    let unsigned_errors = section.read("unsigned_errors", rules::word(&words)).unwrap_or_default();
    if (unsigned_errors, on_ambiguous) == (UnsignedErrors::Believe, OnAmbiguous::Hold) {
        section.wrong(
            "unsigned_errors",
            "must be \"doubt\" where on_ambiguous is \"hold\": what is believed is sent again",
        );
    }
    unsigned_errors
}

fn read_beingfi(section: &mut Section<'_>, policy: &mut Policy) -> GatewayBlock {
    for keys in [&YZT_ONLY[..], &notify::KEYS, &balance::KEYS] {
        section.refuse(keys, "is a key of gateway yzt, and this account's gateway is beingfi");
    }
    let not_ready_wait = section.read("not_ready_wait", rules::duration(SHORTEST..=DAY));
    policy.not_ready_wait = not_ready_wait.unwrap_or(policy.not_ready_wait);
    let channels = [("wxpay", Channel::Wxpay), ("alipay", Channel::Alipay)];
    GatewayBlock::Beingfi(BeingfiBlock {
        mch_no: section.require("mch_no", rules::text),
        app_id: section.require("app_id", rules::text),
        secret_file: section.require("secret_file", rules::file),
        channel: section.read("channel", rules::word(&channels)),
        split_query_path: section.read("split_query_path", rules::path),
        texts: RefusalTexts {
            in_doubt: read_texts(section, "in_doubt_texts"),
            refused: read_texts(section, "final_texts"),
            duplicate: read_texts(section, "duplicate_texts"),
            not_ready: read_texts(section, "not_ready_texts"),
            not_executed: read_texts(section, "not_executed_texts"),
            config_fault: read_texts(section, "config_fault_texts"),
            unseen: read_texts(section, "unseen_texts"),
        },
    })
}

/// Parts of a gateway's messages: a part of one or two characters would fit any of them.
fn read_texts(section: &mut Section<'_>, key: &'static str) -> Vec<String> {
    section.read(key, rules::parts_of_messages).unwrap_or_default()
}
