//! From an opened YZT answer to what it means for the job: by the class of its code, by what vouches for it, and by
//! which call it answers. No answer to a send is `Unseen`, no answer to an ask is `Refused`.

use bursar_domain::{Answer, Fen, Kind, Names, Reading, Received, Subject, Suspicion};
use jiff::{SignedDuration, Timestamp};

use super::codes::{self, Class, Stage};
use super::envelope::{self, Envelope, Trust};
use crate::http::{Answered, Heard};
use crate::json::{RawObject, Unclear};
use crate::rsa2::Verifier;
use crate::{Order, Secret, SubCodes, UnsignedErrors, text};

/// The note on an answer that another key than the platform's has signed.
pub const BADLY_SIGNED: &str = "the answer's signature is not the platform's";

/// The gateway tolerates 10 minutes (seed 000). Half of it is no longer a matter of a slow network.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What it takes to read this account's answers.
pub(super) struct Reader<'a> {
    pub verifier: Option<&'a Verifier>,
    pub unsigned_errors: UnsignedErrors,
    pub sub_codes: &'a SubCodes,
    pub secrets: Vec<&'a Secret>,
}

/// What came back from one request.
pub(super) enum Spoken<'a> {
    /// The gateway's own words.
    Words(Words<'a>),
    /// Nothing of it: already understood.
    Nothing(Reading),
}

/// The gateway's own words, classified.
pub(super) struct Words<'a> {
    pub class: Class,
    pub data: Option<RawObject<'a>>,
    /// Everything that goes on record but the answer and what `data` says.
    pub reading: Reading,
    notes: Vec<String>,
    said: String,
}

