//! From an opened YZT answer to what it means for the job: by the class of its code, by what vouches for it, and by
//! which call it answers. No answer to a send is `NotFound`, no answer to a query is `Rejected`.

use bursar_domain::{ContentSummary, Fen, Kind, Names, Outcome, ParsedResponse, Received, Suspicion};
use jiff::{SignedDuration, Timestamp};

use super::codes::{self, CodeClass, Stage};
use super::envelope::{self, Envelope, Trust};
use crate::http::{HttpOutcome, HttpResponse};
use crate::json::{RawObject, Unclear};
use crate::rsa2::Verifier;
use crate::{GatewayRequest, Secret, SubCodes, UnsignedErrors, text};

/// The note on an answer that another key than the platform's has signed.
pub const BADLY_SIGNED: &str = "the answer's signature is not the platform's";

/// The gateway tolerates 10 minutes (docs/gateways/yzt.md). Half of it is no longer a matter of a slow network.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The keys and lists that this account's answers are read with.
pub(super) struct Reader<'a> {
    pub verifier: Option<&'a Verifier>,
    pub unsigned_errors: UnsignedErrors,
    pub sub_codes: &'a SubCodes,
    pub secrets: Vec<&'a Secret>,
}

/// The response to one request.
pub(super) enum OpenedReply<'a> {
    /// The gateway's own words.
    Reply(YztReply<'a>),
    /// Nothing of it: already understood.
    Unusable(ParsedResponse),
}

/// The gateway's own words, classified.
pub(super) struct YztReply<'a> {
    pub class: CodeClass,
    pub data: Option<RawObject<'a>>,
    /// Everything that goes on record but the answer and what `data` says.
    pub parsed: ParsedResponse,
    notes: Vec<String>,
    said: String,
}

