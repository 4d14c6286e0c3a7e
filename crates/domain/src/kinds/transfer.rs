//! `bkfunds.balance.pay.apply`: a balance moves from one account to another.
//! Field names, lengths and order are those of docs/gateways/yzt.md.

use super::job_kind::{Body, BusinessKey, Draft, Further, JobKind, Repetition, Submitted};
use crate::fields::{Field, Reader, Rule, Written, one_of, optional, required};
use crate::{GatewayKind, PartyTypes};

pub(super) static KIND: JobKind = JobKind {
    name: "transfer",
    is_taken_by: |account| account.gateway == GatewayKind::Yzt,
    repetition: Repetition::ByAccount,
    amount: "total_amount",
    payer: &["payer_store_no", "payer_merchant_id"],
    next_day: Some(("arrive_time", "T1")),
    business_key: BusinessKey::JobKey,
    bodies: &[Body { fields: FIELDS, one_of: &SIDES, lists: &[], further: Further::InExtra, undocumented: &[] }],
    read,
};

const FIELDS: &[Field] = &[
    required("node_id", Rule::Id(8)).shown(), // the key is written after it
    required("total_amount", Rule::Amount).shown(),
    optional("payer_store_no", Rule::Id(64)),
    optional("payer_merchant_id", Rule::Id(64)),
    required("payer_type", Rule::Id(64)).shown(), // a digit; the pages give three meanings to it (trap 10)
    optional("payee_store_no", Rule::Id(64)),
    optional("payee_merchant_id", Rule::Id(64)),
    required("payee_type", Rule::Id(64)).shown(),
    required("arrive_time", Rule::OneOf(&["T0", "T1"])).shown(),
];

/// The page calls all four required and says "one of two" in the same row (trap 9): exactly one a side.
const SIDES: [[&str; 2]; 2] = [["payer_store_no", "payer_merchant_id"], ["payee_store_no", "payee_merchant_id"]];

fn read(reader: &mut Reader<'_>, job: &Submitted<'_>) -> Option<Draft> {
    let (node, rest) = FIELDS.split_at(1);
    let mut fields = reader.table(node);
    fields.push(("platform_no".to_owned(), job.key.into()));
    let rest = reader.table(rest);
    for [first, second] in SIDES {
        reader.exactly_one(first, second, &rest);
    }
    check_parties(reader, &rest, job.rules.party_types);
    fields.extend(rest);
    let known: Vec<&str> = FIELDS.iter().map(|field| field.name).chain(["platform_no"]).collect();
    reader.extra(&known, &mut fields);
    Some(Draft { fields, business_key: job.key.to_owned(), not_before: None })
}

/// Types that this account's gateway has, and two parties: what is paid to its payer moves nothing, and is a mistake.
fn check_parties(reader: &mut Reader<'_>, fields: &Written, types: PartyTypes) {
    let text_of = |name: &str| fields.iter().find(|(field, _)| field == name).and_then(|(_, value)| value.as_str());
    for name in ["payer_type", "payee_type"] {
        if text_of(name).is_some_and(|given| !types.has(given)) {
            let allowed = types.list();
            let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
            reader.wrong(name, format!("{}, this account's party_types", one_of(&allowed)));
        }
    }
    if text_of("payer_type") != text_of("payee_type") {
        return;
    }
    for (payer, payee) in [("payer_store_no", "payee_store_no"), ("payer_merchant_id", "payee_merchant_id")] {
        if text_of(payer).is_some() && text_of(payer) == text_of(payee) {
            reader.wrong(payee, "must name another account than the payer's: number and type are the same");
        }
    }
}
