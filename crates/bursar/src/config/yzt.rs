//! The keys of an account at YZT (银账通).

use std::path::PathBuf;
use std::time::Duration;

use bursar_domain::{
    AccountRules, Confirm, DEFAULT_MAX_AMOUNT, Fen, GatewayKind, Kind, KindSet, OnAmbiguous, PartyTypes, Policy,
};
use bursar_gateways::{
    AccountSubType, BalanceQuery, QueryKey, ResponseSign, SignRule, SplitMethods, SubCodes, UnsignedErrors,
    UploadMethod, YztBlock,
};

use super::account::LONGEST_DEADLINE;
use super::redis_url::ReceiverUrl;
use super::rules::{DAY, HOUR, Read, Rule, SECOND, SHORTEST, as_described, duration, flag, positive, word};
use super::section::Section;
use super::table::{Keys, section};
use super::texts::{file, listed, party_types, receiver_url, text, texts};

section! {
    /// An account at YZT (银账通). Have one per merchant; its name is the one that jobs carry.
    pub(crate) struct YztKeys {
        /// # Credentials
        /// The app's id. Write it in quotes: its 27 digits are not a number.
        app_id: String = text(), required("202404221232028501746384896");
        /// The app's private key: PKCS#8 or PKCS#1, PEM or bare base64.
        private_key_file: PathBuf = file(), required("app.pem");
        /// The platform's public key, which verifies responses. Required unless `require_response_sign = false`.
        platform_public_key_file: Option<PathBuf> = file(), needed("platform.pub.pem");
        /// The token of a merchant that authorised the app.
        app_auth_token_file: Option<PathBuf> = file(), optional("app_auth_token");
        /// Set `false` only for a tenant whose responses the platform does not sign. Then only TLS protects them.
        require_response_sign: bool = flag(true, false), default(true);
        /// The meaning of an error without a signature, where responses must be signed. `"doubt"`: none, because the call may have been
        /// executed. `"believe"`: if its code is one that the gateway raises before it looks at a payment (busy, clock, rights), the call was
        /// not executed and may be sent again. Anyone on the way can write such an error. Only with `on_ambiguous = "resend"`.
        unsigned_errors: UnsignedErrors = word(UNSIGNED_ERRORS), default(UnsignedErrors::default());
        /// # Transfers and bills
        /// Confirm a transfer's final response by one query: the response to a send names neither key nor amount, a query's names both.
        /// `"failures"`: failed and refunded, after which a producer pays by another way. `"always"`: success as well. `"never"`: only the
        /// connection says which transfer a response is about. Without a number to query by, the job needs review.
        confirm: Confirm = word(CONFIRM), default(Confirm::default());
        /// The largest amount of one job, in fen. Set it to the most that you pay. The default is ten million yuan.
        max_amount: Fen = fen(), default(DEFAULT_MAX_AMOUNT);
        /// The account types that a transfer's `payer_type` and `payee_type` may have. The gateway's page has "1" and "2".
        party_types: PartyTypes = party_types(), default(PartyTypes::default());
        /// Transfers that arrive on the next working day (T1) are queried for this time after their first send: holidays lie in between.
        poll_deadline_t1: Duration = duration(SHORTEST..=LONGEST_DEADLINE), default(Policy::default().poll_deadline_t1);
        /// The key of status queries. `"trade_no"` is documented; `"platform_no"` and `"both"` need YZT's confirmation that they work.
        query_key: QueryKey = word(QUERY_KEYS), default(QueryKey::default());
        /// The method that uploads bills: the name on the gateway's page, or the one in that page's example.
        upload_method: UploadMethod = word(UPLOAD_METHODS), default(UploadMethod::default());
        /// The method of splits through YZT's generic apply. No page describes it: only for those who have its description.
        split_method: Option<String> = text(), optional("bkfunds.split.apply");
        /// The method of the query that belongs to it.
        split_query_method: Option<String> = text(), optional("bkfunds.split.query");
        /// Kinds of job that the account takes besides the usual ones: `["withdrawal"]`. YZT cannot tell a second withdrawal from a repeated one,
        /// so each is sent at most once, whatever `on_ambiguous` says. Every producer of the account may withdraw then. Try it with one yuan first.
        additional_kinds: KindSet = additional_kinds(), default(KindSet::NONE);
        /// # Sub-codes
        /// Sub-codes that mean: refused for good, certainly not executed. In these four lists name sub-codes whose meaning YZT has confirmed to
        /// you, besides those that Bursar knows. A code in no list leaves its job in doubt.
        final_sub_codes: Vec<String> = texts(), default(Vec::new());
        /// Sub-codes that mean: the gateway has this `platform_no` already.
        duplicate_sub_codes: Vec<String> = texts(), default(Vec::new());
        /// Sub-codes that mean: certainly not executed, worth another try.
        not_executed_sub_codes: Vec<String> = texts(), default(Vec::new());
        /// Sub-codes by which a query says that there is no such job.
        unseen_sub_codes: Vec<String> = texts(), default(Vec::new());
        /// # Notifications
        /// The rule of the signatures of notifications, which the gateway posts to `/notify/ACCOUNT`. No page tells it. `"auto"` tries both and
        /// logs which one fits: then pin that one, `"a"` (all parameters but `sign`) or `"b"` (all but `sign` and `sign_type`).
        notify_sign_rule: Option<SignRule> = word(SIGN_RULES), default(None);
        /// Methods that are expected besides `bkfunds.acct.transfer.notify`: `METHOD`, or `METHOD KIND POINTER` if the content names a job by its
        /// `platform_no` or its business key at this JSON pointer: `["bkfunds.order.notify bill_upload /order_id"]`. Other notifications are
        /// held for an operator.
        notify_methods: Vec<NotifyMethod> = notify_methods(), default(Vec::new());
        /// An older notification is held for an operator: it may be the replay of one that was removed since. The gateway delivers within 9
        /// minutes.
        notify_max_age: Duration = duration(HOUR..=DAY * 365), default(DAY);
        /// Deliver notifications with their whole content to this address, as webhooks. Left out, they are only stored.
        notify_callback_url: Option<ReceiverUrl> = receiver_url(), optional("https://shop.example/credits");
        /// # Balance
        /// Query the balance (`merchant.balanceQuery`) this often, for metrics and alerts: once by all workers together, within
        /// `rate_per_second`. Left out, it is never queried.
        balance_every: Option<Duration> = duration(SECOND..=HOUR), optional("5m");
        /// The institution, as in `bursar balance`.
        balance_node_id: Option<String> = text(), optional("00061783");
        /// 翼码's number of the merchant.
        balance_merchant_id: Option<i64> = id(), optional(1_000_000_000_926_i64);
        /// The merchant's own number of a store.
        balance_store_no: Option<String> = text(), optional("amy99a");
        /// The accounts: "collecting" if left out, "paying", or both. Each takes one query.
        balance_sub_types: Option<Vec<AccountSubType>> = sub_types(), optional(vec!["collecting", "paying"]);
        /// Alert when the available balance is below this many fen.
        balance_low: Option<Fen> = fen(), optional(10_000_000);
    }
}

