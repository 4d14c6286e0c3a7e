//! `bkfunds.balance.pay.apply`: a balance moves from one account to another.
//! Field names, lengths and order are the page's (seed 000, read 2026-11-22).

use super::Draft;
use crate::fields::{Field, Reader, Rule, optional, required};

const FIELDS: &[Field] = &[
    required("total_amount", Rule::Amount),
    optional("payer_store_no", Rule::Text(64)),
    optional("payer_merchant_id", Rule::Text(64)),
    required("payer_type", Rule::Text(64)), // opaque: the pages give three meanings to its digits (trap 10)
    optional("payee_store_no", Rule::Text(64)),
    optional("payee_merchant_id", Rule::Text(64)),
    required("payee_type", Rule::Text(64)),
    required("arrive_time", Rule::OneOf(&["T0", "T1"])),
];

const NODE: Field = required("node_id", Rule::Text(8));

pub(super) fn names() -> Vec<String> {
    [NODE].iter().chain(FIELDS).map(|field| field.name.to_owned()).collect()
}

pub(super) fn read(reader: &mut Reader<'_>, key: &str) -> Option<Draft> {
    let mut fields = reader.table(&[NODE]);
    fields.push(("platform_no".to_owned(), key.into()));
    let rest = reader.table(FIELDS);
    // The page calls all four required and says "one of two" in the same row (trap 9): exactly one a side.
    reader.exactly_one("payer_store_no", "payer_merchant_id", &rest);
    reader.exactly_one("payee_store_no", "payee_merchant_id", &rest);
    fields.extend(rest);
    Some(Draft { fields, about: key.to_owned(), not_before: None })
}
