//! YZT (银账通): signed calls to one address, distinguished by a method name.

mod balance;
mod block;
mod codes;
pub(crate) mod envelope;
mod masking;
mod notification;
mod reply;
pub(crate) mod request;
mod settings;
mod withdrawal;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bursar_domain::{Call, Kind, Outcome, ParsedResponse, Repetition};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use balance::{AccountSubType, Balance, BalanceQuery};
pub(crate) use block::PLATFORM_KEY;
pub use block::YztBlock;
pub use masking::masked;
pub use notification::{
    Described, MAX_NOTIFICATION_BYTES, Notification, NotificationError, NotificationReader, RecordStatus, SignRule,
};
pub use reply::BADLY_SIGNED;
pub use settings::{QueryKey, ResponseSign, SplitMethods, SubCodes, UnsignedErrors, UploadMethod, YztSettings};

use crate::http::{Http, HttpOutcome, HttpResponse};
use crate::rsa2::Verifier;
use crate::{
    BoxFuture, Gateway, GatewayRequest, Inquiry, Rate, RatePermit, SettingsError, SharedParts, StatusQuery, clock,
};
use reply::{OpenedReply, Reader};
use request::Caller;

/// The most of a job's numbers that one query tries, newest first: 翼码's own, the bank's, and one to spare.
const MAX_QUESTIONS: usize = 3;

/// The most reported mistake: every payment would be sent, and no answer to it believed.
const OWN_KEY: &str =
    "holds the app's own public key: the platform's is needed, which its console shows next to the upload of the app's";

/// One account at YZT.
pub struct Yzt {
    http: Http,
    pub(crate) caller: Caller,
    verifier: Option<Arc<Verifier>>,
    unsigned_errors: UnsignedErrors,
    query_key: QueryKey,
    upload_method: UploadMethod,
    split: Option<SplitMethods>,
    sub_codes: SubCodes,
    rate: Option<Arc<dyn Rate>>,
}

impl Yzt {
    /// Reads and checks everything that the account needs. Connects nowhere yet.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first setting that cannot work and why.
    pub fn new(settings: YztSettings) -> Result<Self, SettingsError> {
        Self::sharing(settings, &SharedParts::default())
    }

    /// The same for one account of many, which has the parts in common with them that are made of the same settings.
    ///
    /// # Errors
    /// As for [`Yzt::new`].
    pub fn sharing(settings: YztSettings, parts: &SharedParts) -> Result<Self, SettingsError> {
        let verifier = match &settings.response_sign {
            ResponseSign::Required(key) => Some(parts.verifier("platform_public_key_file", key)?),
            ResponseSign::Waived => None,
        };
        let split = settings.split;
        if split.as_ref().is_some_and(|split| split.apply.is_empty()) {
            return Err(SettingsError::new("split_method", "must not be empty: leave it out"));
        }
        if split.as_ref().is_some_and(|split| split.query.as_deref() == Some("")) {
            return Err(SettingsError::new("split_query_method", "must not be empty: leave it out"));
        }
        let http = Http::new(&settings.transport, parts)?;
        let signer = parts.signer("private_key_file", &settings.private_key)?;
        if verifier.as_ref().is_some_and(|verifier| signer.is_of(verifier)) {
            return Err(SettingsError::new("platform_public_key_file", OWN_KEY));
        }
        Ok(Self {
            http,
            caller: Caller::new(&settings.app_id, settings.app_auth_token.as_ref(), signer)?,
            verifier,
            unsigned_errors: settings.unsigned_errors,
            query_key: settings.query_key,
            upload_method: settings.upload_method,
            split,
            sub_codes: settings.sub_codes,
            rate: None,
        })
    }

    /// Has every request of a call beyond its first wait for its place in this rate.
    #[must_use]
    pub fn within(self, rate: Arc<dyn Rate>) -> Self {
        Self { rate: Some(rate), ..self }
    }

    /// For one more request of a call that has made one.
    async fn acquire(&self, kind: Kind, by: Instant) -> RatePermit {
        match &self.rate {
            Some(rate) => rate.acquire(kind, by.into_std()).await,
            None => RatePermit::Taken,
        }
    }

    async fn ask_balance(&self, query: &BalanceQuery) -> Result<Balance, Box<ParsedResponse>> {
        const METHOD: &str = "merchant.balanceQuery";
        let http_outcome = self.call(METHOD, &query.content(), self.http.call_timeout(), None).await;
        let reply = match self.reader().read(&http_outcome, METHOD, clock::now()) {
            OpenedReply::Reply(reply) => reply,
            OpenedReply::Unusable(parsed) => return Err(Box::new(parsed)),
        };
        match (reply.class, &reply.data) {
            (codes::CodeClass::Done, Some(data)) => Balance::read(data, &reply.parsed).map_err(|_| {
                Box::new(ParsedResponse::of(Outcome::NoResponse, "an amount occurs twice or cannot be read"))
            }),
            _ => Err(Box::new(self.reader().unanswered(reply))),
        }
    }