const UNSIGNED_ERRORS: &[(&str, UnsignedErrors)] = &[
    (UnsignedErrors::Doubt.as_str(), UnsignedErrors::Doubt),
    (UnsignedErrors::Believe.as_str(), UnsignedErrors::Believe),
];
const CONFIRM: &[(&str, Confirm)] = &[
    (Confirm::Failures.as_str(), Confirm::Failures),
    (Confirm::Always.as_str(), Confirm::Always),
    (Confirm::Never.as_str(), Confirm::Never),
];
const QUERY_KEYS: &[(&str, QueryKey)] =
    &[("trade_no", QueryKey::TradeNo), ("platform_no", QueryKey::PlatformNo), ("both", QueryKey::Both)];
const UPLOAD_METHODS: &[(&str, UploadMethod)] =
    &[("funds.bill.upload", UploadMethod::FundsBillUpload), ("bkfunds.order.upload", UploadMethod::BkfundsOrderUpload)];
const SIGN_RULES: &[(&str, Option<SignRule>)] =
    &[("auto", None), (SignRule::A.as_str(), Some(SignRule::A)), (SignRule::B.as_str(), Some(SignRule::B))];

/// The treatment of notifications.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Notify {
    /// The rule of signatures; `None` for either.
    pub(crate) sign_rule: Option<SignRule>,
    /// The expected methods besides the documented one.
    pub(crate) methods: Vec<NotifyMethod>,
    /// The age from which a notification is held for an operator.
    pub(crate) max_age: Duration,
    /// The address that notifications are delivered to.
    pub(crate) callback_url: Option<ReceiverUrl>,
}

