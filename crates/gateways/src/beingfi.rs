//! BeingFi Pay: divides a paid order once, and makes receivers known. It can be asked about neither.

mod bind;
mod reading;
pub(crate) mod sign;

use std::time::Instant;

use bursar_domain::{Answer, Kind, Reading, Received};
use serde_json::Value;

pub use bind::{Bound, Receiver};

use crate::http::{Answered, Heard, Http, too_late};
use crate::json::{RawObject, Unclear};
use crate::settings::{BeingfiSettings, ContentType};
use crate::yzt::request::{form, json};
use crate::{BoxFuture, Gateway, Order, Secret, SettingsError, clock, text};
use reading::{Meaning, Spoken};

/// One account at BeingFi.
pub struct Beingfi {
    http: Http,
    mch_no: String,
    app_id: String,
    secret: Secret,
}

impl Beingfi {
    /// Checks everything that the account needs. Connects nowhere yet.
    ///
    /// # Errors
    /// [`SettingsError`], naming the first setting that cannot work and why.
    pub fn new(settings: BeingfiSettings) -> Result<Self, SettingsError> {
        for (setting, value) in [("mch_no", &settings.mch_no), ("app_id", &settings.app_id)] {
            if value.is_empty() {
                return Err(SettingsError::new(setting, "must not be empty"));
            }
        }
        let secret = settings.secret.of_file();
        if secret.expose().is_empty() {
            return Err(SettingsError::new("secret_file", "is empty"));
        }
        let http = Http::new(&settings.transport)?;
        Ok(Self { http, mch_no: settings.mch_no, app_id: settings.app_id, secret })
    }

    /// Binds a receiver. One request, never repeated by itself, whatever happens to it.
    pub async fn bind(&self, receiver: &Receiver) -> Bound {
        let params = receiver.fields().iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        self.bind_heard(&self.call("/api/division/receiver/bind", params, None).await, receiver)
    }

    /// What `body` tells about a bind, had it come with HTTP 200 as the whole answer. Pure: nothing is sent.
    #[must_use]
    pub fn understand_bind(&self, receiver: &Receiver, body: &str) -> Bound {
        self.bind_heard(&answered(body), receiver)
    }

    fn bind_heard(&self, heard: &Heard, receiver: &Receiver) -> Bound {
        let personal = receiver.personal();
        let hidden: Vec<&Secret> = personal.iter().chain([&self.secret]).collect();
        match reading::open(heard, &self.secret, &hidden) {
            Spoken::Nothing(reading) if reading.answer == Answer::NotExecuted => Bound::Refused(reading),
            Spoken::Nothing(reading) => Bound::Unknown(reading),
            Spoken::Refused { meaning: Meaning::ConfigFault, reading } => {
                Bound::Refused(Reading { answer: Answer::ConfigFault, ..reading })
            }
            Spoken::Refused { meaning: Meaning::Refused, reading } => {
                Bound::Refused(Reading { answer: Answer::Refused, ..reading })
            }
            Spoken::Refused { meaning: Meaning::NotDivisible | Meaning::Running | Meaning::InDoubt, reading } => {
                Bound::Unknown(reading)
            }
            Spoken::Taken { data, reading } => bound(data.as_ref(), reading, &hidden),
        }
    }

    async fn divide(&self, order: &Order) -> Reading {
        match order.kind {
            Kind::Split => {}
            Kind::BillUpload | Kind::Transfer => {
                return Reading::of(Answer::ConfigFault, "BeingFi takes splits only: nothing was sent");
            }
        }
        let Some(params) = content_params(&order.content) else {
            return Reading::of(Answer::ConfigFault, "the stored content is not an object: nothing was sent");
        };
        self.divide_heard(&self.call("/api/division/exec", params, order.send_by).await, order)
    }

    /// What `body` tells about `order`, had it come with HTTP 200 as the whole answer to a send. Pure: nothing is sent.
    #[must_use]
    pub fn understand(&self, order: &Order, body: &str) -> Reading {
        self.divide_heard(&answered(body), order)
    }

    fn divide_heard(&self, heard: &Heard, order: &Order) -> Reading {
        match reading::open(heard, &self.secret, &[&self.secret]) {
            Spoken::Nothing(reading) => reading,
            Spoken::Refused { meaning, reading } => Reading { answer: refused(meaning, order.sent_before), ..reading },
            Spoken::Taken { data: None, mut reading } => {
                reading.answer = Answer::Accepted;
                reading
            }
            Spoken::Taken { data: Some(data), reading } => self.divided(&data, reading),
        }
    }