    /// Signs and posts one call. The only place that a YZT request leaves from.
    async fn call(
        &self,
        method: &str,
        content: &str,
        limit: Duration,
        send_by: Option<std::time::Instant>,
    ) -> HttpOutcome {
        let timestamp = clock::yzt_stamp(clock::now());
        match self.caller.write(method, content, &timestamp, self.http.content_type()) {
            Some(body) => self.http.post("", body, limit, send_by).await,
            None => HttpOutcome::NotExecuted { http: None, why: "the request could not be signed".into() },
        }
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            verifier: self.verifier.as_deref(),
            unsigned_errors: self.unsigned_errors,
            sub_codes: &self.sub_codes,
            secrets: self.caller.token().into_iter().collect(),
        }
    }

    /// The reader of responses to sends. An unsigned error that is believed has its send made again, so it is believed of no kind
    /// whose second send is a second payment.
    fn reader_of_sends(&self, kind: Kind) -> Reader<'_> {
        match kind.repetition() {
            Repetition::Harmless | Repetition::ByAccount => self.reader(),
            Repetition::PaysAgain => Reader { unsigned_errors: UnsignedErrors::Doubt, ..self.reader() },
        }
    }

    fn send_method(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Transfer => Some("bkfunds.balance.pay.apply"),
            Kind::BillUpload => Some(match self.upload_method {
                UploadMethod::FundsBillUpload => "funds.bill.upload",
                UploadMethod::BkfundsOrderUpload => "bkfunds.order.upload",
            }),
            Kind::Split => self.split.as_ref().map(|split| split.apply.as_str()),
            Kind::Withdrawal => Some(withdrawal::METHOD),
        }
    }

    fn query_method(&self, kind: Kind) -> Option<&str> {
        match kind {
            Kind::Transfer => Some("bkfunds.balance.pay.query"),
            Kind::BillUpload | Kind::Withdrawal => None, // no page describes one
            Kind::Split => self.split.as_ref()?.query.as_deref(),
        }
    }

    /// The text that a send of `request` is signed over at a moment of GMT+8 (`2026-01-02 15:04:05`); `None` for a kind that the account
    /// cannot send. Pure: nothing is signed or sent.
    #[must_use]
    pub fn signing_content(&self, request: &GatewayRequest, timestamp: &str) -> Option<String> {
        Some(self.caller.signing_content(self.send_method(request.kind)?, &wire_content(request)?, timestamp))
    }

    /// The outcome for `request` where the whole answer to `call` is `body` with HTTP 200. Pure: nothing is sent.
    #[must_use]
    pub fn understand(&self, call: Call, request: &GatewayRequest, body: &str) -> ParsedResponse {
        let method = match call {
            Call::Send => self.send_method(request.kind),
            Call::Query => self.query_method(request.kind),
        };
        let http_outcome = HttpOutcome::Response(HttpResponse { http: 200, date: None, body: body.to_owned() });
        let reader = match call {
            Call::Send => self.reader_of_sends(request.kind),
            Call::Query => self.reader(),
        };
        match reader.read(&http_outcome, method.unwrap_or_default(), clock::now()) {
            OpenedReply::Reply(reply) => match call {
                Call::Send => reader.sent(reply, request),
                Call::Query => reader.read_query(reply, request),
            },
            OpenedReply::Unusable(parsed) => parsed,
        }
    }

    async fn send_once(&self, request: &GatewayRequest) -> ParsedResponse {
        let Some(method) = self.send_method(request.kind) else {
            return ParsedResponse::of(Outcome::Misconfigured, "this account has no split_method: nothing was sent");
        };
        let Some(content) = wire_content(request) else {
            return ParsedResponse::of(Outcome::Misconfigured, "the stored content has no amount: nothing was sent");
        };
        let http_outcome = self.call(method, &content, self.http.call_timeout(), request.send_by).await;
        let reader = self.reader_of_sends(request.kind);
        match reader.read(&http_outcome, method, clock::now()) {
            OpenedReply::Reply(reply) => reader.sent(reply, request),
            OpenedReply::Unusable(parsed) => parsed,
        }
    }

    /// Queries by the newest number and falls back to older ones only when the gateway did answer and did not know. All
    /// questions together take no longer than one call, and each has its place in the account's rate.
    async fn query_each(&self, request: &GatewayRequest) -> ParsedResponse {
        let (Some(method), questions) = (self.query_method(request.kind), self.questions(request)) else {
            return ParsedResponse::of(Outcome::NoResponse, "the gateway cannot be asked about this kind of job");
        };
        let end = Instant::now() + self.http.call_timeout();
        let mut kept: Option<ParsedResponse> = None;
        for (number, content) in questions.into_iter().enumerate() {
            let permit = if number > 0 { self.acquire(request.kind, end).await } else { RatePermit::Taken };
            let left = end.saturating_duration_since(Instant::now());
            if permit == RatePermit::NotInTime || left.is_zero() {
                let why = "there was no time to ask by each number";
                return kept
                    .filter(|kept| kept.outcome == Outcome::NoResponse)
                    .unwrap_or(ParsedResponse::of(Outcome::NoResponse, why));
            }
            let http_outcome = self.call(method, &content, left, None).await;
            let parsed = match self.reader().read(&http_outcome, method, clock::now()) {
                OpenedReply::Reply(reply) => self.reader().read_query(reply, request),
                OpenedReply::Unusable(parsed) => {
                    return kept.filter(|kept| kept.outcome == Outcome::NoResponse).unwrap_or(parsed);
                }
            };
            match (parsed.outcome, &kept) {
                // "Never seen" counts only when every number says so.
                (Outcome::NotFound, Some(_)) => {}
                (Outcome::NotFound, None) | (Outcome::NoResponse, _) => kept = Some(parsed),
                _ => return parsed,
            }
        }
        kept.unwrap_or_else(|| ParsedResponse::of(Outcome::NoResponse, "no trade_no is known to ask by"))
    }

    /// The contents of the queries to make, in turn.
    fn questions(&self, request: &GatewayRequest) -> Vec<String> {
        let node_id =
            serde_json::from_str::<Value>(&request.content).ok().and_then(|content| content.get("node_id").cloned());
        let question = |trade_no: Option<&str>, key: Option<&str>| {
            let mut fields = serde_json::Map::new();
            fields.extend(node_id.clone().map(|node_id| ("node_id".to_owned(), node_id)));
            fields.extend(key.map(|key| ("platform_no".to_owned(), json!(key))));
            fields.extend(trade_no.map(|trade_no| ("trade_no".to_owned(), json!(trade_no))));
            Value::Object(fields).to_string()
        };
        let key = match self.query_key {
            QueryKey::TradeNo => None,
            QueryKey::PlatformNo | QueryKey::Both => Some(request.key.as_str()),
        };
        let numbers: Vec<&String> = match self.query_key {
            QueryKey::PlatformNo => Vec::new(),
            QueryKey::TradeNo | QueryKey::Both => request.trade_nos.iter().rev().take(MAX_QUESTIONS).collect(),
        };
        match (numbers.is_empty(), key) {
            (true, None) => Vec::new(),
            (true, Some(key)) => vec![question(None, Some(key))],
            (false, key) => numbers.into_iter().map(|number| question(Some(number), key)).collect(),
        }
    }
}