impl Reader<'_> {
    /// Understands what came back from calling `method`.
    pub(super) fn read<'a>(&self, http_outcome: &'a HttpOutcome, method: &str, now: Timestamp) -> OpenedReply<'a> {
        let response = match http_outcome {
            HttpOutcome::NotExecuted { http, why } => return self.nothing(Outcome::NotExecuted, *http, why),
            HttpOutcome::NoResponse { http, why } => return self.nothing(Outcome::NoResponse, *http, why),
            HttpOutcome::Response(response) => response,
        };
        let opened = match envelope::open(&response.body, method, self.verifier) {
            Ok(opened) => opened,
            Err(why) => return self.nothing(Outcome::NoResponse, Some(response.http), &why),
        };
        match self.reply(opened, response, now) {
            Ok(reply) => OpenedReply::Reply(reply),
            Err(Unclear) => self.nothing(
                Outcome::NoResponse,
                Some(response.http),
                "a field that decides occurs twice or cannot be read",
            ),
        }
    }

    fn nothing(&self, outcome: Outcome, http: Option<u16>, why: &str) -> OpenedReply<'static> {
        OpenedReply::Unusable(ParsedResponse { http, ..ParsedResponse::of(outcome, text::message(why, &self.secrets)) })
    }

    fn reply<'a>(
        &self,
        opened: Envelope<'a>,
        response: &HttpResponse,
        now: Timestamp,
    ) -> Result<YztReply<'a>, Unclear> {
        let Envelope { node, trust, odd_node, is_error } = opened;
        let code = node.word("code")?.unwrap_or_default();
        let sub_code = node.word("sub_code")?;
        // Whatever is neither absent nor a plain yes counts as a no.
        let taken = node.value("success")?.map(|success| success == true || success == "true");
        let (class, stage) = codes::classify(&code, sub_code.as_deref(), taken, self.sub_codes);
        let mut notes: Vec<String> = odd_node.map(|name| format!("answered as {name}")).into_iter().collect();
        let class = self.check_clock(class, response.date, now, &mut notes);
        let (class, received, suspicion) = match (is_error, class) {
            // It names no method, so what it says is done may be anything.
            (true, CodeClass::Done) => (CodeClass::InDoubt, Received::Nothing, Suspicion::Nothing),
            (true | false, class) => self.believed(class, stage, trust, &mut notes),
        };
        let said = match node.word("sub_msg")? {
            Some(said) => said,
            None => node.word("msg")?.unwrap_or_default(),
        };
        let word = |text: &str| text::word(text, &self.secrets);
        let code = match sub_code {
            Some(sub_code) => format!("{}/{}", word(&code), word(&sub_code)),
            None => word(&code),
        };
        let data = node.raw("data")?.and_then(RawObject::parse);
        let parsed = ParsedResponse {
            received,
            suspicion,
            http: Some(response.http),
            code: Some(code),
            message: None,
            request_id: node.word("request_id")?.and_then(|id| text::number(&id, &self.secrets)),
            ..ParsedResponse::of(Outcome::NoResponse, "")
        };
        Ok(YztReply { class, data, parsed, notes, said })
    }

    /// A wrong clock of ours refuses every request: that pauses the queue. A right one was merely too long under way.
    fn check_clock(
        &self,
        class: CodeClass,
        date: Option<Timestamp>,
        now: Timestamp,
        notes: &mut Vec<String>,
    ) -> CodeClass {
        let (CodeClass::Clock, Some(date)) = (class, date) else { return class };
        let skew = now.duration_since(date);
        if skew.abs() <= MAX_SKEW {
            return class;
        }
        let side = if skew.is_negative() { "behind" } else { "ahead of" };
        notes.push(format!("this machine's clock is {} s {side} the gateway's", skew.abs().as_secs()));
        CodeClass::Misconfigured
    }

    /// Without the platform's signature nothing is left of a class. An error that is raised before the business service
    /// sees a request is believed without one where the operator says so, and never with a wrong one: an attacker on the way
    /// can write either after the gateway has executed the call (alipay/global-open-sdk-java#222 came to the same of
    /// successes). What looks like a misconfiguration is a reason to stop, not to call the send not executed.
    fn believed(
        &self,
        class: CodeClass,
        stage: Stage,
        trust: Trust,
        notes: &mut Vec<String>,
    ) -> (CodeClass, Received, Suspicion) {
        let early = match (stage, class) {
            (Stage::BeforeRouting, CodeClass::NotExecuted | CodeClass::Clock | CodeClass::Misconfigured) => true,
            (Stage::BeforeRouting | Stage::Service, _) => false,
        };
        match trust {
            Trust::Verified | Trust::Waived => return (class, Received::Response, Suspicion::Nothing),
            Trust::Unsigned => notes.push("the answer is not signed".into()),
            Trust::BadlySigned => notes.push(BADLY_SIGNED.into()),
        }
        if early && trust == Trust::Unsigned && self.unsigned_errors == UnsignedErrors::Believe {
            return (class, Received::Response, Suspicion::Nothing);
        }
        let suspicion =
            if early && class == CodeClass::Misconfigured { Suspicion::Misconfigured } else { Suspicion::Nothing };
        (CodeClass::InDoubt, Received::Nothing, suspicion)
    }

    fn finish(&self, reply: YztReply<'_>, outcome: Outcome) -> ParsedResponse {
        let YztReply { mut parsed, notes, said, .. } = reply;
        if outcome == Outcome::Mismatch {
            // They are another job's, and must not be on this one's record.
            parsed.trade_no = None;
            parsed.status = None;
        }
        let parts: Vec<&str> =
            notes.iter().map(String::as_str).chain([said.as_str()]).filter(|part| !part.is_empty()).collect();
        let message = text::message(&parts.join("; "), &self.secrets);
        parsed.message = (!message.is_empty()).then_some(message);
        parsed.outcome = outcome;
        parsed
    }

    /// The outcome of a send.
    pub(super) fn sent(&self, mut reply: YztReply<'_>, request: &GatewayRequest) -> ParsedResponse {
        if request.kind == Kind::BillUpload {
            reply.parsed.names = Names::Job; // no page describes a query that would confirm it
        }
        let outcome = match (reply.class, request.kind) {
            (CodeClass::Done, Kind::BillUpload) => Outcome::Succeeded,
            (CodeClass::Done, Kind::Transfer | Kind::Split) => match reply.trade_status(request, &self.secrets) {
                Ok(trade_status) => trade_status.after_send(&mut reply),
                Err(Unclear) => reply.unreadable(),
            },
            (CodeClass::Done, Kind::Withdrawal) => reply.taken(&self.secrets),
            (CodeClass::Duplicate, Kind::BillUpload) => Outcome::Succeeded,
            (CodeClass::Duplicate, Kind::Transfer | Kind::Split) => Outcome::Accepted,
            (CodeClass::Duplicate, Kind::Withdrawal) => {
                reply.note("a duplicate of a request that has no key", Outcome::NoResponse)
            }
            (CodeClass::NotExecuted | CodeClass::Clock, _) => Outcome::NotExecuted,
            (CodeClass::Misconfigured, _) => Outcome::Misconfigured,
            (CodeClass::Rejected, _) => Outcome::Rejected,
            (CodeClass::NotFound, _) => reply.note("a query's answer to a send", Outcome::NoResponse),
            (CodeClass::InDoubt, _) => reply.remember_number(&self.secrets),
        };
        self.finish(reply, outcome)
    }

    /// The outcome of a query. A refusal refuses the query, never the job.
    pub(super) fn read_query(&self, mut reply: YztReply<'_>, request: &GatewayRequest) -> ParsedResponse {
        let outcome = match reply.class {
            CodeClass::Done => match reply.trade_status(request, &self.secrets) {
                Ok(trade_status) => trade_status.after_query(&mut reply),
                Err(Unclear) => reply.unreadable(),
            },
            CodeClass::NotExecuted | CodeClass::Clock => Outcome::NotExecuted,
            CodeClass::Misconfigured => Outcome::Misconfigured,
            CodeClass::NotFound => Outcome::NotFound,
            CodeClass::Rejected | CodeClass::Duplicate | CodeClass::InDoubt => Outcome::NoResponse,
        };
        self.finish(reply, outcome)
    }

    /// A question about no job: what was answered instead of data.
    pub(super) fn unanswered(&self, reply: YztReply<'_>) -> ParsedResponse {
        let outcome = match reply.class {
            CodeClass::NotExecuted | CodeClass::Clock => Outcome::NotExecuted,
            CodeClass::Misconfigured => Outcome::Misconfigured,
            CodeClass::Rejected => Outcome::Rejected,
            CodeClass::Done | CodeClass::Duplicate | CodeClass::NotFound | CodeClass::InDoubt => Outcome::NoResponse,
        };
        self.finish(reply, outcome)
    }
}