impl Reader<'_> {
    /// Understands what came back from calling `method`.
    pub(super) fn read<'a>(&self, heard: &'a Heard, method: &str, now: Timestamp) -> Spoken<'a> {
        let answered = match heard {
            Heard::NotExecuted { http, why } => return self.nothing(Answer::NotExecuted, *http, why),
            Heard::Nothing { http, why } => return self.nothing(Answer::Silent, *http, why),
            Heard::Answer(answered) => answered,
        };
        let opened = match envelope::open(&answered.body, method, self.verifier) {
            Ok(opened) => opened,
            Err(why) => return self.nothing(Answer::Silent, Some(answered.http), &why),
        };
        match self.words(opened, answered, now) {
            Ok(words) => Spoken::Words(words),
            Err(Unclear) => {
                self.nothing(Answer::Silent, Some(answered.http), "a field that decides stands twice or cannot be read")
            }
        }
    }

    fn nothing(&self, answer: Answer, http: Option<u16>, why: &str) -> Spoken<'static> {
        Spoken::Nothing(Reading { http, ..Reading::of(answer, text::message(why, &self.secrets)) })
    }

    fn words<'a>(&self, opened: Envelope<'a>, answered: &Answered, now: Timestamp) -> Result<Words<'a>, Unclear> {
        let Envelope { node, trust, odd_node, is_error } = opened;
        let code = node.word("code")?.unwrap_or_default();
        let sub_code = node.word("sub_code")?;
        // Whatever is neither absent nor a plain yes counts as a no.
        let taken = node.value("success")?.map(|success| success == true || success == "true");
        let (class, stage) = codes::classify(&code, sub_code.as_deref(), taken, self.sub_codes);
        let mut notes: Vec<String> = odd_node.map(|name| format!("answered as {name}")).into_iter().collect();
        let class = self.judge_clock(class, answered.date, now, &mut notes);
        let (class, received, suspicion) = match (is_error, class) {
            // It names no method, so what it says is done may be anything.
            (true, Class::Done) => (Class::InDoubt, Received::Nothing, Suspicion::Nothing),
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
        let reading = Reading {
            received,
            suspicion,
            http: Some(answered.http),
            code: Some(code),
            message: None,
            request_id: node.word("request_id")?.and_then(|id| text::number(&id, &self.secrets)),
            ..Reading::of(Answer::Silent, "")
        };
        Ok(Words { class, data, reading, notes, said })
    }

    /// A wrong clock of ours refuses every request: that pauses the queue. A right one was merely too long under way.
    fn judge_clock(&self, class: Class, date: Option<Timestamp>, now: Timestamp, notes: &mut Vec<String>) -> Class {
        let (Class::Clock, Some(date)) = (class, date) else { return class };
        let skew = now.duration_since(date);
        if skew.abs() <= MAX_SKEW {
            return class;
        }
        let side = if skew.is_negative() { "behind" } else { "ahead of" };
        notes.push(format!("this machine's clock is {} s {side} the gateway's", skew.abs().as_secs()));
        Class::ConfigFault
    }

    /// What is left of a class without the platform's signature: nothing. An error that is raised before the business service
    /// sees a request is believed without one where the operator says so, and never with a wrong one: whoever is on the way
    /// can write either after the gateway has executed the call (alipay/global-open-sdk-java#222 came to the same of
    /// successes). What looks like a misconfiguration is a reason to stop, not to call the send not executed.
    fn believed(
        &self,
        class: Class,
        stage: Stage,
        trust: Trust,
        notes: &mut Vec<String>,
    ) -> (Class, Received, Suspicion) {
        let early = match (stage, class) {
            (Stage::BeforeRouting, Class::NotExecuted | Class::Clock | Class::ConfigFault) => true,
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
            if early && class == Class::ConfigFault { Suspicion::Misconfigured } else { Suspicion::Nothing };
        (Class::InDoubt, Received::Nothing, suspicion)
    }

    fn finish(&self, words: Words<'_>, answer: Answer) -> Reading {
        let Words { mut reading, notes, said, .. } = words;
        if answer == Answer::Contradiction {
            // They are another job's, and must not stand on this one's record.
            reading.trade_no = None;
            reading.status = None;
        }
        let parts: Vec<&str> =
            notes.iter().map(String::as_str).chain([said.as_str()]).filter(|part| !part.is_empty()).collect();
        let message = text::message(&parts.join("; "), &self.secrets);
        reading.message = (!message.is_empty()).then_some(message);
        reading.answer = answer;
        reading
    }

    /// What the answer to a send means.
    pub(super) fn sent(&self, mut words: Words<'_>, order: &Order) -> Reading {
        if order.kind == Kind::BillUpload {
            words.reading.names = Names::Job; // no page describes a query that would confirm it
        }
        let answer = match (words.class, order.kind) {
            (Class::Done, Kind::BillUpload) => Answer::Succeeded,
            (Class::Done, Kind::Transfer | Kind::Split) => match words.stand(order, &self.secrets) {
                Ok(stand) => stand.after_send(&mut words),
                Err(Unclear) => words.unreadable(),
            },
            (Class::Duplicate, Kind::BillUpload) => Answer::Succeeded,
            (Class::Duplicate, Kind::Transfer | Kind::Split) => Answer::Accepted,
            (Class::NotExecuted | Class::Clock, _) => Answer::NotExecuted,
            (Class::ConfigFault, _) => Answer::ConfigFault,
            (Class::Refused, _) => Answer::Refused,
            (Class::Unseen, _) => words.note("a query's answer to a send", Answer::Silent),
            (Class::InDoubt, _) => words.remember_number(&self.secrets),
        };
        self.finish(words, answer)
    }

    /// What the answer to an ask means. A refusal refuses the question, never the job.
    pub(super) fn asked(&self, mut words: Words<'_>, order: &Order) -> Reading {
        let answer = match words.class {
            Class::Done => match words.stand(order, &self.secrets) {
                Ok(stand) => stand.after_query(&mut words),
                Err(Unclear) => words.unreadable(),
            },
            Class::NotExecuted | Class::Clock => Answer::NotExecuted,
            Class::ConfigFault => Answer::ConfigFault,
            Class::Unseen => Answer::Unseen,
            Class::Refused | Class::Duplicate | Class::InDoubt => Answer::Silent,
        };
        self.finish(words, answer)
    }

    /// A question about no job: what was answered instead of data.
    pub(super) fn unanswered(&self, words: Words<'_>) -> Reading {
        let answer = match words.class {
            Class::NotExecuted | Class::Clock => Answer::NotExecuted,
            Class::ConfigFault => Answer::ConfigFault,
            Class::Refused => Answer::Refused,
            Class::Done | Class::Duplicate | Class::Unseen | Class::InDoubt => Answer::Silent,
        };
        self.finish(words, answer)
    }
}

/// How the gateway says a job stands.
struct Stand {
    word: Answer,
    key: Match,
    amount: Match,
    record: Record,
}

/// What kind of trade the data is a record of.
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