    /// Code 0 is only the outer success: `state` decides (trap 39).
    fn divided(&self, data: &RawObject<'_>, mut reading: Reading) -> Reading {
        let words = || -> Result<_, Unclear> {
            Ok((data.word("state")?, data.word("errCode")?, data.word("errMsg")?, data.word("channelBatchOrderId")?))
        };
        let Ok((state, err_code, err_msg, batch)) = words() else {
            let message = Some("a field that decides stands twice or cannot be read".into());
            return Reading { received: Received::Nothing, message, ..reading };
        };
        let err_msg = err_msg.unwrap_or_default();
        reading.trade_no = batch.and_then(|batch| text::number(&batch, &[&self.secret]));
        reading.status = state.as_deref().map(|state| text::word(state, &[&self.secret]));
        let code = reading::channel_code(err_code.clone(), &err_msg);
        channel_said(&mut reading, err_code, &err_msg, &[&self.secret]);
        reading.answer = match state.as_deref() {
            Some("1") => Answer::Succeeded,
            // The server writes 2 for an exception of its own too, with the channel's work perhaps done.
            Some("2") if reading::channel_decided(code.as_deref(), &err_msg) => Answer::Failed,
            Some("2") => Answer::Silent,
            // 3 is in the source and not on the page; what is unknown is not failed (trap 40).
            Some(_) | None => Answer::Accepted,
        };
        reading
    }

    /// Signs and posts one call. The only place that a BeingFi request leaves from.
    async fn call(&self, path: &str, mut params: Vec<(String, String)>, send_by: Option<Instant>) -> Heard {
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
        let body = match self.http.content_type() {
            ContentType::Form => form(&params),
            ContentType::Json => json(&params),
        };
        match too_late(send_by) {
            Some(heard) => heard,
            None => self.http.post(path, body, self.http.call_timeout()).await,
        }
    }
}

/// Code 0 is only the outer success: `bindState` 0 beside it is a failure (trap 38).
fn bound(data: Option<&RawObject<'_>>, mut reading: Reading, hidden: &[&Secret]) -> Bound {
    let word = |name: &str| data.and_then(|data| data.word(name).ok().flatten());
    let state = word("bindState");
    reading.status = state.as_deref().map(|state| text::word(state, hidden));
    let err_msg = word("errMsg").unwrap_or_default();
    channel_said(&mut reading, word("errCode"), &err_msg, hidden);
    match (state.as_deref(), word("receiverId").and_then(|id| text::number(&id, hidden))) {
        (Some("1"), Some(receiver_id)) => {
            Bound::Done { receiver_id, reading: Reading { answer: Answer::Succeeded, ..reading } }
        }
        (Some("0"), None) => Bound::Refused(Reading { answer: Answer::Failed, ..reading }),
        _ => Bound::Unknown(reading),
    }
}

fn channel_said(reading: &mut Reading, err_code: Option<String>, err_msg: &str, hidden: &[&Secret]) {
    let code = reading::channel_code(err_code.clone(), err_msg).or(err_code);
    if let Some(code) = code {
        reading.code = Some(format!("0/{}", text::word(&code, hidden)));
    }
    if !err_msg.is_empty() {
        reading.message = Some(text::message(err_msg, hidden));
    }
}

fn answered(body: &str) -> Heard {
    Heard::Answer(Answered { http: 200, date: None, body: body.to_owned() })
}

/// What a refusal means for a split.
fn refused(meaning: Meaning, sent_before: bool) -> Answer {
    match (meaning, sent_before) {
        (Meaning::NotDivisible, false) => Answer::NotReady,
        // An order is divided at most once: what refuses the repeat is the first one's work
        // (Jeepay's `PayOrderDivisionProcessService`, read 2026-11-22).
        (Meaning::NotDivisible, true) | (Meaning::Running, _) => Answer::Accepted,
        (Meaning::ConfigFault, _) => Answer::ConfigFault,
        (Meaning::Refused, _) => Answer::Refused,
        (Meaning::InDoubt, _) => Answer::Silent,
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
    fn send<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Reading> {
        Box::pin(self.divide(order))
    }

    fn ask<'a>(&'a self, _order: &'a Order) -> BoxFuture<'a, Reading> {
        Box::pin(async { Reading::of(Answer::Silent, "BeingFi cannot be asked about a split: see its console") })
    }

    fn can_ask(&self, _order: &Order) -> bool {
        false
    }

    /// A repeated split is refused, which does not tell how the first one ended.
    fn resend_tells(&self) -> bool {
        false
    }
}