/// The job's status at the gateway.
struct TradeStatus {
    outcome: Outcome,
    key: Match,
    amount: Match,
    record: Record,
}

/// The kind of trade that the data is a record of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    Payment,
    Refund,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Same,
    Absent,
    Other,
}

impl YztReply<'_> {
    fn note(&mut self, note: &str, outcome: Outcome) -> Outcome {
        self.notes.push(note.into());
        outcome
    }

    /// The record of a refund, by the payment's own key: its status is the refund's, and says nothing certain of the payment.
    fn of_a_refund(&mut self) -> Outcome {
        self.parsed.status = None;
        self.parsed.trade_no = None;
        self.note("the answer speaks of a refund: its status is not the payment's", Outcome::NoResponse)
    }

    /// `data` does not say one thing: nothing was received that can be relied on.
    fn unreadable(&mut self) -> Outcome {
        self.parsed.received = Received::Nothing;
        self.note("a field that decides occurs twice or cannot be read", Outcome::NoResponse)
    }

    /// An answer that is not believed may still name the number to ask by: the answer to that query is checked for itself.
    fn remember_number(&mut self, secrets: &[&Secret]) -> Outcome {
        let number = self.data.as_ref().and_then(|data| data.word("trade_no").ok().flatten());
        self.parsed.trade_no = number.and_then(|number| text::number(&number, secrets));
        Outcome::NoResponse
    }

    /// The gateway has the job, and its page gives no word for how it ended.
    fn taken(&mut self, secrets: &[&Secret]) -> Outcome {
        self.remember_number(secrets);
        let status = self.data.as_ref().and_then(|data| data.word("status").ok().flatten());
        self.parsed.status = status.map(|status| text::word(&status, secrets));
        self.note("accepted; no page describes how a withdrawal ends: see the account's statement", Outcome::Accepted)
    }

    /// Reads `data`: status, number, key and amount.
    fn trade_status(&mut self, request: &GatewayRequest, secrets: &[&Secret]) -> Result<TradeStatus, Unclear> {
        let Some(data) = &self.data else {
            self.note("the answer has no data", Outcome::Accepted);
            return Ok(TradeStatus {
                outcome: Outcome::Accepted,
                key: Match::Absent,
                amount: Match::Absent,
                record: Record::Payment,
            });
        };
        data.raw("status")?;
        let status = data.word("status").unwrap_or_default(); // whatever else it is, it is no last word
        let number = data.word("trade_no")?;
        let key = match data.word("platform_no")? {
            None => Match::Absent,
            Some(key) if key == request.key => Match::Same,
            Some(_) => Match::Other,
        };
        let amount = data.value("total_amount")?.filter(|amount| *amount != "");
        let named = amount.as_ref().and_then(Fen::read);
        let amount = match (amount, ContentSummary::of(request.kind, &request.content).amount) {
            (None, Some(_)) => Match::Absent,
            (Some(_), Some(ours)) if named == Some(ours) => Match::Same,
            (Some(_), Some(_)) => Match::Other,
            (_, None) => Match::Same, // nothing to compare with: only the undocumented split may lack an amount
        };
        // `p` for a payment, `r` for a refund, in a query's answer.
        let record = match data.word("trade_type")?.as_deref() {
            Some("r" | "R") if status.as_deref() != Some("2") => Record::Refund,
            Some(_) | None => Record::Payment, // and a refunded one: that word is the payment's under either type
        };
        self.parsed.amount = named;
        if let Some(number) = number {
            self.parsed.trade_no = text::number(&number, secrets);
            if self.parsed.trade_no.is_none() {
                self.note("its trade_no is unusable and was ignored", Outcome::Accepted);
            }
        }
        let outcome = self.outcome_of(status.as_deref(), secrets);
        Ok(TradeStatus { outcome, key, amount, record })
    }

    /// 0, 1 and 2 are last words, 9 and n are not, and neither is what no page explains (trap 13).
    fn outcome_of(&mut self, status: Option<&str>, secrets: &[&Secret]) -> Outcome {
        let shown = status.map(|status| text::word(status, secrets));
        self.parsed.status.clone_from(&shown);
        match status {
            Some("1") => Outcome::Succeeded,
            Some("0") => Outcome::Failed,
            Some("2") => Outcome::Refunded,
            Some("9" | "n") => Outcome::Accepted,
            Some(_) => self.note(&format!("unknown status {}", shown.unwrap_or_default()), Outcome::Accepted),
            None => self.note("the answer has no status", Outcome::Accepted),
        }
    }
}

