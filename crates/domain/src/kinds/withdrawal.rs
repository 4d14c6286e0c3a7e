//! `bkfunds.withdraw.apply`: a balance leaves for a bank card.
//! Field names and order are those of docs/gateways/yzt.md; its page gives no lengths, so those here are ours.
//!
//! The request has no key of ours, so the gateway cannot tell a second send from a second withdrawal.

use super::Kind;
use super::job_kind::{Body, BusinessKey, Draft, Further, JobKind, Repetition, Submitted};
use crate::GatewayKind;
use crate::fields::{Field, Reader, Rule, Written, optional, required};

pub(super) static KIND: JobKind = JobKind {
    name: "withdrawal",
    is_taken_by: |account| account.gateway == GatewayKind::Yzt && account.additional.has(Kind::Withdrawal),
    repetition: Repetition::PaysAgain,
    amount: "total_amount",
    payer: &["store_no", "merchant_id"],
    next_day: None,
    business_key: BusinessKey::JobKey,
    bodies: &[Body { fields: FIELDS, one_of: &[HOLDER], lists: &[], further: Further::InExtra, undocumented: &[] }],
    read,
};

/// The account that is withdrawn from, by one of its two numbers.
const HOLDER: [&str; 2] = ["merchant_id", "store_no"];

const FIELDS: &[Field] = &[
    required("sso_node_id", Rule::Id(8)).shown(),
    optional(HOLDER[0], Rule::Whole { low: 1, high: i64::MAX }),
    optional(HOLDER[1], Rule::Id(64)),
    required("account_sub_type", Rule::OneOf(&["0", "1"])).shown(), // 0 collecting, 1 paying
    required("total_amount", Rule::Amount).shown(),                 // in fen here, in yuan on the wire
    optional("card_type", Rule::OneOf(&["0", "1", "2"])).shown(),   // 0 withdrawal card, 1 fee card, 2 another one
    optional("bank_card_no", Rule::Id(64)),
    optional("bank_card_name", Rule::Text(128)),
    optional("bank_id", Rule::Id(64)),
    optional("bank_name", Rule::Text(128)),
    optional("remark", Rule::Text(128)),
];

fn read(reader: &mut Reader<'_>, job: &Submitted<'_>) -> Option<Draft> {
    let has_card_type = reader.gives("card_type");
    let mut fields = reader.table(FIELDS);
    reader.exactly_one(HOLDER[0], HOLDER[1], &fields);
    // A wrong type is refused by its own rule, and says nothing about the card.
    if has_card_type == fields.iter().any(|(name, _)| name == "card_type") {
        check_card(reader, &fields);
    }
    let known: Vec<&str> = FIELDS.iter().map(|field| field.name).chain(["platform_no"]).collect();
    reader.extra(&known, &mut fields);
    Some(Draft { fields, business_key: job.key.to_owned(), not_before: None })
}

/// The card is a bound one, by its type, or one that the body names. A body that names both leaves the gateway a choice.
fn check_card(reader: &mut Reader<'_>, fields: &Written) {
    let text_of = |name: &str| fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.as_str());
    let card = ["bank_card_no", "bank_card_name"];
    let (needed, refused): (&[&str], &[&str]) = match text_of("card_type") {
        None => (&card, &[]),
        Some("2") => (&card[..1], &[]),
        Some(_) => (&[], &card),
    };
    for name in needed.iter().filter(|name| text_of(name).is_none()) {
        reader.wrong(name, "is required: without it no card is named");
    }
    for name in refused.iter().filter(|name| text_of(name).is_some()) {
        reader.wrong(name, "must be left out where card_type is 0 or 1, which is a card that the gateway knows");
    }
}