/// A balance that is queried.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Balance {
    /// The interval of queries, by all workers together.
    pub(crate) every: Duration,
    /// Whose balance, but for the type of account.
    pub(crate) query: BalanceQuery,
    /// The types of account.
    pub(crate) sub_types: Vec<AccountSubType>,
    /// The available balance below which it is low.
    pub(crate) low: Option<Fen>,
}

/// An expected notification: `METHOD`, or `METHOD KIND POINTER` for one that names a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NotifyMethod {
    /// The method.
    pub(crate) name: String,
    /// The kind of job that it names, and the place in its content (a JSON pointer).
    pub(crate) job: Option<(Kind, String)>,
}

impl YztKeys {
    /// The gateway's block. Sets the policies of which YZT alone has keys.
    pub(super) fn block(&self, section: &mut Section<'_>, policy: &mut Policy) -> YztBlock {
        policy.confirm = self.confirm;
        policy.max_amount = Some(self.max_amount);
        policy.poll_deadline_t1 = self.poll_deadline_t1;
        // A believed error has its send made again: an account that never resends must not believe it.
        if (self.unsigned_errors, policy.on_ambiguous) == (UnsignedErrors::Believe, OnAmbiguous::Hold) {
            let rule = "must be \"doubt\" where on_ambiguous is \"hold\": what is believed is sent again";
            section.wrong("unsigned_errors", rule);
        }
        if self.split_method.is_none() && self.split_query_method.is_some() {
            section.wrong("split_query_method", "has no meaning without split_method");
        }
        let query = self.split_query_method.clone();
        YztBlock {
            app_id: self.app_id.clone(),
            private_key_file: self.private_key_file.clone(),
            response_sign: self.response_sign(section),
            unsigned_errors: self.unsigned_errors,
            app_auth_token_file: self.app_auth_token_file.clone(),
            query_key: self.query_key,
            upload_method: self.upload_method,
            split: self.split_method.clone().map(|apply| SplitMethods { apply, query }),
            sub_codes: self.sub_codes(),
            party_types: self.party_types,
            additional_kinds: self.additional_kinds,
        }
    }

    pub(super) fn notify(&self) -> Notify {
        Notify {
            sign_rule: self.notify_sign_rule,
            methods: self.notify_methods.clone(),
            max_age: self.notify_max_age,
            callback_url: self.notify_callback_url.clone(),
        }
    }

    /// The sub-codes by their meaning.
    fn sub_codes(&self) -> SubCodes {
        SubCodes {
            refused: self.final_sub_codes.clone(),
            duplicate: self.duplicate_sub_codes.clone(),
            not_executed: self.not_executed_sub_codes.clone(),
            unseen: self.unseen_sub_codes.clone(),
        }
    }

    /// The platform's key may stay configured while its use is switched off.
    fn response_sign(&self, section: &mut Section<'_>) -> ResponseSign<PathBuf> {
        const FILE: &str = "platform_public_key_file";
        match (self.require_response_sign, &self.platform_public_key_file) {
            (false, _) => ResponseSign::Waived,
            (true, Some(file)) => ResponseSign::Required(file.clone()),
            (true, None) => {
                // A file that was given and is wrong is noted already.
                if !section.has(FILE) {
                    section.wrong(FILE, "is required");
                }
                ResponseSign::Required(PathBuf::new())
            }
        }
    }