impl TradeStatus {
    /// The answer to an apply need not name key and amount (docs/gateways/yzt.md), but must not name others.
    fn after_send(&self, reply: &mut YztReply<'_>) -> Outcome {
        match (self.record, self.key, self.amount) {
            (_, Match::Other, _) | (_, _, Match::Other) => Outcome::Mismatch,
            (Record::Refund, _, _) => reply.of_a_refund(),
            (Record::Payment, Match::Same, Match::Same) => {
                reply.parsed.names = Names::Job;
                self.outcome
            }
            (Record::Payment, Match::Same | Match::Absent, Match::Same | Match::Absent) => self.outcome,
        }
    }

    /// The answer to a query must name the key, and for a last word the amount: its page promises both, and the number
    /// that we asked by is the gateway's, not ours. What cannot be tied to the job teaches nothing; it is asked again,
    /// and in the end a person looks.
    fn after_query(&self, reply: &mut YztReply<'_>) -> Outcome {
        match (self.key, self.amount, self.outcome) {
            (Match::Other, _, _) => reply.note("the answer names another platform_no", Outcome::Mismatch),
            (_, Match::Other, _) => reply.note("the answer names another amount", Outcome::Mismatch),
            (Match::Absent, _, _) => {
                reply.parsed.trade_no = None; // its owner is unknown
                reply.parsed.status = None;
                reply.note("the answer names no platform_no: not believed", Outcome::NoResponse)
            }
            (Match::Same, Match::Absent, Outcome::Succeeded | Outcome::Failed | Outcome::Refunded) => {
                reply.note("the answer names no amount: not believed", Outcome::NoResponse)
            }
            (Match::Same, Match::Same | Match::Absent, _) if self.record == Record::Refund => reply.of_a_refund(),
            (Match::Same, Match::Same | Match::Absent, outcome) => {
                reply.parsed.names = Names::Job;
                outcome
            }
        }
    }
}