impl Words<'_> {
    fn note(&mut self, note: &str, answer: Answer) -> Answer {
        self.notes.push(note.into());
        answer
    }

    /// The record of a refund, by the payment's own key: its status is the refund's, and says nothing certain of the payment.
    fn of_a_refund(&mut self) -> Answer {
        self.reading.status = None;
        self.reading.trade_no = None;
        self.note("the answer speaks of a refund: its status is not the payment's", Answer::Silent)
    }

    /// `data` does not say one thing: nothing was received that can be relied on.
    fn unreadable(&mut self) -> Answer {
        self.reading.received = Received::Nothing;
        self.note("a field that decides stands twice or cannot be read", Answer::Silent)
    }

    /// An answer that is not believed may still name the number to ask by: what is then answered is checked anew.
    fn remember_number(&mut self, secrets: &[&Secret]) -> Answer {
        let number = self.data.as_ref().and_then(|data| data.word("trade_no").ok().flatten());
        self.reading.trade_no = number.and_then(|number| text::number(&number, secrets));
        Answer::Silent
    }

    /// Reads `data`: status, number, key and amount.
    fn stand(&mut self, order: &Order, secrets: &[&Secret]) -> Result<Stand, Unclear> {
        let Some(data) = &self.data else {
            self.note("the answer has no data", Answer::Accepted);
            return Ok(Stand {
                word: Answer::Accepted,
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
            Some(key) if key == order.key => Match::Same,
            Some(_) => Match::Other,
        };
        let amount = data.value("total_amount")?.filter(|amount| *amount != "");
        let named = amount.as_ref().and_then(Fen::read);
        let amount = match (amount, Subject::of(order.kind, &order.content).amount) {
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
        self.reading.amount = named;
        if let Some(number) = number {
            self.reading.trade_no = text::number(&number, secrets);
            if self.reading.trade_no.is_none() {
                self.note("its trade_no is unusable and was ignored", Answer::Accepted);
            }
        }
        let word = self.word_of(status.as_deref(), secrets);
        Ok(Stand { word, key, amount, record })
    }

    /// 0, 1 and 2 are last words, 9 and n are not, and neither is what no page explains (trap 13).
    fn word_of(&mut self, status: Option<&str>, secrets: &[&Secret]) -> Answer {
        let shown = status.map(|status| text::word(status, secrets));
        self.reading.status.clone_from(&shown);
        match status {
            Some("1") => Answer::Succeeded,
            Some("0") => Answer::Failed,
            Some("2") => Answer::Refunded,
            Some("9" | "n") => Answer::Accepted,
            Some(_) => self.note(&format!("unknown status {}", shown.unwrap_or_default()), Answer::Accepted),
            None => self.note("the answer has no status", Answer::Accepted),
        }
    }
}

impl Stand {
    /// The answer to an apply need not name key and amount (seed 000), but must not name others.
    fn after_send(&self, words: &mut Words<'_>) -> Answer {
        match (self.record, self.key, self.amount) {
            (_, Match::Other, _) | (_, _, Match::Other) => Answer::Contradiction,
            (Record::Refund, _, _) => words.of_a_refund(),
            (Record::Payment, Match::Same, Match::Same) => {
                words.reading.names = Names::Job;
                self.word
            }
            (Record::Payment, Match::Same | Match::Absent, Match::Same | Match::Absent) => self.word,
        }
    }

    /// The answer to a query must name the key, and for a last word the amount: its page promises both, and the number
    /// that we asked by is the gateway's, not ours. What cannot be tied to the job teaches nothing; it is asked again,
    /// and in the end a person looks.
    fn after_query(&self, words: &mut Words<'_>) -> Answer {
        match (self.key, self.amount, self.word) {
            (Match::Other, _, _) => words.note("the answer names another platform_no", Answer::Contradiction),
            (_, Match::Other, _) => words.note("the answer names another amount", Answer::Contradiction),
            (Match::Absent, _, _) => {
                words.reading.trade_no = None; // whose it is cannot be told
                words.reading.status = None;
                words.note("the answer names no platform_no: not believed", Answer::Silent)
            }
            (Match::Same, Match::Absent, Answer::Succeeded | Answer::Failed | Answer::Refunded) => {
                words.note("the answer names no amount: not believed", Answer::Silent)
            }
            (Match::Same, Match::Same | Match::Absent, _) if self.record == Record::Refund => words.of_a_refund(),
            (Match::Same, Match::Same | Match::Absent, word) => {
                words.reading.names = Names::Job;
                word
            }
        }
    }
}