    pub(super) fn balance(&self, section: &mut Section<'_>) -> Option<Balance> {
        if !section.has("balance_every") {
            for key in Self::NAMES.iter().filter(|key| key.starts_with("balance_")) {
                if section.has(key) {
                    section.wrong(key, "has no meaning without balance_every");
                }
            }
        }
        let query = BalanceQuery {
            account_sub_type: None,
            merchant_id: self.balance_merchant_id,
            sso_node_id: self.balance_node_id.clone(),
            store_no: self.balance_store_no.clone(),
        };
        let sub_types = self.balance_sub_types.clone().unwrap_or(vec![AccountSubType::Collecting]);
        Some(Balance { every: self.balance_every?, query, sub_types, low: self.balance_low })
    }
}

fn fen() -> Rule<Fen> {
    positive("a positive whole number of fen", Fen::new, |fen| fen.get())
}

/// A number that another party gave out.
fn id() -> Rule<i64> {
    positive("a positive whole number", Some, |id| *id)
}

/// One or both types of account, each once.
fn sub_types() -> Rule<Vec<AccountSubType>> {
    let make = |words: Vec<String>| {
        let named = |word: &String| AccountSubType::ALL.into_iter().find(|sub_type| sub_type.as_str() == word);
        let found: Option<Vec<AccountSubType>> = words.iter().map(named).collect();
        let is_once = |found: &Vec<AccountSubType>| match found.as_slice() {
            [] => false,
            [first, rest @ ..] => rest.len() < AccountSubType::ALL.len() && !rest.contains(first),
        };
        as_described(found.filter(is_once))
    };
    let show = |sub_types: &Vec<AccountSubType>| sub_types.iter().map(|one| one.as_str().to_owned()).collect();
    listed("a list of \"collecting\", \"paying\" or both", make, show)
}

/// Kinds of job that accounts at YZT take on request, each once.
fn additional_kinds() -> Rule<KindSet> {
    let make = |words: Vec<String>| {
        let offered = AccountRules::additional_kinds(GatewayKind::Yzt);
        let found = words.iter().try_fold(KindSet::NONE, |set, word| {
            let kind = offered.iter().find(|kind| kind.as_str() == word).filter(|kind| !set.has(**kind));
            kind.map(|kind| set.with(*kind))
        });
        let names: Vec<&str> = offered.iter().map(|kind| kind.as_str()).collect();
        found.ok_or_else(|| format!("must be a list of additional kinds, each once; there are: {}", names.join(", ")))
    };
    let show = |set: &KindSet| set.kinds().into_iter().map(|kind| kind.as_str().to_owned()).collect();
    listed("a list of additional kinds, each once: [\"withdrawal\"]", make, show)
}

fn notify_methods() -> Rule<Vec<NotifyMethod>> {
    let make = |texts: Vec<String>| texts.iter().map(|text| NotifyMethod::read(text)).collect();
    listed("a list of texts", make, |methods: &Vec<NotifyMethod>| methods.iter().map(NotifyMethod::shown).collect())
}

impl NotifyMethod {
    fn read(text: &str) -> Read<Self> {
        let example = "bkfunds.order.notify bill_upload /order_id";
        let rule = || format!("{text:?} must be METHOD or METHOD KIND POINTER, for example \"{example}\"");
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            [name] => Ok(Self { name: (*name).to_owned(), job: None }),
            [name, kind, pointer] if pointer.starts_with('/') => {
                let kind = kind.parse().map_err(|_| rule())?;
                Ok(Self { name: (*name).to_owned(), job: Some((kind, (*pointer).to_owned())) })
            }
            _ => Err(rule()),
        }
    }

    fn shown(&self) -> String {
        match &self.job {
            Some((kind, pointer)) => format!("{} {kind} {pointer}", self.name),
            None => self.name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_may_say_where_it_names_which_kind_of_job() {
        let read = NotifyMethod::read("bkfunds.order.notify bill_upload /data/order_id").unwrap();
        assert_eq!(read.job, Some((Kind::BillUpload, "/data/order_id".into())));
        assert_eq!(NotifyMethod::read("a.b").unwrap(), NotifyMethod { name: "a.b".into(), job: None });
        assert_eq!(read.shown(), "bkfunds.order.notify bill_upload /data/order_id");
        for wrong in ["", "a bill_upload", "a bill_upload order_id", "a invoice /id", "a transfer /id more"] {
            assert!(NotifyMethod::read(wrong).is_err(), "{wrong}");
        }
    }
}
