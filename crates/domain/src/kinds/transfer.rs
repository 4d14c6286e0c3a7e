//! `bkfunds.balance.pay.apply`: a balance moves from one account to another.
//! Field names, lengths and order are the page's (seed 000, read 2026-11-22).

use super::{Draft, PartyTypes};
use crate::fields::{Field, Reader, Rule, Written, one_of, optional, required};

const FIELDS: &[Field] = &[
    required("total_amount", Rule::Amount),
    optional("payer_store_no", Rule::Id(64)),
    optional("payer_merchant_id", Rule::Id(64)),
    required("payer_type", Rule::Id(64)), // a digit; the pages give three meanings to it (trap 10)
    optional("payee_store_no", Rule::Id(64)),
    optional("payee_merchant_id", Rule::Id(64)),
    required("payee_type", Rule::Id(64)),
    required("arrive_time", Rule::OneOf(&["T0", "T1"])),
];

const NODE: Field = required("node_id", Rule::Id(8));

pub(super) fn names() -> Vec<String> {
    let fields = [NODE].iter().chain(FIELDS).map(|field| field.name);
    fields.chain(["extra"]).map(str::to_owned).collect()
}

pub(super) fn read(reader: &mut Reader<'_>, key: &str, types: PartyTypes) -> Option<Draft> {
    let mut fields = reader.table(&[NODE]);
    fields.push(("platform_no".to_owned(), key.into()));
    let rest = reader.table(FIELDS);
    // The page calls all four required and says "one of two" in the same row (trap 9): exactly one a side.
    reader.exactly_one("payer_store_no", "payer_merchant_id", &rest);
    reader.exactly_one("payee_store_no", "payee_merchant_id", &rest);
    check_parties(reader, &rest, types);
    fields.extend(rest);
    let known: Vec<&str> = FIELDS.iter().chain([&NODE]).map(|field| field.name).chain(["platform_no"]).collect();
    reader.extra(&known, &mut fields);
    Some(Draft { fields, business_key: key.to_owned(), not_before: None })
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