/// The content as it goes out: the stored bytes, but for the one method that has another unit. `None` where it cannot be written.
fn wire_content(request: &GatewayRequest) -> Option<Cow<'_, str>> {
    match request.kind {
        Kind::BillUpload | Kind::Transfer | Kind::Split => Some(Cow::Borrowed(&request.content)),
        Kind::Withdrawal => withdrawal::in_yuan(&request.content).map(Cow::Owned),
    }
}

impl Gateway for Yzt {
    fn send<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(self.send_once(request))
    }

    /// A repeated apply is answered with the trade's status (inferred from the key's name, not
    /// promised by its page: an account that has not tried it should hold).
    fn repeat_is_answered(&self) -> bool {
        true
    }

    fn query(&self) -> Option<&dyn StatusQuery> {
        Some(self)
    }

    fn balance(&self) -> Option<&dyn Inquiry> {
        Some(self)
    }
}

impl StatusQuery for Yzt {
    fn covers(&self, request: &GatewayRequest) -> bool {
        let keyed = match self.query_key {
            QueryKey::TradeNo => !request.trade_nos.is_empty(),
            QueryKey::PlatformNo | QueryKey::Both => true,
        };
        keyed && self.query_method(request.kind).is_some()
    }

    fn status<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(self.query_each(request))
    }
}

impl Inquiry for Yzt {
    fn balance_of<'a>(&'a self, query: &'a BalanceQuery) -> BoxFuture<'a, Result<Balance, Box<ParsedResponse>>> {
        Box::pin(self.ask_balance(query))
    }
}
