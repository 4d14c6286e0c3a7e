//! BeingFi Pay: divides a paid order, and makes receivers known. Its page has no query; vendors of the same family have one
//! for divisions, which an account may name (`split_query_path`).

mod bind;
mod block;
mod query;
mod reply;
mod settings;
pub(crate) mod sign;

use std::time::Instant;

use bursar_domain::{Call, Kind, Outcome, ParsedResponse, Received};
use serde_json::Value;

pub use bind::{Bound, Receiver};
pub use block::BeingfiBlock;
pub use settings::{BeingfiSettings, Channel, RefusalTexts};

use crate::http::{Http, HttpOutcome, HttpResponse};
use crate::json::{RawObject, Unclear};
use crate::{
    BoxFuture, Gateway, GatewayRequest, ReceiverBinding, Secret, SettingsError, SharedParts, StatusQuery, clock,
    params, text,
};
use reply::{Envelope, Meaning};

/// One account at BeingFi.
pub struct Beingfi {
    http: Http,
    mch_no: String,
    app_id: String,
    secret: Secret,
    channel: Option<Channel>,
    query_path: Option<String>,
    texts: RefusalTexts,
}

/// The reason why a division that is reported as done needs review.
const NO_BATCH: &str = "done, and no batch is named: perhaps no one was paid";

/// The same where the channel is known to answer so only then (Jeepay's `WxpayDivisionService`, read 2026-11-29).
const DONE_AT_ONCE: &str =
    "done at once, which WeChat Pay's divisions never are: perhaps no one was paid and the order unfrozen";

impl Beingfi {
    /// Checks everything that the account needs. Connects nowhere yet.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first setting that cannot work and why.
    pub fn new(settings: BeingfiSettings) -> Result<Self, SettingsError> {
        Self::sharing(settings, &SharedParts::default())
    }

    /// The same for one account of many, which has the parts in common with them that are made of the same settings.
    ///
    /// # Errors
    /// As for [`Beingfi::new`].
    pub fn sharing(settings: BeingfiSettings, parts: &SharedParts) -> Result<Self, SettingsError> {
        for (setting, value) in [("mch_no", &settings.mch_no), ("app_id", &settings.app_id)] {
            if value.is_empty() {
                return Err(SettingsError::new(setting, "must not be empty"));
            }
        }
        let secret = settings.secret.of_file();
        if secret.expose().is_empty() {
            return Err(SettingsError::new("secret_file", "is empty"));
        }
        if settings.split_query_path.as_deref().is_some_and(|path| !query::is_path(path)) {
            return Err(SettingsError::new("split_query_path", "must be a path: /api/division/query"));
        }
        let http = Http::new(&settings.transport, parts)?;
        let BeingfiSettings { transport: _, mch_no, app_id, secret: _, channel, split_query_path, texts } = settings;
        Ok(Self { http, mch_no, app_id, secret, channel, query_path: split_query_path, texts })
    }

    async fn bind_once(&self, receiver: &Receiver) -> Bound {
        let params = receiver.fields().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.bind_outcome(&self.call("/api/division/receiver/bind", params, None).await, receiver)
    }

    /// The outcome of a bind whose whole answer is `body` with HTTP 200. Pure: nothing is sent.
    #[must_use]
    pub fn understand_bind(&self, receiver: &Receiver, body: &str) -> Bound {
        self.bind_outcome(&answered(body), receiver)
    }

    fn bind_outcome(&self, http_outcome: &HttpOutcome, receiver: &Receiver) -> Bound {
        let personal = receiver.personal();
        let hidden: Vec<&Secret> = personal.iter().chain([&self.secret]).collect();
        match reply::open(http_outcome, &self.secret, &self.texts, &hidden) {
            Envelope::Nothing(parsed) if parsed.outcome == Outcome::NotExecuted => Bound::Rejected(parsed),
            Envelope::Nothing(parsed) => Bound::Unknown(parsed),
            Envelope::Rejected { meaning: Meaning::Misconfigured, parsed } => {
                Bound::Rejected(ParsedResponse { outcome: Outcome::Misconfigured, ..parsed })
            }
            Envelope::Rejected { meaning: Meaning::Rejected, parsed } => {
                Bound::Rejected(ParsedResponse { outcome: Outcome::Rejected, ..parsed })
            }
            Envelope::Rejected { meaning: Meaning::NotExecuted, parsed } => {
                Bound::Rejected(ParsedResponse { outcome: Outcome::NotExecuted, ..parsed })
            }
            Envelope::Rejected {
                meaning:
                    Meaning::NotDivisible | Meaning::NotReady | Meaning::Handled | Meaning::NotFound | Meaning::InDoubt,
                parsed,
            } => Bound::Unknown(parsed),
            Envelope::Taken { data, parsed } => bound(&data, parsed, &hidden),
        }
    }

