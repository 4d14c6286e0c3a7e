//! `/api/division/exec`: a paid order is divided among receivers, once for all.
//! Field names and lengths, and the contents that must not be sent, are those of docs/gateways/beingfi.md.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::generic_split;
use super::job_kind::{Body, BusinessKey, Draft, Further, JobKind, List, Repetition, Submitted, Texts};
use super::pasted;
use crate::fields::{Field, FieldError, Reader, Rule, Written, optional, write_object};
use crate::share::{WHOLE, millionths};
use crate::{GatewayKind, MAX_DAYS_AHEAD, Millis, is_too_far_ahead};

pub(super) static KIND: JobKind = JobKind {
    name: "split",
    is_taken_by: |account| account.gateway == GatewayKind::Beingfi || account.generic_split,
    repetition: Repetition::ByAccount,
    amount: "total_amount",
    payer: &["payer_store_no", "payer_merchant_id", "store_id"], // of a split through YZT; BeingFi's names only its order
    next_day: None,
    business_key: BusinessKey::Content {
        read: business_key,
        candidates: |number| ORDER.map(|field| format!("{field}/{number}")).to_vec(),
    },
    bodies: &[
        Body {
            fields: FIELDS,
            one_of: &[ORDER],
            lists: &[List { name: "receivers", items: &[RECEIVER, GROUP, SHARE] }],
            further: Further::Refused,
            undocumented: &[],
        },
        generic_split::BODY,
    ],
    read: |reader, job| match job.rules.gateway {
        GatewayKind::Beingfi => read(reader, job),
        GatewayKind::Yzt => generic_split::read(reader, job),
    },
};

/// The two numbers of an order.
const ORDER: [&str; 2] = ["payOrderId", "mchOrderNo"];

const FIELDS: &[Field] =
    &[optional(ORDER[0], Rule::Id(30)).shown(), optional(ORDER[1], Rule::Id(30)).shown(), BY_SYSTEM, PAID_AT];

const BY_SYSTEM: Field = optional("useSysAutoDivisionReceivers", Rule::Whole { low: 0, high: 1 }).shown();

/// It is not sent: it decides about the earliest moment to send the split.
const PAID_AT: Field = optional("paid_at", Rule::Moment);

const RECEIVER: Field = optional("receiverId", Rule::Number);

const GROUP: Field = optional("receiverGroupId", Rule::Number).shown();

/// Left out, it is the share that the system has for this receiver.
const SHARE: Field = optional("divisionProfit", Rule::Share).shown();

/// The page's length for the encoded list; the server is not known to check it, the page says it (trap 37).
const MAX_RECEIVERS_CHARS: usize = 512;

/// The page's "about a minute after the payment": earlier calls find the order not yet divisible.
const AFTER_PAYMENT: Duration = Duration::from_secs(60);

fn read(reader: &mut Reader<'_>, job: &Submitted<'_>) -> Option<Draft> {
    let (order, _) = FIELDS.split_at(ORDER.len());
    let mut fields = reader.table(order);
    reader.exactly_one(ORDER[0], ORDER[1], &fields);
    let text_of = |name: &str| fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.as_str());
    let business_key = KIND.business_key(job.key, &text_of);
    // Left out, the server fails with a null pointer: always send it.
    let use_system = reader.field(BY_SYSTEM).unwrap_or_else(|| 0.into());
    let by_system = use_system == 1;
    fields.push((BY_SYSTEM.name.to_owned(), use_system));
    match (by_system, reader.take("receivers")) {
        (false, receivers) => read_receivers(reader, receivers, &mut fields),
        (true, Some(_)) => reader.wrong("receivers", "must be left out when useSysAutoDivisionReceivers is 1"),
        (true, None) => {}
    }
    let not_before = read_paid_at(reader);
    Some(Draft { fields, business_key, not_before })
}

/// An order is divided once, whichever of its two numbers names it. A split through YZT's generic apply is named by its key.
fn business_key(text_of: Texts<'_, '_>) -> Option<String> {
    if text_of("platform_no").is_some() {
        return None;
    }
    ORDER.iter().find_map(|field| Some(format!("{field}/{}", text_of(field)?)))
}