    async fn divide(&self, request: &GatewayRequest) -> ParsedResponse {
        if request.kind != Kind::Split {
            return ParsedResponse::of(Outcome::Misconfigured, "BeingFi takes splits only: nothing was sent");
        }
        let Some(params) = content_params(&request.content) else {
            return ParsedResponse::of(Outcome::Misconfigured, "the stored content is not an object: nothing was sent");
        };
        self.divide_outcome(&self.call("/api/division/exec", params, request.send_by).await, request)
    }

    /// The outcome for `request` where the whole answer to `call` is `body` with HTTP 200. Pure: nothing is sent.
    #[must_use]
    pub fn understand(&self, call: Call, request: &GatewayRequest, body: &str) -> ParsedResponse {
        match call {
            Call::Send => self.divide_outcome(&answered(body), request),
            Call::Query => self.query_outcome(&answered(body), request),
        }
    }

    fn divide_outcome(&self, http_outcome: &HttpOutcome, request: &GatewayRequest) -> ParsedResponse {
        match reply::open(http_outcome, &self.secret, &self.texts, &[&self.secret]) {
            Envelope::Nothing(parsed) => parsed,
            Envelope::Rejected { meaning, parsed } => {
                ParsedResponse { outcome: refused(meaning, request.sent_before), ..parsed }
            }
            Envelope::Taken { data, parsed } => self.divided(&data, parsed),
        }
    }

    /// Queries once, by everything that is known of the division.
    async fn ask(&self, request: &GatewayRequest) -> ParsedResponse {
        let (Some(path), Some(question)) = (&self.query_path, query::question(request)) else {
            return ParsedResponse::of(
                Outcome::NoResponse,
                "BeingFi cannot be asked about this split: see its console",
            );
        };
        self.query_outcome(&self.call(path, question, None).await, request)
    }

    fn query_outcome(&self, http_outcome: &HttpOutcome, request: &GatewayRequest) -> ParsedResponse {
        let hidden = [&self.secret];
        match reply::open(http_outcome, &self.secret, &self.texts, &hidden) {
            Envelope::Nothing(parsed) => parsed,
            Envelope::Rejected { meaning, parsed } => ParsedResponse { outcome: query::refused(meaning), ..parsed },
            Envelope::Taken { data, parsed } => query::read(&data, parsed, request, &hidden),
        }
    }

    /// Code 0 is only the outer success: `state` decides (trap 39).
    fn divided(&self, data: &RawObject<'_>, mut parsed: ParsedResponse) -> ParsedResponse {
        let words = || -> Result<_, Unclear> {
            let numbers = (data.word("batchOrderId")?, data.word("channelBatchOrderId")?);
            Ok((data.word("state")?, data.word("errCode")?, data.word("errMsg")?, numbers))
        };
        let Ok((state, err_code, err_msg, (batch, channels))) = words() else {
            let message = Some("a field that decides occurs twice or cannot be read".into());
            return ParsedResponse { received: Received::Nothing, message, ..parsed };
        };
        let err_msg = err_msg.unwrap_or_default();
        // Where there is a query it takes BeingFi's own number, and would not know the channel's.
        let own = batch.or_else(|| channels.clone().filter(|_| self.query_path.is_none()));
        parsed.trade_no = own.and_then(|number| text::number(&number, &[&self.secret]));
        parsed.status = state.as_deref().map(|state| text::word(state, &[&self.secret]));
        let code = reply::channel_code(err_code.clone(), &err_msg);
        channel_said(&mut parsed, err_code, &err_msg, &[&self.secret]);
        match state.as_deref() {
            Some("1") => self.done(parsed, channels.as_deref()),
            // The server writes 2 for its own exceptions too, with the channel's work perhaps done.
            Some("2") if reply::channel_decided(code.as_deref(), &err_msg) => {
                ParsedResponse { outcome: Outcome::Failed, ..parsed }
            }
            Some("2") => ParsedResponse { outcome: Outcome::NoResponse, ..parsed },
            // 3 is in the source and not on the page; what is unknown is not failed (trap 40).
            Some(_) | None => ParsedResponse { outcome: Outcome::Accepted, ..parsed },
        }
    }

    /// "Done" is also the answer for an order from which no one was paid (trap 42): by Alipay's way without the channel's number, by
    /// WeChat Pay's with the number of the unfreezing.
    fn done(&self, parsed: ParsedResponse, channels: Option<&str>) -> ParsedResponse {
        let doubt = match (self.channel, channels) {
            (Some(Channel::Wxpay), _) => DONE_AT_ONCE,
            (Some(Channel::Alipay) | None, None) => NO_BATCH,
            (Some(Channel::Alipay) | None, Some(_)) => return ParsedResponse { outcome: Outcome::Succeeded, ..parsed },
        };
        ParsedResponse { outcome: Outcome::Mismatch, message: Some(doubt.into()), ..parsed }
    }

    /// Signs and posts one call. The only place that a BeingFi request leaves from.
    async fn call(&self, path: &str, mut params: Vec<(String, String)>, send_by: Option<Instant>) -> HttpOutcome {
        let now = clock::now().as_millisecond().to_string();
        for (name, value) in [
            ("mchNo", self.mch_no.as_str()),
            ("appId", &self.app_id),
            ("version", "1.0"),
            ("signType", "MD5"),
            ("reqTime", &now),
        ] {
            params.push((name.to_owned(), value.to_owned()));
        }
        let signature = sign::sign(&params, &self.secret);
        params.push(("sign".to_owned(), signature));
        let body = params::body(self.http.content_type(), &params);
        self.http.post(path, body, self.http.call_timeout(), send_by).await
    }
}

/// Code 0 is only the outer success: `bindState` 0 with it is a failure (trap 38).
fn bound(data: &RawObject<'_>, mut parsed: ParsedResponse, hidden: &[&Secret]) -> Bound {
    let word = |name: &str| data.word(name).ok().flatten();
    let state = word("bindState");
    parsed.status = state.as_deref().map(|state| text::word(state, hidden));
    let err_msg = word("errMsg").unwrap_or_default();
    channel_said(&mut parsed, word("errCode"), &err_msg, hidden);
    match (state.as_deref(), word("receiverId").and_then(|id| text::number(&id, hidden))) {
        (Some("1"), Some(receiver_id)) => {
            Bound::Done { receiver_id, parsed: ParsedResponse { outcome: Outcome::Succeeded, ..parsed } }
        }
        (Some("0"), None) => Bound::Rejected(ParsedResponse { outcome: Outcome::Failed, ..parsed }),
        _ => Bound::Unknown(parsed),
    }
}

fn channel_said(parsed: &mut ParsedResponse, err_code: Option<String>, err_msg: &str, hidden: &[&Secret]) {
    let code = reply::channel_code(err_code.clone(), err_msg).or(err_code);
    if let Some(code) = code {
        parsed.code = Some(format!("0/{}", text::word(&code, hidden)));
    }
    if !err_msg.is_empty() {
        parsed.message = Some(text::message(err_msg, hidden));
    }
}

fn answered(body: &str) -> HttpOutcome {
    HttpOutcome::Response(HttpResponse { http: 200, date: None, body: body.to_owned() })
}

/// The outcome of a refused split.
fn refused(meaning: Meaning, sent_before: bool) -> Outcome {
    match (meaning, sent_before) {
        (Meaning::NotDivisible, false) | (Meaning::NotReady, _) => Outcome::NotReady,
        // The first split may be why the repeat is refused: so it is in open-source Jeepay, which divides an order once
        // (`PayOrderDivisionProcessService`, read 2026-11-22), and no page says that BeingFi does.
        (Meaning::NotDivisible, true) | (Meaning::Handled, _) => Outcome::Accepted,
        (Meaning::NotExecuted, _) => Outcome::NotExecuted,
        (Meaning::Misconfigured, _) => Outcome::Misconfigured,
        (Meaning::Rejected, _) => Outcome::Rejected,
        (Meaning::NotFound | Meaning::InDoubt, _) => Outcome::NoResponse,
    }
}

/// The stored content as parameters, each a text: the server signs its own reading of them, in which a number and its
/// digits are the same. Empty ones are left out, as it leaves them out.
fn content_params(content: &str) -> Option<Vec<(String, String)>> {
    let object = RawObject::parse(content)?;
    let params = object.fields().filter_map(|(name, raw)| match serde_json::from_str(raw).ok()? {
        Value::String(text) => Some((name.to_owned(), text)),
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some((name.to_owned(), raw.to_owned()))
        }
    });
    Some(params.filter(|(_, value)| !value.is_empty()).collect())
}

impl Gateway for Beingfi {
    fn send<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(self.divide(request))
    }

    /// A repeated split is refused or divides again, and the answer shows in neither case how the first one ended.
    fn repeat_is_answered(&self) -> bool {
        false
    }

    fn query(&self) -> Option<&dyn StatusQuery> {
        self.query_path.is_some().then_some(self)
    }

    fn bind(&self) -> Option<&dyn ReceiverBinding> {
        Some(self)
    }
}

impl StatusQuery for Beingfi {
    fn covers(&self, request: &GatewayRequest) -> bool {
        self.query_path.is_some() && query::question(request).is_some()
    }

    fn status<'a>(&'a self, request: &'a GatewayRequest) -> BoxFuture<'a, ParsedResponse> {
        Box::pin(self.ask(request))
    }
}

impl ReceiverBinding for Beingfi {
    fn bind_receiver<'a>(&'a self, receiver: &'a Receiver) -> BoxFuture<'a, Bound> {
        Box::pin(self.bind_once(receiver))
    }
}