fn read_paid_at(reader: &mut Reader<'_>) -> Option<Millis> {
    let paid_at = Millis::parse_rfc3339(reader.field(PAID_AT)?.as_str()?)?;
    if is_too_far_ahead(paid_at) {
        reader.wrong(PAID_AT.name, format!("must be at most {MAX_DAYS_AHEAD} days ahead"));
        return None;
    }
    Some(paid_at.plus(AFTER_PAYMENT))
}

/// With no receiver, the server hands the whole order to the merchant for good: a list is never empty.
fn read_receivers(reader: &mut Reader<'_>, receivers: Option<Value>, fields: &mut Written) {
    let rule = "must be a list of receivers, or its JSON text";
    let receivers = match receivers.map(|receivers| pasted::entries(receivers, rule)) {
        Some(Ok(receivers)) if !receivers.is_empty() => receivers,
        Some(Ok(_)) | None => {
            return reader.wrong(
                "receivers",
                "is required and must not be empty: without receivers the order is closed and no one is paid",
            );
        }
        Some(Err(rule)) => return reader.wrong("receivers", rule),
    };
    let mut errors = Vec::new();
    let mut list = Receivers::default();
    let written: Vec<String> =
        receivers.into_iter().enumerate().map(|(index, item)| list.read(index, item, &mut errors)).collect();
    if list.accounts && list.groups {
        errors.push(FieldError {
            field: "receivers".into(),
            rule: "must name accounts or groups, not both: who is in a named group would be paid twice".into(),
        });
    }
    if list.total > WHOLE {
        errors.push(FieldError {
            field: "receivers".into(),
            rule: "must not divide more than the whole: the shares add up to more than 1".into(),
        });
    }
    for FieldError { field, rule } in errors {
        reader.wrong(&field, rule);
    }
    let text = format!("[{}]", written.join(","));
    if text.chars().count() > MAX_RECEIVERS_CHARS {
        reader.wrong(
            "receivers",
            format!("must be at most {MAX_RECEIVERS_CHARS} characters long when encoded: use groups"),
        );
    }
    fields.push(("receivers".to_owned(), text.into()));
}

/// The entries of one list, added up.
#[derive(Default)]
struct Receivers {
    ids: BTreeSet<(&'static str, String)>,
    accounts: bool,
    groups: bool,
    total: u64,
}

impl Receivers {
    fn read(&mut self, index: usize, item: Value, errors: &mut Vec<FieldError>) -> String {
        let Value::Object(item) = item else {
            errors.push(FieldError { field: format!("receivers[{index}]"), rule: "must be an object".into() });
            return String::new();
        };
        let mut reader = Reader::new(format!("receivers[{index}]."), item, errors);
        let fields: Written = [self.read_id(&mut reader), self.read_share(&mut reader)].into_iter().flatten().collect();
        reader.finish();
        write_object(&fields)
    }

    /// Only the used one of the two is sent: the page's example has an empty group next to each account (trap 41).
    fn read_id(&mut self, reader: &mut Reader<'_>) -> Option<(String, Value)> {
        let mut given = |name: &'static str| reader.take(name).filter(|id| id != "");
        let (name, id) = match (given(RECEIVER.name), given(GROUP.name)) {
            (Some(id), None) => (RECEIVER.name, id),
            (None, Some(id)) => (GROUP.name, id),
            (Some(_), Some(_)) => {
                let rule = "must not be given together with receiverId: exactly one of them";
                reader.wrong("receiverGroupId", rule);
                return None;
            }
            (None, None) => {
                reader.wrong("receiverId", "is required, or receiverGroupId instead: exactly one of them");
                return None;
            }
        };
        self.accounts |= name == "receiverId";
        self.groups |= name == "receiverGroupId";
        let id = reader.checked(name, Rule::Number, id)?;
        if !self.ids.insert((name, id.to_string())) {
            reader.wrong(name, "is in the list twice and would be paid twice");
            return None;
        }
        Some((name.to_owned(), id))
    }

    fn read_share(&mut self, reader: &mut Reader<'_>) -> Option<(String, Value)> {
        let share = reader.field(SHARE)?;
        self.total = self.total.saturating_add(millionths(&share)?);
        Some((SHARE.name.to_owned(), share))
    }
}
